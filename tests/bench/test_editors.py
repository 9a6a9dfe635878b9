"""`bench editors`: leak at equal effect, on generators whose answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from linkgan_plugin import registry
from linkgan_plugin.bench import editors as study
from linkgan_plugin.bench import editors_report as report
from linkgan_plugin.bench.editing_rows import AlongDirections, Resampled
from linkgan_plugin.bench.editors import Plan, Subject, editor_names, run
from linkgan_plugin.bench.equal_effect import Curve, curves, variety
from linkgan_plugin.directions.directions import Directions
from linkgan_plugin.directions.task import Found, Method, Task
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.links import LinkSpec, parse_region
from linkgan_plugin.networks import Network
from tests.directions.planted import DIM, SIZE, opened, strips

LEFT = "box(0,0,0.5,1)"


@pytest.fixture
def generator():
    """Axes 0 to 3 own the left half, 4 to 6 the right one, the others change nothing."""
    return strips(torch.eye(DIM))


@pytest.fixture
def task(generator):
    return Task(opened(generator), region=parse_region(LEFT))


@pytest.fixture
def axes(monkeypatch):
    """A method that finds the axes 0, 4 and 0 + 4."""
    vectors = torch.eye(DIM)[[0, 4]]
    method = Method(lambda task: Found(torch.cat([vectors, vectors.sum(dim=0, keepdim=True)])), "none", local=True)
    load, names = registry.load, registry.names
    monkeypatch.setattr(registry, "load", lambda kind, name: method if name == "some" else load(kind, name))
    monkeypatch.setattr(registry, "names", lambda kind: ["some"] if kind == "directions" else names(kind))


def test_amounts_and_leaks_are_read_where_the_effect_is_reached():
    curve = Curve((1.0, 2.0, 4.0), (0.1, 0.4, 1.6), (0.01, 0.04, 0.16))  # effect = 0.1 amount^2, leak a tenth of it
    for effect in (0.05, 0.1, 0.3, 1.0, 1.6):
        assert curve.at(effect) == pytest.approx(((effect / 0.1) ** 0.5, effect / 10))
    assert curve.at(1.7) is None


def test_the_first_crossing_counts_where_the_effect_falls_again():
    assert Curve((1.0, 2.0, 3.0), (1.0, 0.0, 4.0), (1.0, 1.0, 9.0)).at(1.0) == (1.0, 1.0)


def test_curves_of_a_linear_generator_are_parabolas(task):
    vectors = torch.zeros(1, 1, DIM)
    vectors[0, 0, [0, 4]] = 1.0
    edit = AlongDirections(task.generator, Directions(vectors), amounts=(1.0, 2.0))
    found = curves(task, edit, samples=5)
    weight = task.generator.generator.synthesis.weight.detach().view(SIZE, SIZE, DIM)
    inside, outside = weight[:, :4, 0].square().sum() / 64, weight[:, 4:, 4].square().sum() / 64
    assert len(found) == 2  # both ways
    for curve in found:
        assert curve.effect == pytest.approx([float(inside), 4 * float(inside)], rel=1e-5)
        assert curve.leak == pytest.approx([float(outside), 4 * float(outside)], rel=1e-5)


def test_variety_is_the_squared_difference_of_two_images_in_the_region(task):
    weight = task.generator.generator.synthesis.weight.detach().view(SIZE, SIZE, DIM)
    # w ~ N(0, I): the difference of two has twice the variance.
    assert variety(task, 4000) == pytest.approx(2 * float(weight[:, :4].square().sum()) / 64, rel=0.05)


def test_resampling_a_perfect_link_leaks_nothing_and_reaches_its_variety(generator):
    spec = LinkSpec.parse([f"left=0:4@{LEFT}"], dim=DIM)
    linked = LinkedGenerator(generator, spec)
    task = Task(linked, region=spec["left"].region)
    found = curves(task, Resampled(linked, "left", amounts=(0.5, 1.0)), samples=200)
    mean = sum(curve.effect[1] for curve in found) / len(found)
    assert mean == pytest.approx(variety(task, 2000), rel=0.1)
    assert sum(curve.effect[0] for curve in found) / len(found) == pytest.approx(mean / 4, rel=1e-3)
    assert max(curve.leak[1] for curve in found) < 1e-9


def subject(generator, links: bool = False) -> Subject:
    spec = LinkSpec.parse([f"left=0:4@{LEFT}"], dim=DIM) if links else None
    return Subject("toy", Network(generator, spec, {}, Path("toy.pt")))


def test_only_trained_links_are_rows_of_linked_networks(generator, axes):
    assert editor_names(subject(generator), "left", ()) == ["axes", "basis", "some"]
    assert editor_names(subject(generator, links=True), "left", ()) == ["link", "some"]
    measured_only = subject(generator, links=True)
    measured_only.network.training_options["loss_kwargs"] = {"recipe": {"weight": 0.0}}
    assert editor_names(measured_only, "left", ()) == ["axes", "basis", "some"]
    with pytest.raises(LinkGANError, match=r"no editor 'somme'; .*'some'"):
        editor_names(subject(generator), "left", ["somme"])


def test_a_study_stores_its_cells_and_does_not_measure_them_again(generator, axes, tmp_path):
    plan = Plan({"left": LEFT}, ("link", "some"), seeds=(0, 1), count=3, samples=4, images=0)
    told: list[str] = []
    cells = run(plan, [subject(generator, links=True)], tmp_path, say=told.append)
    assert [cell["editor"] for cell in cells] == ["link", "link", "some", "some"]
    assert told == ["toy-left-link-0", "toy-left-link-1", "toy-left-some-0", "toy-left-some-1"]
    # Axis 0 leaks nothing, 0 + 4 leaks; axis 4 alone never changes the region.
    middle = cells[2]["levels"][1]
    assert middle["reached"] == pytest.approx(4 / 6)
    assert [amount is None for amount in middle["amounts"]] == [False, False, False, False, True, True]
    assert middle["best_leak"] < 1e-9 < middle["leak"]
    told.clear()
    assert run(plan, [subject(generator, links=True)], tmp_path, say=told.append) == cells
    assert told == []
    with pytest.raises(LinkGANError, match=r"contains a study with .* choose another --out"):
        run(Plan({"left": LEFT}, count=2), [subject(generator)], tmp_path)


def test_an_editor_that_cannot_be_used_keeps_its_row_with_the_reason(generator, tmp_path):
    cells = run(
        Plan({"left": LEFT}, ("sefa",), seeds=(0,), images=0), [subject(generator)], tmp_path, say=lambda t: None
    )
    assert "has no style space" in cells[0]["failed"]
    text = report.text(cells, "command", [0], {"toy": "faces"})
    assert "- sefa: ToyGenerator has no style space" in text


def test_the_table_ranks_by_leak_and_judges_against_the_link(generator, axes, tmp_path):
    plan = Plan({"left": LEFT}, ("link", "some"), seeds=(0, 1, 2), count=3, samples=4, images=0)
    linked = subject(generator, links=True)
    cells = run(plan, [linked], tmp_path, say=lambda text: None)
    (editors,) = report.groups(cells).values()
    header, rows = report.table(editors, "photographs")
    assert [row[0] for row in rows] == ["link", "some"]
    assert header[-1] == "leak, against link"
    assert rows[1][-1].startswith("worse")
    assert json.dumps(cells)
    best = [study.Cell(plan, linked, "left", name, 0, tmp_path) for name in ("link", "some")]
    sheet = report.sheet([(cell, editors[cell.editor][0]) for cell in best])
    assert sheet.shape == (2 * (18 + 2 * 96), 5 * 96, 3)


def test_what_a_method_finds_without_knowing_regions_is_found_once_for_all_of_them(generator, tmp_path, monkeypatch):
    calls: list[int] = []

    def axes(task):
        calls.append(task.seed)
        return Found(torch.eye(DIM)[:7])

    load, names = registry.load, registry.names
    method = Method(axes, "none")
    monkeypatch.setattr(registry, "load", lambda kind, name: method if name == "some" else load(kind, name))
    monkeypatch.setattr(registry, "names", lambda kind: ["some"] if kind == "directions" else names(kind))
    plan = Plan({"left": LEFT, "right": "box(0.5,0,1,1)"}, ("some",), seeds=(0, 1), count=2, samples=4, images=0)
    cells = run(plan, [subject(generator)], tmp_path, say=lambda text: None)
    assert calls == [0, 1]
    assert [(cell["seed"], cell["region"]) for cell in cells] == [(0, "left"), (0, "right"), (1, "left"), (1, "right")]
    # The most local two of each region, both ways: they leak nothing.
    assert all(cell["levels"][1]["reached"] == 1 and cell["levels"][1]["leak"] < 1e-9 for cell in cells)
