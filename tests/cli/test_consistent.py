"""`--consistent` of `linkgan edit` and `linkgan metrics`."""

from __future__ import annotations

import json

import pytest
import torch
from PIL import Image

from linkgan_plugin import Editor, LinkedGenerator, Resample, load_network
from linkgan_plugin.consistent import Consistent, critic_of

ONE = ("--region", "eyes", "--seeds", 3, "--donor-seed", 90, "--plain")
QUICK = ("--pairs", 8, "--json")


@pytest.fixture(scope="module")
def network(linked_snapshot):
    return load_network(linked_snapshot)


@pytest.mark.parametrize("by", ["rest", "critic"])
def test_an_edit_uses_the_best_of_the_seeds_and_stores_it(cli, linked_snapshot, network, tmp_path, by):
    out = tmp_path / "x.png"
    result = cli("edit", linked_snapshot, *ONE, "--consistent", 8, "--consistent-by", by, "--out", out)
    assert result.exit_code == 0, result.output
    generator = LinkedGenerator(network.generator, network.linked())
    editor = Editor.of_seed(generator, 3)
    choice = Consistent(8) if by == "rest" else Consistent(8, critic_of(network.discriminator))
    editor.do(choice.step(editor, Resample("eyes", seed=90)))
    text = Image.open(out).text
    saved = json.loads(text["editor"])
    assert saved["steps"] == [step.to_json() for step in editor.steps]
    assert torch.equal(Editor.from_json(generator, saved).image(), editor.image())
    assert json.loads(text["edits"]) == ["best of 90-97"]


@pytest.mark.parametrize("name", ["sheet.png", "strip.gif"])
def test_sheets_and_videos_choose_too(cli, linked_snapshot, tmp_path, name):
    arguments = ("--region", "eyes", "--seeds", "1,2", "--variants", 2, "--consistent", 4, "--out", tmp_path / name)
    result = cli("edit", linked_snapshot, *arguments, "--cell", 16)
    assert result.exit_code == 0, result.output
    assert (tmp_path / name).exists()


@pytest.mark.parametrize("command", ["edit", "metrics"])
@pytest.mark.parametrize(("value", "says"), [("0", "2<=x<=1024"), ("1", "2<=x<=1024"), ("many", "not a valid integer")])
def test_bad_numbers_are_refused(cli, linked_snapshot, tmp_path, command, value, says):
    more = ("--out", tmp_path / "x.png") if command == "edit" else ()
    result = cli(command, linked_snapshot, "--consistent", value, *more)
    assert result.exit_code == 2
    assert says in result.output


def test_options_that_do_not_go_together_are_refused(cli, linked_snapshot, tmp_path):
    out = ("--out", tmp_path / "x.png")
    for command, more in (("edit", out), ("metrics", ())):
        result = cli(command, linked_snapshot, "--consistent-by", "critic", *more)
        assert (result.exit_code, "--consistent-by needs --consistent N" in result.output) == (2, True)
    result = cli("edit", linked_snapshot, "--region", "eyes", "--directions", 1, "--consistent", 4, *out)
    assert "--directions and --consistent do not go together" in result.output
    result = cli("edit", linked_snapshot, "--region", "all", "--seeds", 3, "--consistent", 4, *out)
    assert "every axis is edited" in result.output


def test_metrics_show_the_diversity_next_to_quality_and_fit_of_the_same_edits(cli, linked_snapshot, faces_zip):
    asked = ("--data", faces_zip, "--quality-images", 40, "--edited-quality", *QUICK)
    plain = json.loads(cli("metrics", linked_snapshot, *asked).output)
    chosen = json.loads(cli("metrics", linked_snapshot, *asked, "--consistent", 8).output)
    assert chosen["consistent"] == {"candidates": 8, "by": "rest"}
    extra = {"eyes/diversity_kept_consistent", "mouth/diversity_kept_consistent"}
    assert set(chosen["results"]) == set(plain["results"]) | extra
    edited = {key for key in plain["results"] if key.startswith("edited_quality")}
    differing = {key for key, value in plain["results"].items() if chosen["results"][key] != value}
    assert differing == edited
    output = cli("metrics", linked_snapshot, "--pairs", 8, "--metric", "diversity_kept", "--consistent", 4).output
    assert "diversity_kept_consistent" in output
    assert "best of 4 by rest" in output
