"""The doctor reads a host and says truly what it would meet here, without running any of it."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.hosts import compat, doctor, patching
from tests.hosts.trees import make_tree, tree_bytes

REAL = os.environ.get("LINKGAN_HOSTS")


@pytest.fixture
def host(tmp_path):
    return make_tree(tmp_path / "host", "stylegan3")


@pytest.fixture
def needed(monkeypatch):
    """Return a setter of what the libraries here break: all of it at first."""

    def answer(value: bool) -> None:
        fixes = [dataclasses.replace(fix, needed=lambda: value) for fix in compat.FIXES]
        monkeypatch.setattr(compat, "FIXES", fixes)
        monkeypatch.setattr(doctor, "ADVICE", [dataclasses.replace(a, needed=lambda: value) for a in doctor.ADVICE])

    answer(True)
    return answer


def states(host: Path) -> dict[str, str]:
    return {finding.name: finding.state for finding in doctor.diagnose(host).findings}


SAMPLER = "class {name}({base}):\n    def __init__(self, data, seed=0):\n        super().__init__({given})\n"
OPERATION = "op = torch._C._jit_get_operation('aten::grid_sampler_2d_backward')\n"
NETWORK = "if self.training and not skip_w_avg_update:\n"

# name -> (code that is concerned, code that is not)
CODE = {
    "pkg_resources": ("from pkg_resources import parse_version\n", "# from pkg_resources import parse_version\n"),
    "distutils": ("import os\nfrom distutils.util import strtobool\n", "from mydistutils import strtobool\n"),
    "sampler": (
        SAMPLER.format(name="Endless", base="torch.utils.data.Sampler", given="data"),
        SAMPLER.format(name="Endless", base="torch.utils.data.Sampler", given="")
        + SAMPLER.format(name="PoseSampler", base="torch.nn.Module", given="data"),
    ),
    "percentile": ("lo = np.percentile(x, 1, interpolation='lower')\n", "lo = np.percentile(x, 1, method='lower')\n"),
    "sqrtm": ("s, _ = scipy.linalg.sqrtm(a, disp=False)\n", "s = scipy.linalg.sqrtm(a)\n"),
    "betas": ("G_reg_interval = None\nbetas=[0,0.99]\n", "G_reg_interval = None\nbetas=[0.0, 0.99]\n"),
    "ddp buffers": (
        "m = torch.nn.parallel.DistributedDataParallel(m, broadcast_buffers=False)\n",
        "m = torch.nn.parallel.DistributedDataParallel(m)\n",
    ),
    "grid_sample": (OPERATION, OPERATION + "if new:\n    op = op[0]\n"),
    "w_avg": (f"z = torch.empty([4, 8])\n{NETWORK}", f"z = torch.zeros([4, 8])\n{NETWORK}"),
    "grid_sample twice": ("class _GridSample2dForward(Function):\n", "class _GridSample2dForward:\n    y = op[0]\n"),
    "neural resolution": (
        "self.input_resolution = 64\nneural_rendering_resolution_initial = 64\n",
        "self.input_resolution = 64\n",
    ),
}


def test_every_known_incompatibility_has_its_sign():
    assert set(CODE) == {*(fix.name for fix in compat.FIXES), *(advice.name for advice in doctor.ADVICE)}
    assert set(doctor.SIGNS) == {fix.name for fix in compat.FIXES}


@pytest.mark.parametrize("name", CODE)
def test_an_incompatibility_shows_in_the_hosts_files(host, needed, name):
    (host / "torch_utils/ops/grid_sample_gradfix.py").write_text("def _should_use_custom_op():\n    pass\n")
    extra = host / "training" / "extra.py"
    concerned, unconcerned = CODE[name]
    extra.write_text(concerned)
    found = states(host)
    assert found[name] != "not used"
    assert {state for other, state in found.items() if other != name} == {"not used"}
    extra.write_text(unconcerned)
    assert states(host)[name] == "not used"
    (host / ".venv").mkdir()
    (host / ".venv" / "hidden.py").write_text(concerned)
    (host / "env").mkdir()
    (host / "env" / "pyvenv.cfg").touch()
    (host / "env" / "library.py").write_text(concerned)
    assert states(host)[name] == "not used"


def test_what_becomes_of_an_incompatibility(host, needed):
    (host / "training" / "extra.py").write_text(CODE["percentile"][0] + CODE["neural resolution"][0])
    assert states(host)["percentile"] == "linkgan run"
    assert states(host)["neural resolution"] == "avoidable"
    patching.apply(host)
    assert states(host)["percentile"] == "patched"
    needed(False)
    assert (states(host)["percentile"], states(host)["neural resolution"]) == ("fine", "fine")
    needed(True)
    (host / "dnnlib" / "__init__.py").write_text("")  # no place left for the fixes
    diagnosis = doctor.diagnose(host)
    assert (diagnosis.ready, diagnosis.verdict) == (False, "not ready: percentile fails")


def test_modules_to_install_are_named(host):
    (host / "training" / "extra.py").write_text(
        "import json, notinstalled.sub\nfrom alsomissing import x\nfrom training import y\nimport pkg_resources\n"
        "from . import z\ntry:\n    import optional_one\nexcept ImportError:\n    pass\n"
    )
    diagnosis = doctor.diagnose(host)
    assert diagnosis.missing == ("alsomissing", "notinstalled")
    assert not diagnosis.ready
    assert "install the packages of alsomissing, notinstalled" in diagnosis.verdict


def test_links_that_lead_nowhere_are_passed_over(host):
    before = doctor.diagnose(host)
    for folder in ("training", "torch_utils/ops"):
        (host / folder / ".#loss.py").symlink_to("user@machine.1234")
    assert doctor.diagnose(host) == before


def test_edited_marks_come_first(host):
    patching.apply(host)
    script = host / "train.py"
    script.write_text(script.read_text().replace("linkgan.apply(", "linkgan.apply_all("))
    diagnosis = doctor.diagnose(host)
    assert not diagnosis.ready
    assert "edited (see linkgan patch status)" in diagnosis.verdict


TOOLS = {"nvcc": True, "ninja": True, "a C++ compiler": True}
GUARDED = "try:\n    plugin = custom_ops.get_plugin('x')\nexcept Exception:\n    pass\n"


@pytest.mark.parametrize(
    ("gpu", "tools", "code", "summary", "stop"),
    [
        (False, TOOLS, GUARDED, r"(CUDA|no GPU): bias_act use plain PyTorch", False),
        (True, TOOLS, GUARDED, "^bias_act are compiled for Some GPU at first use$", False),
        (True, TOOLS | {"ninja": False}, GUARDED, "^ninja not found: bias_act fall back", False),
        (True, TOOLS | {"nvcc": False, "ninja": False}, "get_plugin(x)", "^nvcc and ninja not found.*host stops", True),
        (True, TOOLS | {"nvcc": False}, "pass", "^none$", False),
    ],
)
def test_custom_ops(host, monkeypatch, gpu, tools, code, summary, stop):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some GPU")
    monkeypatch.setattr(doctor, "_tools", lambda: tools)
    (host / "torch_utils" / "ops" / "bias_act.py").write_text(code)
    diagnosis = doctor.diagnose(host)
    assert re.search(summary, diagnosis.custom_ops.summary)
    assert diagnosis.custom_ops.stop is stop
    assert diagnosis.ready is not stop
    assert ("--device cpu --smoke" in diagnosis.verdict) is not gpu


def test_a_patched_tree_with_a_gpu_needs_no_run(host, monkeypatch, needed):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some GPU")
    assert doctor.diagnose(host).verdict.startswith(f"ready: linkgan run {host}/train.py -- ")
    patching.apply(host)
    assert doctor.diagnose(host).verdict.startswith(f"ready: python {host}/train.py ")


def test_tools_are_found_where_torch_looks(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    monkeypatch.setenv("CXX", "my-compiler")
    assert doctor._tools()["ninja"] is False
    assert doctor._tools()["a C++ compiler"] is False
    for name in ("ninja", "my-compiler", "cuda/bin/nvcc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch(mode=0o755)
    assert doctor._tools() == TOOLS


def git(folder: Path, *args: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(["git", *identity, "-C", folder, *args], check=True, capture_output=True, text=True).stdout


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_is_the_hosts_own(host, tmp_path, monkeypatch):
    assert doctor.diagnose(host).commit is None
    git(tmp_path, "init")
    (tmp_path / "readme").touch()
    git(tmp_path, "add", "readme")
    git(tmp_path, "commit", "-m", "around")
    assert doctor.diagnose(host).commit is None  # the repository around it does not know the host
    git(tmp_path, "add", "host")
    git(tmp_path, "commit", "-m", "host")
    sha = git(tmp_path, "rev-parse", "HEAD").strip()
    (host / "new.txt").touch()
    assert doctor.diagnose(host).commit == doctor.Commit(sha, False)
    patching.apply(host)
    assert doctor.diagnose(host).commit == doctor.Commit(sha, True)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.diagnose(host).commit is None


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_nothing_of_the_host_runs_or_changes(host, tmp_path):
    trap = tmp_path / "ran"
    for path in host.rglob("*.py"):
        path.write_text(path.read_text() + f"\nopen({str(trap)!r}, 'w')\n")
    git(host, "init")
    git(host, "add", ".")
    git(host, "commit", "-m", "host")
    git(host, "config", "core.fsmonitor", f"touch {trap}")
    before, modules = tree_bytes(host), set(sys.modules)
    doctor.diagnose(host)
    assert not trap.exists()
    assert tree_bytes(host) == before
    assert {name.partition(".")[0] for name in set(sys.modules) - modules}.isdisjoint({"dnnlib", "train", "training"})


def test_a_folder_that_is_no_host_is_told_in_one_line(tmp_path):
    for folder, message in ((tmp_path / "none", "no folder"), (tmp_path, "has no train.py")):
        with pytest.raises(LinkGANError, match=message) as caught:
            doctor.diagnose(folder)
        assert "\n" not in str(caught.value)
    (tmp_path / "train.py").write_text("print('hello')\n")
    with pytest.raises(LinkGANError, match="not a known host; the closest is"):
        doctor.diagnose(tmp_path)


CONCERNED = {
    "stylegan2-ada-pytorch": "distutils, sampler, percentile, sqrtm, ddp buffers, w_avg, grid_sample twice",
    "stylegan3": "pkg_resources, distutils, sampler, percentile, sqrtm, betas",
    "eg3d": "distutils, sampler, percentile, sqrtm, betas, grid_sample, grid_sample twice, neural resolution",
}


@pytest.mark.skipif(not REAL, reason="LINKGAN_HOSTS names no folder of real checkouts")
@pytest.mark.parametrize("name", CONCERNED)
def test_real_hosts(name):
    diagnosis = doctor.diagnose(Path(REAL or "") / name)
    assert diagnosis.family == name
    assert ", ".join(f.name for f in diagnosis.findings if f.state != "not used") == CONCERNED[name]
    assert diagnosis.ready
    assert {"bias_act", "upfirdn2d"} <= set(diagnosis.custom_ops.names)
    assert diagnosis.custom_ops.falls_back is (name == "stylegan2-ada-pytorch")
