"""`linkgan bench geometry`: a network and the renderer, side by side."""

from __future__ import annotations

import json


def test_the_command_compares_networks_with_the_renderer(cli, tmp_path):
    data = tmp_path / "heads.zip"
    assert cli("data", "heads3d", "--n", "64", "--size", "16", "--out", data).exit_code == 0
    small = ["--cbase", "64", "--cmax", "8", "--z-dim", "8", "--w-dim", "8", "--kimg", "0.008", "--threads", "1"]
    run = ["--data", data, "--run-dir", tmp_path / "run", "--cfg", "heads3d", "--quiet", *small]
    assert cli("train", *run).exit_code == 0
    (network,) = (tmp_path / "run").glob("network-snapshot-000000.pt")
    result = cli("bench", "geometry", f"mine={network}", "--data", data, "--heads", "8", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "geometry.json").read_text())["networks"]
    assert set(found) == {"mine", "renderer"}
    assert found["renderer"]["depth_error"] < found["mine"]["depth_error"]
    assert "depth_correlation" in result.output
    again = cli("bench", "geometry", network, "--data", data, "--out", tmp_path / "out")
    assert "geometry.json exists" in again.output
