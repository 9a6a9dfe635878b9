"""`linkgan selftest`, quick: its table, its file, its exit codes, and nothing in it about the user."""

from __future__ import annotations

import getpass
import json
import os
import platform
from collections.abc import Iterator

import pytest

from linkgan_plugin.bench import cost, overhead
from linkgan_plugin.selftest import job
from linkgan_plugin.selftest.rows import FAILED, Row

WHOLE = "machine,numerics,determinism,resume,using,host,training"  # two processes have a test of their own


def test_the_whole_command_finds_nothing_wrong_on_a_cpu(cli, tmp_path, monkeypatch):
    for module in (cost, overhead):
        monkeypatch.setattr(module, "BLOCK", 2)
    out = tmp_path / "report.json"
    result = cli("selftest", "--device", "cpu", "--quick", "--only", WHOLE, "--minutes", 5, "--out", out)
    assert result.exit_code == 0, result.output
    report = json.loads(out.read_text())
    assert report["counts"]["failed"] == 0
    assert report["sections"] == WHOLE.split(",")
    assert {row["section"] for row in report["rows"]} == set(WHOLE.split(","))
    assert all(row["why"] for row in report["rows"] if row["verdict"] != "ok")
    found = {row["name"]: row["value"] for row in report["rows"]}
    assert found["tiny, 8 px, batch 4, step without links"] > 0
    assert found["torch"].startswith("2.")
    assert f"{report['counts']['ok']} ok" in result.output
    assert "| numerics" in result.output


def test_the_report_has_nothing_that_identifies_the_user(cli, tmp_path, monkeypatch):
    def rows(context) -> Iterator[Row]:
        yield from job.machine.rows(context)
        raise RuntimeError(f"{tmp_path / 'secret' / 'x.py'} of {getpass.getuser()} on {platform.node()} failed")

    monkeypatch.setattr(job, "SECTIONS", {"machine": rows})
    monkeypatch.setattr(getpass, "getuser", lambda: "ada.lovelace")
    monkeypatch.setattr(platform, "node", lambda: "gpu-17.lab")
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    result = cli("selftest", "--device", "cpu", "--json")
    assert result.exit_code == 1
    text = result.stdout
    assert ".../x.py of USER on HOST failed" in text
    for private in ("ada.lovelace", "gpu-17", str(tmp_path), os.getcwd(), "0123456789abcdef"):
        assert private not in text


def test_a_failure_is_exit_code_1_and_ctrl_c_prints_what_was_found(cli, monkeypatch):
    def failing(context) -> Iterator[Row]:
        yield Row("numerics", "StyleGAN2 fp32, image", 9.0, "1/255", FAILED, "at most 0.02 is expected")

    def stopped(context) -> Iterator[Row]:
        yield Row("using", "edit", 3.0, "ms")
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "SECTIONS", {"numerics": failing})
    result = cli("selftest", "--device", "cpu")
    assert result.exit_code == 1
    assert "at most 0.02 is expected" in result.output
    assert "0 ok, 0 warn, 1 failed, 0 skipped" in result.output
    monkeypatch.setattr(job, "SECTIONS", {"using": stopped, "numerics": failing})
    result = cli("selftest", "--device", "cpu")
    assert result.exit_code == 130
    assert "| using   | edit" in result.output
    assert "stopped" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "machin"], "did you mean 'machine'"),
        (["--minutes", "0"], "minutes"),
        (["--device", "gpu"], "expected cpu, cuda"),
    ],
)
def test_mistakes_are_one_line(arguments, message, cli):
    result = cli("selftest", *arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_a_report_is_not_overwritten(cli, tmp_path):
    (tmp_path / "report.json").write_text("mine")
    result = cli("selftest", "--only", "machine", "--out", tmp_path / "report.json")
    assert result.exit_code == 2
    assert "--force" in result.output
    assert (tmp_path / "report.json").read_text() == "mine"
