"""`linkgan doctor`: a line per item, the same as JSON, and an exit code that says whether the host can be used."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from linkgan_plugin.cli import LazyGroup, Target
from linkgan_plugin.cli.doctor import doctor
from linkgan_plugin.hosts import compat
from tests.hosts.trees import make_tree

SAMPLER = "class Endless(Sampler):\n    def __init__(self, data):\n        super().__init__(data)\n"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host, where every fix is needed."""
    monkeypatch.setattr(compat, "FIXES", [replace(fix, needed=lambda: True) for fix in compat.FIXES])
    return make_tree(tmp_path / "host", "stylegan3")


def test_one_line_per_item_and_a_verdict(host):
    (host / "training" / "sampler.py").write_text(SAMPLER)
    result = CliRunner().invoke(doctor, [str(host)], catch_exceptions=False)
    assert result.exit_code == 0
    facts, findings, verdict = (part.splitlines() for part in result.output.strip().split("\n\n"))
    assert [line.split("  ")[0] for line in facts] == ["host", "commit", "libraries", "missing", "patch", "custom ops"]
    assert facts[0].endswith(f"stylegan3 in {host}")
    assert " numpy " in facts[2]
    assert facts[4].split("  ")[-1] == "not patched"
    lines = {line[:17].strip(): line[17:].strip() for line in findings}
    assert lines["percentile"] == "not used"
    assert lines["sampler"].startswith("linkgan run: object.__init__() takes exactly one argument")
    assert " -> " in lines["sampler"]
    assert len(verdict) == 1
    assert f"{host}/train.py" in verdict[0]


def test_the_same_as_json(host):
    result = CliRunner().invoke(doctor, [str(host / "train.py"), "--json"], catch_exceptions=False)
    data = json.loads(result.output)
    assert (data["family"], data["root"], data["patch"]) == ("stylegan3", str(host), "not patched")
    assert set(data["versions"]) == {"python", "torch", "numpy", "scipy", "click"}
    assert {"name", "state", "symptom", "fix"} == set(data["findings"][0])
    assert data["ready"] is True


def test_a_host_that_is_not_ready_fails(host):
    (host / "training" / "sampler.py").write_text(SAMPLER)
    (host / "dnnlib" / "__init__.py").write_text("")
    result = CliRunner().invoke(doctor, [str(host)])
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == "not ready: sampler fails"


def test_no_host_is_one_line(tmp_path):
    group = LazyGroup("linkgan", table={"doctor": Target("doctor", "doctor", "")})
    result = CliRunner().invoke(group, ["doctor", str(tmp_path)])
    assert result.exit_code == 2
    assert result.stderr == f"Error: {tmp_path} has no train.py; give the folder of a host such as stylegan3\n"
