"""`linkgan plugins`, and plugins of a second distribution used from the command line."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from linkgan_plugin.cli import main
from training_loops.formats.folder import write_dataset
from training_loops.snapshots import load_snapshot


def invoke(*args: object) -> str:
    result = CliRunner().invoke(main, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def rows(output: str) -> dict[str, list[str]]:
    return {f"{cells[0]}/{cells[1]}": cells[2:] for cells in map(str.split, output.splitlines()) if len(cells) > 4}


def test_the_table_says_where_every_plugin_comes_from(example_plugin):
    table = rows(invoke("plugins"))
    assert table["regions/circle"] == ["linkgan-example", "1.2.3", "linkgan_example.regions:Circle"]
    assert table["regions/box"][0] == "linkgan_plugin"
    kinds = {"regions/circle", "perturbations/fade", "metrics/spill", "generators/gray", "losses/dark"}
    assert kinds <= set(table)
    assert "linkgan_example" not in sys.modules


def test_check_loads_all_of_them(example_plugin):
    table = rows(invoke("plugins", "--check"))
    assert {cells[-1] for name, cells in table.items() if name != "kind/name"} == {"ok"}
    assert "linkgan_example.losses" in sys.modules


def test_check_reports_a_broken_one_and_goes_on(fake_distribution):
    fake_distribution("sad-plugin", "0.3", "[linkgan.regions]\nbroken = no_such_module_here:Thing\n")
    assert rows(invoke("plugins"))["regions/broken"] == ["sad-plugin", "0.3", "no_such_module_here:Thing"]
    result = CliRunner().invoke(main, ["plugins", "--check"])
    assert result.exit_code == 1
    table = rows(result.output)
    assert table["regions/broken"][-1] == "FAILS"
    assert table["regions/box"][-1] == "ok"
    assert "error: plugin 'broken' (no_such_module_here:Thing) of sad-plugin 0.3 does not load: Module" in result.output


@pytest.mark.parametrize("args", [["plugins"], ["plugins", "--check"]])
def test_duplicates_are_errors_that_name_both_distributions(args, fake_distribution):
    fake_distribution("other-swap", "2.0", "[linkgan.perturbations]\nswap = other:swap\n")
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 1
    assert result.output.count("FAILS") == 2
    assert result.output.count("error: 'swap' of perturbations is registered by linkgan_plugin ") == 1
    assert "and by other-swap 2.0: uninstall one of them" in result.output


def test_every_kind_of_plugin_works_from_the_command_line(run_python, example_plugin, tmp_path):
    """Region, loss and perturbation in training, once in a process of its own; then metric and wrapper."""
    data, run = tmp_path / "noise.zip", tmp_path / "run"
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 16, 3), dtype=np.uint8)
    write_dataset(data, pixels)
    common = ["--data", data, "--kimg", "0.016", "--batch", "8", "--cbase", "256", "--cmax", "8", "--quiet"]
    links = ["--link", "dot=8@circle(0.5,0.5,0.25)", "--link-perturb", "fade", "--device", "cpu"]
    train = ["train", *common, *links]
    trained = run_python("-m", "linkgan_plugin", *train, "--loss=dark", "--run-dir", run, path=(example_plugin,))
    assert trained.returncode == 0, trained.stderr
    lines = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    assert any("Loss/dark" in line for line in lines)
    invoke(*train, "--loss=linkgan", "--run-dir", tmp_path / "linked")
    options = json.loads((tmp_path / "linked" / "training_options.json").read_text())
    assert options["loss_kwargs"]["recipe"]["perturb"] == "fade"
    [snapshot] = sorted(run.glob("network-snapshot-*.pt"))[-1:]
    assert load_snapshot(snapshot).link_spec["links"][0]["region"] == "circle(0.5,0.5,0.25)"

    measured = invoke("metrics", snapshot, "--metric", "spill", "--pairs", 8, "--quality-images", 0, "--json")
    assert 0 <= json.loads(measured)["results"]["dot/spill"] <= 1

    sheet = tmp_path / "sheet.png"
    invoke("edit", snapshot, "--wrapper", "gray", "--region", "dot", "--seeds", "0-1", "--variants", 1, "--out", sheet)
    cells = np.asarray(Image.open(sheet))[26:, :96].astype(int)
    assert (cells == cells[..., :1]).all()
    assert cells.std() > 0
