"""What a host would meet here: libraries, incompatibilities, custom ops, patches; reads the host, runs none of it."""

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

# What becomes of a known incompatibility.
UNUSED = "not used"  # the host has no such code
FINE = "fine"  # works with the libraries installed here
PATCHED = "patched"  # mended by lines in the host
RUN = "linkgan run"  # mended where the host is started by `linkgan run`
YOURS = "yours"  # avoided by the user
BREAKS = "breaks"  # nothing mends it


@dataclass(frozen=True)
class Finding:
    """One known incompatibility, and what becomes of it with this host and these libraries."""

    name: str
    state: str
    symptom: str
    cure: str


@dataclass(frozen=True)
class Commit:
    """The commit a host is checked out at, and whether tracked files differ from it."""

    sha: str
    changed: bool


@dataclass(frozen=True)
class CustomOps:
    """The host's compiled operations: their names, the GPU they would run on, the tools missing to compile them."""

    names: tuple[str, ...]
    gpu: str | None
    missing: tuple[str, ...]
    falls_back: bool
    summary: str

    @property
    def stop(self) -> bool:
        """Whether the host stops because it can neither compile them nor do without."""
        return bool(self.names and self.gpu and self.missing) and not self.falls_back


@dataclass(frozen=True)
class Diagnosis:
    """All that `linkgan doctor` tells; `missing` are modules to install, `verdict` is the last line."""

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
        """Return plain data with the fields' names as keys."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Sign:
    """How a host's files show that an incompatibility concerns it.

    Attributes:
        patterns: each must match in one of the files.
        unless: nor may this match where the first one does.
        insertion: the name of the lines that bring the remedy in.
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
        unless=r"\bop\[0\]|__version__\.startswith\(",  # knows today's operation, or keeps off it
        insertion="grid_sample",
    ),
    "w_avg": Sign((r"\bz = torch\.empty\(", r"\bself\.training and not skip_w_avg_update\b"), insertion="averages"),
}


@dataclass(frozen=True)
class Advice:
    """An incompatibility that no remedy of ours mends, and how the user avoids it."""

    name: str
    symptom: str
    cure: str
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
        "train with --aug=noaug, or on a torch that has it (2.13 has)",
        Sign((r"\bclass _GridSample2dForward\b",), unless=r"\bop\[0\]"),
        _grid_sample_lacks_second_derivative,
    ),
    Advice(
        "neural resolution",
        "image_raw is overwritten, and with fp32 training stops: 'modified by an inplace operation'",
        "keep the neural resolution off 64 for 128-px data (--neural_rendering_resolution_initial=56, say), off 128 "
        "for 256-px data",
        Sign((r"\bneural_rendering_resolution_initial\b", r"\bself\.input_resolution = 64\b")),
        lambda: True,
    ),
)


def diagnose(path: Path) -> Diagnosis:
    """Examine the host at `path` (its folder or a script of its) by reading its files.

    Raises:
        LinkGANError: no host there; says what is missing.
    """
    root = host_root(path)
    family, patched, texts = recognize(root), status(root), list(_sources(root))
    findings = (*_remedied(texts, patched), *_advised(texts))
    ops = _custom_ops(root)
    missing = tuple(missing_modules(root))
    ready, verdict = _verdict(root, missing, findings, ops, patched)
    versions = {"python": platform.python_version(), **{name: _version(name) for name in LIBRARIES}}
    commit = _commit(root)
    return Diagnosis(str(root), family.name, commit, versions, missing, findings, ops, patched.overall, ready, verdict)


def _sources(root: Path) -> Iterator[str]:
    """Yield the text of the host's Python files, virtual environments and hidden folders left out."""
    for folder, names, files in os.walk(root):
        names[:] = sorted(n for n in names if not n.startswith(".") and not (Path(folder, n) / "pyvenv.cfg").exists())
        for file in (Path(folder, name) for name in sorted(files) if name.endswith(".py")):
            if file.is_file():  # editors lock a file by a link that leads nowhere
                yield file.read_text(encoding="utf-8", errors="replace")


def _remedied(texts: Sequence[str], patched: Status) -> Iterator[Finding]:
    """Yield what becomes of each incompatibility that `compat` knows a remedy for."""
    states = {row.name: row.state for row in patched.rows if row.group == "compat"}
    for remedy in compat.FIXES:
        sign = SIGNS[remedy.name]
        if not sign.concerns(texts):
            state = UNUSED
        elif not remedy.needed():
            state = FINE
        else:
            state = _mended(states.get(sign.insertion, State.ANCHOR_MISSING))
        yield Finding(remedy.name, state, remedy.symptom, remedy.cure)


def _mended(insertion: State) -> str:
    if insertion in (State.ANCHOR_MISSING, State.FILE_MISSING):
        return BREAKS
    return PATCHED if insertion is State.APPLIED else RUN


def _advised(texts: Sequence[str]) -> Iterator[Finding]:
    for advice in ADVICE:
        state = (YOURS if advice.needed() else FINE) if advice.sign.concerns(texts) else UNUSED
        yield Finding(advice.name, state, advice.symptom, advice.cure)


def _custom_ops(root: Path) -> CustomOps:
    """Say what becomes of the operations that the host compiles when it first runs."""
    files = sorted((root / "torch_utils" / "ops").glob("*.py"))
    texts = {file.stem: file.read_text(encoding="utf-8", errors="replace") for file in files if file.is_file()}
    texts = {name: text for name, text in texts.items() if "get_plugin(" in text}
    falls_back = all(re.search(r"^\s*except\b", text, re.MULTILINE) for text in texts.values())
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    missing = tuple(tool for tool, there in _tools().items() if not there)
    names, tools = ", ".join(texts), " and ".join(missing)
    if not texts:
        summary = "the host compiles none"
    elif gpu is None:
        reason = "torch sees no GPU" if torch.version.cuda else "this torch is built without CUDA"
        summary = f"{reason}: {names} take their plain PyTorch paths, which is slow"
    elif not missing:
        summary = f"{names} are compiled at first use, for {gpu}"
    elif falls_back:
        summary = f"{tools} not found: {names} fall back to plain PyTorch, which is slow"
    else:
        summary = f"{tools} not found: {names} cannot be compiled and the host stops; install what is missing"
    return CustomOps(tuple(texts), gpu, missing, falls_back, summary)


def _tools() -> dict[str, bool]:
    """Return whether each tool that torch compiles extensions with is found where torch looks for it."""
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
    """Return the host's commit, or None where git does not know its train.py."""
    if _git(root, "ls-files", "--error-unmatch", "train.py") is None:
        return None
    sha, changes = _git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain", "--untracked-files=no", ".")
    return Commit(sha, bool(changes)) if sha else None


def _git(root: Path, *args: str) -> str | None:
    """Return what git prints, or None where it fails, is not there or takes too long; it writes and starts nothing."""
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(root), *args]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _verdict(
    root: Path, missing: Sequence[str], findings: Sequence[Finding], ops: CustomOps, patched: Status
) -> tuple[bool, str]:
    """Return whether the host can be trained here as it is, and the line that says how or what to do first."""
    obstacles = [f"install what provides {', '.join(missing)}"] if missing else []
    obstacles += [f"{finding.name} breaks" for finding in findings if finding.state == BREAKS]
    obstacles += ["custom ops cannot be compiled"] if ops.stop else []
    obstacles += (
        ["lines between our marks were edited (see linkgan patch status)"] if patched.overall == "edited" else []
    )
    if obstacles:
        return False, f"not ready: {'; '.join(obstacles)}"
    device = "" if ops.gpu else "--device cpu --smoke "
    command = f"linkgan run {device}{shlex.quote(str(root / 'train.py'))} -- ... --loss=linkgan --link ..."
    if ops.gpu is None:
        return True, f"ready for a trial run without a GPU: {command}"
    if patched.overall == "patched":
        return True, f"ready: python {shlex.quote(str(root / 'train.py'))} ... --loss=linkgan --link ..."
    return True, f"ready: {command}"
