"""Compatibility fixes for hosts written for older library versions: small, named, and applied only where needed."""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import inspect
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy
import torch
from packaging.version import Version, parse
from torch import nn

_PKG_RESOURCES = "pkg_resources"
GRID_SAMPLE_OP = "aten::grid_sampler_2d_backward"


@dataclass(frozen=True)
class CompatFix:
    """A known incompatibility of hosts with current library versions, and its fix.

    Attributes:
        name: short name.
        symptom: the error message of the host.
        fix: what the fix does, in a few words.
        needed: tests whether the installed libraries are affected.
        apply: applies the fix in this process; None where the fix is a line inserted into the host.
    """

    name: str
    symptom: str
    fix: str
    needed: Callable[[], bool]
    apply: Callable[[], None] | None = None


@dataclass
class _State:
    """Whether the fixes are enabled in this process, and the names of those applied."""

    enabled: bool = False
    applied: list[str] = field(default_factory=list)


_state = _State()


def apply() -> list[str]:
    """Apply the process-wide fixes that the installed libraries need; a second call changes nothing.

    Returns:
        The names of all fixes applied in this process so far.
    """
    _state.enabled = True
    for fix in FIXES:
        if fix.apply is not None and fix.name not in _state.applied and fix.needed():
            fix.apply()
            _state.applied.append(fix.name)
    return applied()


@contextmanager
def temporarily_applied() -> Iterator[None]:
    """Apply the fixes in a program that is not a host; afterwards the stub of pkg_resources is removed.

    Other libraries, such as pytest, would use the stub as the real module.
    """
    before = _state.enabled
    apply()
    try:
        yield
    finally:
        _state.enabled = before
        if not before and _PKG_RESOURCES in _state.applied:
            del sys.modules[_PKG_RESOURCES]
            _state.applied.remove(_PKG_RESOURCES)


def active() -> bool:
    """Return whether the fixes are enabled in this process."""
    return _state.enabled


def applied() -> list[str]:
    """Return the names of the process-wide fixes that were needed and applied."""
    return list(_state.applied)


# Functions called by inserted lines and the option hooks.


def broadcast_buffers(module: nn.Module) -> None:
    """Broadcast rank 0's buffers of a DistributedDataParallel module; no effect on other modules.

    With broadcast_buffers=False, the constructor of older versions still synchronised buffers once; in current versions
    each rank keeps its own, such as noise drawn from the rank's seed.
    """
    if isinstance(module, nn.parallel.DistributedDataParallel) and torch.distributed.is_initialized():
        for buffer in module.module.buffers():
            torch.distributed.broadcast(buffer, src=0)


def zero_inputs(*tensors: torch.Tensor) -> None:
    """Fill the inputs of a host's network summary, of any shape, with zeros, in place.

    stylegan2-ada-pytorch does not initialise them and runs its generator on them in training mode, which updates the
    average of w with random memory contents: often NaN on a CPU, and different in every run.
    """
    for tensor in tensors:
        tensor.zero_()


def zero_broken_averages(generator: nn.Module) -> int:
    """Set the non-finite values of every buffer named ``w_avg`` to zero, its value before training.

    Snapshots written by a host without this plugin may contain such values, and resuming copies them.

    Returns:
        The number of values set to zero.
    """
    count = 0
    for name, buffer in generator.named_buffers():
        if name.rpartition(".")[2] == "w_avg":
            broken = ~buffer.isfinite()
            count += int(broken.sum())
            buffer.masked_fill_(broken, 0)
    return count


def float_betas(options: Mapping[str, Any]) -> None:
    """Make the Adam betas in ``G_opt_kwargs`` and ``D_opt_kwargs`` floats, in place; the numbers stay the same."""
    for name in ("G_opt_kwargs", "D_opt_kwargs"):
        optimizer = options.get(name)
        if optimizer and optimizer.get("betas"):
            optimizer["betas"] = [float(beta) for beta in optimizer["betas"]]


def grid_sample(should_use: Callable[[], bool], module_globals: MutableMapping[str, Any]) -> Callable[[], bool]:
    """Wrap the host's "use the custom op?" so that it also returns False where that op fails on this torch version.

    The op is tested once, when the host first wants to use it: forks fix it in different ways, so flags and versions
    are not reliable. If the host refuses with a warning (stylegan2-ada-pytorch, at every call), it is called only once.

    Args:
        should_use: the host's own function.
        module_globals: the globals of its ``grid_sample_gradfix``.
    """

    @functools.cache
    def works() -> bool:
        try:
            with torch.enable_grad():
                differentiate_twice(module_globals["_GridSample2dForward"].apply)
        except Exception:  # any error here would also occur in training
            return False
        return True

    refused = False

    def use() -> bool:
        nonlocal refused
        if refused:
            return False
        with warnings.catch_warnings(record=True) as caught:
            answer = should_use()
        for warning in caught:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        refused = bool(caught) and not answer
        return answer and works()

    return use


def differentiate_twice(sample: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
    """Compute the second derivative of a 2-D grid sampler, as R1 regularization through ADA does."""
    image = torch.ones(1, 1, 2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(sample(image, torch.zeros(1, 2, 2, 2)).square().sum(), image, create_graph=True)
    gradient.square().sum().backward()


# The process-wide fixes, each with the test whether it is needed.


def _lacks_module(name: str) -> bool:
    if name in sys.modules:
        return sys.modules[name] is None
    return importlib.util.find_spec(name) is None


def _stub_pkg_resources() -> None:
    stub = types.ModuleType(_PKG_RESOURCES, "Replaces a module that setuptools no longer has.")
    stub.__spec__ = importlib.machinery.ModuleSpec(_PKG_RESOURCES, None)
    stub.parse_version = parse  # type: ignore[attr-defined]
    sys.modules[_PKG_RESOURCES] = stub


def _import_setuptools() -> None:
    # Importing setuptools makes its own copy of distutils importable under the old name.
    importlib.import_module("setuptools")
    importlib.import_module("distutils")


def _fails(error: type[Exception], call: Callable[[], Any]) -> bool:
    """Return whether `call` raises `error`; warnings are suppressed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call()
        except error:
            return True
    return False


def _sampler_refuses_data() -> bool:
    return _fails(TypeError, lambda: torch.utils.data.Sampler(None))  # type: ignore[call-arg]


def _give_sampler_init() -> None:
    def __init__(self: Any, data_source: Any = None) -> None:
        pass

    torch.utils.data.Sampler.__init__ = __init__  # type: ignore[method-assign]


def _percentile_refuses_interpolation() -> bool:
    return _fails(TypeError, lambda: np.percentile([0.0, 1.0], 50, interpolation="lower"))  # type: ignore[call-overload]


def _rename_percentile_argument() -> None:
    percentile: Callable[..., Any] = np.percentile

    @functools.wraps(percentile)
    def renamed(*args: Any, interpolation: str | None = None, **kwargs: Any) -> Any:
        return percentile(*args, **kwargs, **({} if interpolation is None else {"method": interpolation}))

    np.percentile = renamed


def _sqrtm_refuses_disp() -> bool:
    # Older versions accept it; testing them would import scipy.linalg (a third of a second) for nothing.
    recent = Version(scipy.__version__) >= Version("1.18.dev0")
    return recent and _fails(TypeError, lambda: scipy.linalg.sqrtm(np.eye(2), disp=False))


def _give_sqrtm_disp() -> None:
    sqrtm = scipy.linalg.sqrtm

    @functools.wraps(sqrtm)
    def with_estimate(A: Any, disp: bool = True, blocksize: int | None = None) -> Any:
        root = sqrtm(A)
        # blocksize never affected the result; with disp=False the relative residual was returned too.
        return root if disp else (root, np.linalg.norm(root @ root - A) ** 2 / np.linalg.norm(A))

    scipy.linalg.sqrtm = with_estimate


# Tests for the fixes that are lines inserted into the host.


def _adam_refuses_mixed_betas() -> bool:
    return _fails(ValueError, lambda: torch.optim.Adam([torch.zeros(1)], betas=[0, 0.5]))  # type: ignore[arg-type]


def _ddp_skips_initial_buffers() -> bool:
    # A direct test needs two processes; instead check whether the synchronisation has the option.
    from torch.distributed import utils

    return "broadcast_buffers" in inspect.signature(utils._sync_module_states).parameters


def _double_backward_is_overloaded() -> bool:
    return isinstance(torch._C._jit_get_operation(GRID_SAMPLE_OP), tuple)


FIXES = (
    CompatFix(
        _PKG_RESOURCES,
        "No module named 'pkg_resources'",
        "a stub with parse_version",
        lambda: _lacks_module(_PKG_RESOURCES),
        _stub_pkg_resources,
    ),
    CompatFix(
        "distutils",
        "No module named 'distutils'",
        "the copy in setuptools",
        lambda: _lacks_module("distutils"),
        _import_setuptools,
    ),
    CompatFix(
        "sampler",
        "object.__init__() takes exactly one argument (InfiniteSampler)",
        "torch's Sampler accepts data_source again",
        _sampler_refuses_data,
        _give_sampler_init,
    ),
    CompatFix(
        "percentile",
        "percentile() got an unexpected keyword argument 'interpolation' (PPL)",
        "np.percentile accepts interpolation again",
        _percentile_refuses_interpolation,
        _rename_percentile_argument,
    ),
    CompatFix(
        "sqrtm",
        "sqrtm() got an unexpected keyword argument 'disp' (FID)",
        "scipy.linalg.sqrtm accepts disp again",
        _sqrtm_refuses_disp,
        _give_sqrtm_disp,
    ),
    CompatFix(
        "betas",
        "betas must be either both floats or both Tensors (no lazy regularization of G)",
        "the betas in the host's options are converted to floats",
        _adam_refuses_mixed_betas,
    ),
    CompatFix(
        "ddp buffers",
        "AssertionError ...noise_const at the first snapshot (two GPUs or more)",
        "rank 0's buffers are broadcast once",
        _ddp_skips_initial_buffers,
    ),
    CompatFix(
        "grid_sample",
        "'tuple' object is not callable (ADA on)",
        "torch's own grid_sample replaces the host's op",
        _double_backward_is_overloaded,
    ),
    CompatFix(
        "w_avg",
        "w_avg is NaN in the snapshots (the network summary uses uninitialised memory)",
        "the network summary uses zeros",
        lambda: True,
    ),
)
