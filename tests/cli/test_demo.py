"""`linkgan demo`: what it refuses, and what it says at the end and when it is stopped."""

from __future__ import annotations

import pytest

from linkgan_plugin.cli.demo import KINDS
from linkgan_plugin.cli.demo import demo as command
from linkgan_plugin.demos import job
from linkgan_plugin.errors import Interrupted

REPORT = {
    "linked": {"metrics": {"nose": {"locality": 0.5, "effect_in": 0.1, "depth_locality": 0.25, "transfer": None}}},
    "unlinked": {"metrics": {"nose": {"locality": 0.25, "effect_in": 0.02, "depth_locality": 0.125, "transfer": 0.5}}},
    "quality_ratio": 1.25,
}


def test_a_finished_demo_is_not_overwritten(tmp_path, cli):
    (tmp_path / "report.json").write_text("{}")
    result = cli("demo", "--out", tmp_path)
    assert result.exit_code == 2
    assert "finished demo" in result.output
    assert command.help.startswith("Train a linked generator")


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_and_the_size_that_were_asked_for_are_done(kind, cli, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(job, "run_demo", lambda kind, command: asked.append((kind, command)) or REPORT)
    monkeypatch.setattr("sys.argv", ["/bin/linkgan", "demo", "--kind", kind])
    result = cli("demo", "--kind", kind, "--quick", "--seed", 5, "--out", tmp_path / "new")
    assert result.exit_code == 0, result.output
    demo, text = asked[0]
    assert (demo.seed, demo.size, demo.out) == (5, type(demo).quick, tmp_path / "new")
    assert demo.size != type(demo).full
    assert demo.settings().get("kind", "faces") == kind
    assert text == f"linkgan demo --kind {kind}"
    assert result.output.splitlines() == [
        "nose: locality 0.50 (unlinked 0.25), effect_in 0.100 (0.020), depth_locality 0.25 (0.12)",
        "quality, linked / unlinked: 1.25",
        f"open {tmp_path / 'new' / 'report.html'}",
    ]


def test_ctrl_c_says_how_to_go_on(cli, tmp_path, monkeypatch):
    def stopped(kind, command):
        raise Interrupted

    monkeypatch.setattr(job, "run_demo", stopped)
    result = cli("demo", "--out", tmp_path)
    assert result.exit_code == 130
    assert "resume with the same command" in result.output


def test_an_unknown_kind_is_refused_with_the_known_ones(cli):
    result = cli("demo", "--kind", "cats")
    assert result.exit_code == 2
    assert "'faces', 'semantic', '3d'" in result.output
