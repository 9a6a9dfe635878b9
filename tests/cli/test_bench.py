"""`linkgan bench`, very small: every command writes its rows and prints its table."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import pytest
from PIL import Image

from linkgan_plugin.bench import throughput
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.metrics.face_classifier import FaceClassifier
from training_loops.formats.folder import ImageFolderDataset

TINY = ["--cbase", "16", "--cmax", "4", "--w-dim", "16", "--z-dim", "16", "--batch", "4"]


@pytest.fixture(scope="module")
def ablation(tmp_path_factory, cli, faces_zip):
    """A finished ablation of one row, and the same command's second call."""
    out = tmp_path_factory.mktemp("bench") / "out"
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    arguments = ["--rows", "unlinked", "--seeds", "5", "--kimg", 0.012, "--data", faces_zip, "--out", out, "--jobs", 1]
    small = ["--link", "eyes=4@eyes", "--pairs", 4, "--quality-images", 32, "--edited-quality"]
    command = ["bench", "recipes", *arguments, *small, "--", *TINY]
    result = cli(*command)
    assert result.exit_code == 0, result.output
    stamp = (out / "unlinked" / "seed-5" / "stats.jsonl").stat().st_mtime
    again = cli(*command)
    monkeypatch.undo()
    return out, result, again, stamp


def test_recipes_records_every_run(ablation):
    out, _, _, _ = ablation
    report = json.loads((out / "recipes.json").read_text())
    (run,) = report["runs"]
    assert (run["row"], run["seed"], run["images"], run["pairs"]) == ("unlinked", 5, 12, 4)
    assert run["switches"]["weight"] == 0
    assert run["spec"]["links"][0]["name"] == "eyes"
    assert "--link-weight=0.0 --cbase 16" in run["command"]
    assert run["quality"] > 0
    assert run["quality_ratio"] == 1
    assert 0 < run["metrics"]["eyes"]["locality"] < 1
    assert run["stderr"]["eyes"]["locality"] > 0
    assert {"torch", "numpy", "linkgan_plugin"} <= set(run["versions"])
    (row,) = report["rows"]
    locality = run["metrics"]["eyes"]["locality"]
    assert row["metrics"]["eyes"]["locality"] == {"mean": locality, "deviation": None, "stderr": None}
    assert report["protocol"] == {"data": "faces", "seeds_for_a_claim": 5, "snapshots": 5}
    assert run["edited_quality"].keys() == run["edited_quality_difference_stderr"].keys() == {"eyes", "rest"}
    gap = run["edited_quality"]["eyes"] - run["quality"]
    assert run["edited_quality_difference"]["eyes"] == pytest.approx(gap)


def test_recipes_writes_table_page_curves_and_sheet(ablation):
    out, result, _, _ = ablation
    table = (out / "recipes.md").read_text()
    assert table in result.output
    assert re.search(r"\| unlinked \| +1\.000 \|", table)
    assert "eyes locality" in table
    assert (out / "curves" / "unlinked.svg").read_text().startswith("<svg")
    sheet = Image.open(out / "sheets" / "unlinked.png")
    assert sheet.width > 500
    assert sheet.text["row"] == "unlinked"
    page = (out / "recipes.html").read_text()
    assert page.count("data:image/png;base64,") == 1
    assert "<svg" in page


def test_recipes_does_not_repeat_what_is_finished(ablation):
    out, _, again, stamp = ablation
    assert again.exit_code == 0, again.output
    assert (out / "unlinked" / "seed-5" / "stats.jsonl").stat().st_mtime == stamp
    (figures,) = (out / "unlinked" / "seed-5" / "figures").iterdir()
    assert figures.name == "network-snapshot-000000-4-32-attributes-edited.jsonl"
    assert len(figures.read_text().splitlines()) == 1


def test_recipes_lists_its_rows(cli):
    result = cli("bench", "recipes", "--list")
    assert result.exit_code == 0
    names = [line.split()[0] for line in result.output.splitlines()]
    assert {"unlinked", "default", "paper", "paper-from-converged", "axes-32", "four-quadrants"} <= set(names)


def test_paper_lists_its_rows_by_the_axes_of_its_networks(cli):
    def names(*arguments):
        result = cli("bench", "paper", "--list", *arguments)
        assert result.exit_code == 0, result.output
        return [line.split()[0] for line in result.output.splitlines()]

    assert {"one-eyes", "two-regions", "four-quadrants", "joint", "axes-32", "from-scratch"} <= set(names())
    assert "axes-256" in names("--cfg", "small")
    assert "axes-256" not in names("--cfg", "small", "--", "--w-dim", "128")
    assert names("--rows", "axes-4") == ["unlinked", "unlinked-continued", "axes-4"]
    result = cli("bench", "paper", "--list", "--", "--w-dims", "9")
    assert result.exit_code == 2
    assert "--w-dims" in result.output


def test_paper_prints_its_numbers_and_measures_two_regions_at_once(cli, faces_zip, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    size = ["--kimg", 0.012, "--pairs", 4, "--quality-images", 0, "--seeds", "0", "--jobs", 1]
    links = ["--link", "eyes=4@eyes", "--link", "mouth=2@mouth"]
    result = cli(
        "bench", "paper", "--rows", "joint", *size, *links, "--data", faces_zip, "--out", tmp_path, "--", *TINY
    )
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "paper.json").read_text())
    assert [row["row"] for row in report["rows"]] == ["unlinked", "unlinked-continued", "two-regions", "joint"]
    joint = report["runs"][-1]
    assert joint["snapshot"].startswith("two-regions/")
    assert joint["metrics"]["eyes-mouth"]["effect_in"] > 0
    assert joint["unlinked_metrics"]["eyes-mouth"]["effect_in"] > 0
    assert "joint: editing eyes-mouth changes its region more than the rest" in result.output
    assert "1 seed; 5 are needed on faces" in result.output
    assert "[paper 1.26]" in result.output
    assert (tmp_path / "paper.html").exists()


def test_metrics_compares_the_evaluation_with_bare_synthesis(cli, linked_snapshot, faces_zip, tmp_path, monkeypatch):
    clock = SimpleNamespace(now=0.0)  # a second for every image that is rendered, and for every one that is read

    def ticking(method):
        def call(self, images, *others):
            clock.now += len(images)
            return method(self, images, *others)

        return call

    monkeypatch.setattr(throughput.time, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(LinkedGenerator, "rendering", ticking(LinkedGenerator.rendering))
    monkeypatch.setattr(FaceClassifier, "attributes", ticking(FaceClassifier.attributes))
    options = ("--pairs", 8, "--batch", 4, "--rounds", 2)
    result = cli("bench", "metrics", linked_snapshot, "--data", faces_zip, *options, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    plain, read = json.loads((tmp_path / "metrics.json").read_text())["rows"]
    # Originals, donors and two edits for each of two links; the classifier sees 8 more, to tell what a region owns.
    assert plain["images"] == 8 * (2 + 2 * 2)
    assert read["images"] == plain["images"] + 8
    assert plain["ratio"] == 1
    assert read["ratio"] == pytest.approx(read["images"] / (read["images"] + plain["images"]))
    assert plain["images_per_second"] == plain["images_per_second_bare"] == 1
    assert plain["rounds"] == 2
    assert "| region metrics" in result.output


def test_overhead_writes_its_rows(cli, tmp_path, monkeypatch):
    from linkgan_plugin.bench import cost

    asked = {}

    def measured(specs, data, recipe, *, rounds, progress, **how):
        asked.update(how, rounds=rounds, form=recipe.form)
        meter = cost.Meter(rounds, cost.torch.device("cpu"), progress)
        meter.seconds.update({"with": [1.2, 1.0, 1.1], "without": [1.0, 1.0, 1.0]})
        meter.peaks.update({"with": 105, "without": 100})
        read = [LinkSpec.parse(links, dim=64) for links in specs]
        return [cost._row(spec, ImageFolderDataset(path).resolution, meter) for path in data for spec in read]

    monkeypatch.setattr(cost, "measure_cost", measured)
    arguments = ["--links", "1,2", "--resolutions", "8,16", "--steps", 100, "--link-recipe", "paper"]
    result = cli("bench", "overhead", *arguments, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "overhead.json").read_text())["rows"]
    assert [(row["links"], row["resolution"]) for row in rows] == [(1, 8), (2, 8), (1, 16), (2, 16)]
    assert all((row["time_ratio"], row["memory_ratio"]) == (1.1, 1.05) for row in rows)
    assert (asked["rounds"], asked["form"], asked["threads"]) == (3, "squared", 1)
    assert re.search(r"\| 2 +\| +16 \| +1\.100 \| 1\.050 - 1\.150 \| +1\.050 \|", result.output)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--links", "2", "--link", "eyes=4@eyes"], "--links makes its own links"),
        (["--data", __file__, "--resolutions", "32"], "--data has its own resolution"),
        (["--link-start", "0.5"], "here steps with links are timed"),
    ],
)
def test_overhead_refuses_options_that_contradict_each_other(cli, arguments, message):
    result = cli("bench", "overhead", *arguments)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize("text", ["", "1,,2", "0", "two"])
def test_a_malformed_list_of_numbers_is_refused(cli, text):
    result = cli("bench", "overhead", "--links", text)
    assert result.exit_code == 2
    assert "expected e.g. 1,2,4,8" in result.output
