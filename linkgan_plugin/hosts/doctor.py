"""Checks a host against this environment: libraries, incompatibilities, custom ops, patches; runs no host code."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import platform
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from . import compat
from .dependencies import missing_modules
from .insertions import host_root, recognize
from .patching import State, Status, status

LIBRARIES = ("torch", "numpy", "scipy", "click")

# States of a known incompatibility.
UNUSED = "not used"  # the host does not use the affected feature
FINE = "fine"  # the installed versions work
PATCHED = "patched"  # fixed by lines inserted into the host
FIXED_BY_RUN = "linkgan run"  # fixed if the host is started with `linkgan run`
AVOIDABLE = "avoidable"  # the user can avoid it
FAILS = "fails"  # not fixed


@dataclass(frozen=True)
class Finding:
    """One known incompatibility and its state for this host and the installed libraries."""

    name: str
    state: str
    symptom: str
    fix: str


@dataclass(frozen=True)
class Commit:
    """The commit a host is checked out at, and whether tracked files differ from it."""

    sha: str
    changed: bool


@dataclass(frozen=True)
class CustomOps:
    """The host's compiled operations: their names, the GPU, and the missing tools to compile them."""

    names: tuple[str, ...]
    gpu: str | None
    missing: tuple[str, ...]
    falls_back: bool
    summary: str

    @property
    def stop(self) -> bool:
        """Whether the host stops because it can neither compile them nor run without them."""
        return bool(self.names and self.gpu and self.missing) and not self.falls_back


@dataclass(frozen=True)
class Diagnosis:
    """The result of `linkgan doctor`; `missing` are modules to install, `verdict` is the last line."""

    root: str
    family: str
    commit: Commit | None
    versions: dict[str, str]
    missing: tuple[str, ...]
    findings: tuple[Finding, ...]
    custom_ops: CustomOps
    patch: str
    ready: bool
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Sign:
    """Code patterns of a host that is affected by an incompatibility.

    Attributes:
        patterns: each must match in one of the files.
        unless: must not match in the file where the first pattern matches.
        insertion: the name of the inserted lines that apply the fix.
    """

    patterns: tuple[str, ...]
    unless: str | None = None
    insertion: str = "compat"

    def concerns(self, texts: Sequence[str]) -> bool:
        first, *others = (re.compile(pattern, re.MULTILINE) for pattern in self.patterns)
        here = any(first.search(text) and not (self.unless and re.search(self.unless, text)) for text in texts)
        return here and all(any(other.search(text) for text in texts) for other in others)


SIGNS = {
    "pkg_resources": Sign((r"^\s*(from|import) pkg_resources\b",)),
    "distutils": Sign((r"^\s*(from|import) distutils\b",)),
    "sampler": Sign((r"^class \w+\([\w.]*\bSampler\):\n(?:(?!class )(?:.*\n))*?.*super\(\)\.__init__\(\s*\w",)),
    "percentile": Sign((r"\bpercentile\(.*\binterpolation\s*=",)),
    "sqrtm": Sign((r"\bsqrtm\(.*\bdisp\s*=",)),
    "betas": Sign((r"\bG_reg_interval\s*=\s*None\b", r"\bbetas\s*=\s*[\[(]\s*0\s*,\s*0?\.")),
    "ddp buffers": Sign((r"\bDistributedDataParallel\(.*\bbroadcast_buffers\s*=\s*False",), insertion="ddp"),
    "grid_sample": Sign(
        (r"_jit_get_operation\(['\"]aten::grid_sampler_2d_backward['\"]\)(?!\[)",),
        unless=r"\bop\[0\]|__version__\.startswith\(",  # supports the current operation, or avoids it
        insertion="grid_sample",
    ),
    "w_avg": Sign((r"\bz = torch\.empty\(", r"\bself\.training and not skip_w_avg_update\b"), insertion="averages"),
}


@dataclass(frozen=True)
class Advice:
    """An incompatibility without an automatic fix, and how the user can avoid it."""

    name: str
    symptom: str
    fix: str
    sign: Sign
    needed: Callable[[], bool]


def _grid_sample_lacks_second_derivative() -> bool:
    try:
        compat.differentiate_twice(lambda image, grid: nn.functional.grid_sample(image, grid, align_corners=False))
    except RuntimeError:
        return True
    return False


ADVICE = (
    Advice(
        "grid_sample twice",
        "derivative for grid_sampler_2d_backward is not implemented (ADA on)",
        "train with --aug=noaug, or with a torch version that supports it, such as 2.13",
        Sign((r"\bclass _GridSample2dForward\b",), unless=r"\bop\[0\]"),
        _grid_sample_lacks_second_derivative,
    ),
    Advice(
        "neural resolution",
        "image_raw is overwritten, and fp32 training stops: 'modified by an inplace operation'",
        "avoid neural resolution 64 for 128-px data (e.g. with --neural_rendering_resolution_initial=56), and 128 for "
        "256-px data",
        Sign((r"\bneural_rendering_resolution_initial\b", r"\bself\.input_resolution = 64\b")),
        lambda: True,
    ),
)


def diagnose(path: Path) -> Diagnosis:
    """Check the host at `path` (its folder or one of its scripts) by reading its files.

    Raises:
        LinkGANError: no host at `path`; names what is missing.
    """
    root = host_root(path)
    family, patched, texts = recognize(root), status(root), list(_sources(root))
    findings = (*_fixable(texts, patched), *_avoidable(texts))
    ops = _custom_ops(root)
    missing = tuple(missing_modules(root))
    ready, verdict = _verdict(root, missing, findings, ops, patched)
    versions = {"python": platform.python_version(), **{name: _version(name) for name in LIBRARIES}}
    commit = _commit(root)
    return Diagnosis(str(root), family.name, commit, versions, missing, findings, ops, patched.overall, ready, verdict)


def _sources(root: Path) -> Iterator[str]:
    """Yield the text of the host's Python files, except virtual environments and hidden folders."""
    for folder, names, files in os.walk(root):
        names[:] = sorted(n for n in names if not n.startswith(".") and not (Path(folder, n) / "pyvenv.cfg").exists())
        for file in (Path(folder, name) for name in sorted(files) if name.endswith(".py")):
            if file.is_file():  # some editors create dangling links as locks
                yield file.read_text(encoding="utf-8", errors="replace")


def _fixable(texts: Sequence[str], patched: Status) -> Iterator[Finding]:
    """Yield the state of each incompatibility that `compat` can fix."""
    states = {row.name: row.state for row in patched.rows if row.group == "compat"}
    for fix in compat.FIXES:
        sign = SIGNS[fix.name]
        if not sign.concerns(texts):
            state = UNUSED
        elif not fix.needed():
            state = FINE
        else:
            state = _fixed_by(states.get(sign.insertion, State.ANCHOR_MISSING))
        yield Finding(fix.name, state, fix.symptom, fix.fix)


def _fixed_by(insertion: State) -> str:
    """Return the state of a needed fix whose inserted lines have the state `insertion`."""
    if insertion in (State.ANCHOR_MISSING, State.FILE_MISSING):
        return FAILS
    return PATCHED if insertion is State.APPLIED else FIXED_BY_RUN


def _avoidable(texts: Sequence[str]) -> Iterator[Finding]:
    for advice in ADVICE:
        state = (AVOIDABLE if advice.needed() else FINE) if advice.sign.concerns(texts) else UNUSED
        yield Finding(advice.name, state, advice.symptom, advice.fix)


def _custom_ops(root: Path) -> CustomOps:
    """Return whether the operations that the host compiles at its first run can be compiled."""
    files = sorted((root / "torch_utils" / "ops").glob("*.py"))
    texts = {file.stem: file.read_text(encoding="utf-8", errors="replace") for file in files if file.is_file()}
    texts = {name: text for name, text in texts.items() if "get_plugin(" in text}
    falls_back = all(re.search(r"^\s*except\b", text, re.MULTILINE) for text in texts.values())
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    missing = tuple(tool for tool, there in _tools().items() if not there)
    names, tools = ", ".join(texts), " and ".join(missing)
    if not texts:
        summary = "none"
    elif gpu is None:
        reason = "torch finds no GPU" if torch.version.cuda else "torch is built without CUDA"
        summary = f"{reason}: {names} use plain PyTorch, which is slow"
    elif not missing:
        summary = f"{names} are compiled for {gpu} at first use"
    elif falls_back:
        summary = f"{tools} not found: {names} fall back to plain PyTorch, which is slow"
    else:
        summary = f"{tools} not found: {names} cannot be compiled and the host stops; install what is missing"
    return CustomOps(tuple(texts), gpu, missing, falls_back, summary)


def _tools() -> dict[str, bool]:
    """Return whether torch finds each tool that it needs to compile extensions."""
    homes = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"]
    nvcc = any(shutil.which("nvcc", path=str(Path(home, "bin"))) for home in homes if home)
    compiler = "cl" if os.name == "nt" else os.environ.get("CXX", "c++")
    return {
        "nvcc": nvcc or shutil.which("nvcc") is not None,
        "ninja": shutil.which("ninja") is not None,
        "a C++ compiler": shutil.which(compiler) is not None,
    }


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _commit(root: Path) -> Commit | None:
    """Return the host's commit, or None where git does not track its train.py."""
    if _git(root, "ls-files", "--error-unmatch", "train.py") is None:
        return None
    sha, changes = _git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain", "--untracked-files=no", ".")
    return Commit(sha, bool(changes)) if sha else None


def _git(root: Path, *args: str) -> str | None:
    """Return git's output, or None where git fails, is missing or takes too long; the command is read-only."""
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(root), *args]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _verdict(
    root: Path, missing: Sequence[str], findings: Sequence[Finding], ops: CustomOps, patched: Status
) -> tuple[bool, str]:
    """Return whether the host can be trained as it is, and a line with the command or what to do first."""
    obstacles = [f"install the packages of {', '.join(missing)}"] if missing else []
    obstacles += [f"{finding.name} fails" for finding in findings if finding.state == FAILS]
    obstacles += ["custom ops cannot be compiled"] if ops.stop else []
    obstacles += ["inserted lines were edited (see linkgan patch status)"] if patched.overall == "edited" else []
    if obstacles:
        return False, f"not ready: {'; '.join(obstacles)}"
    device = "" if ops.gpu else "--device cpu --smoke "
    command = f"linkgan run {device}{shlex.quote(str(root / 'train.py'))} -- ... --loss=linkgan --link ..."
    if ops.gpu is None:
        return True, f"ready for a trial run without a GPU: {command}"
    if patched.overall == "patched":
        return True, f"ready: python {shlex.quote(str(root / 'train.py'))} ... --loss=linkgan --link ..."
    return True, f"ready: {command}"
