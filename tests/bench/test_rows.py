"""The rows of the ablation: every switch that tells the recipes apart, from both ends, and what each row needs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from linkgan_plugin import flags, recipes
from linkgan_plugin.bench import rows
from linkgan_plugin.bench.rows import UNLINKED, all_rows, choose_rows
from linkgan_plugin.cli.train import train
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.recipes import Recipe, make_recipe

LINKS = ("eyes=16@eyes", "mouth=8@mouth")


def test_every_switch_that_differs_has_a_row_from_both_ends():
    default, paper = (make_recipe(name).to_json() for name in ("default", "paper"))
    known = {flag.replace("-", "_") for flag, _, _ in flags.SWITCHES}
    differ = {name for name in default if default[name] != paper[name]} & known
    names = set(all_rows(LINKS))
    assert differ
    assert {f"default-but-{name}" for name in differ} == {name for name in names if name.startswith("default-but")}
    assert {f"paper-but-{name}" for name in differ} == {name for name in names if name.startswith("paper-but")}


def test_photographs_have_a_row_without_each_thing_that_they_add():
    made = all_rows(LINKS)
    names = ["from-converged", "but-basis", "but-lambda_in", "but-interval", "but-thumbnail"]
    assert [name for name in made if name.startswith("photographs")] == [f"photographs-{name}" for name in names]
    full, plain = made["photographs-from-converged"], made["photographs-but-basis"]
    assert full.arguments()[-2:] == ["--link-basis", "auto"]
    assert plain.arguments() == full.arguments()[:-2]
    assert made["photographs-but-thumbnail"].full_recipe() == replace(full.full_recipe(), thumbnail=0)
    assert {made[f"photographs-{name}"].baseline for name in names} == {"unlinked-continued"}


def test_a_row_differs_from_its_recipe_in_its_switches_alone():
    for row in all_rows(LINKS).values():
        base, mine = make_recipe(row.recipe).to_json(), row.full_recipe().to_json()
        said = {name for name, value in row.switches if value != base[name]}
        assert {name for name in base if base[name] != mine[name]} == said


def test_a_switch_that_needs_another_takes_it_along(monkeypatch):
    floored = {**recipes.RECIPES, "default": Recipe(rest_floor=0.1)}
    monkeypatch.setattr(recipes, "RECIPES", floored)
    monkeypatch.setattr(rows, "RECIPES", floored)
    made = all_rows(LINKS)
    assert dict(made["default-but-form"].switches) == {"form": "squared", "rest_floor": 0.0}
    assert dict(made["paper-but-rest_floor"].switches) == {"rest_floor": 0.1, "form": "share"}
    assert dict(made["default-but-perturb"].switches) == {"perturb": "gaussian"}


def test_the_training_command_makes_the_row():
    for row in all_rows(LINKS).values():
        values = train.make_context("train", row.arguments()).params
        links = flags.take_link_options(values)
        assert make_recipe(links["recipe_name"], **links["switches"]) == row.full_recipe()
        assert links["links"] == row.links
        LinkSpec.parse(links["links"], dim=64)


def test_rows_come_after_those_they_need():
    chosen = [row.name for row in choose_rows(["paper-from-converged", "axes-4"], LINKS)]
    assert chosen == [UNLINKED, "unlinked-continued", "paper-from-converged", "axes-4"]
    assert choose_rows(["axes-4"], LINKS)[-1].links == ("eyes=4@eyes",)
    with pytest.raises(LinkGANError, match=r"no row 'papr'.*did you mean 'paper'"):
        choose_rows(["papr"], LINKS)


def test_resumed_rows_share_one_pretrained_network_and_its_continuation():
    rows = choose_rows(["default-from-converged", "paper-from-converged"], LINKS, pretrain=120.0)
    made = {row.name: row for row in rows}
    assert list(made) == [
        "unlinked-pretrained",
        "unlinked-continued",
        "default-from-converged",
        "paper-from-converged",
    ]
    assert made["unlinked-pretrained"].kimg == 120
    for name in ("unlinked-continued", "default-from-converged", "paper-from-converged"):
        row = made[name]
        assert (row.resume, row.baseline, row.kimg) == ("unlinked-pretrained", "unlinked-continued", None)
    assert "unlinked-pretrained" not in all_rows(LINKS)
    assert all_rows(LINKS)["unlinked-continued"].resume == UNLINKED


def test_a_row_of_ones_own():
    *_, row = choose_rows([], LINKS, ["soft=default,weight=0.5,lazy-gain=false,interval=2"])
    assert row.full_recipe() == make_recipe("default", weight=0.5, lazy_gain=False, interval=2)
    assert row.baseline == UNLINKED
    assert row.arguments()[-4:] == [
        f"--link-start={Recipe().start}",
        "--link-weight=0.5",
        "--link-lazy-gain=false",
        "--link-interval=2",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("soft", "row 'soft' is malformed"),
        ("../x=default", "malformed"),
        ("soft=defualt", "did you mean 'default'"),
        ("soft=default,wieght=1", "did you mean 'weight'"),
        ("soft=default,weight=heavy", "link weight is 'heavy'; expected a value like"),
        ("soft=default,lazy_gain=1", "expected a value like true"),
        ("paper=default", "a row 'paper' exists already"),
    ],
)
def test_a_malformed_row_is_refused(text, message):
    with pytest.raises(LinkGANError, match=message):
        choose_rows([], LINKS, [text])
