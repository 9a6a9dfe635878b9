"""Compiles one custom operation of a host, and compares it with the host's own plain PyTorch version.

Started by `host`; arguments: the host's folder, the operation's name, the device. Runs the host's code.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..bench.ratio import paired_ratio, take_turns
from ..bench.throughput import timed
from ..hosts import compat

_SHAPE = {"cuda": (8, 128, 128, 128), "cpu": (2, 8, 16, 16)}
_ROUNDS = 10


def _bias_act(module: Any, x: Tensor, bias: Tensor, impl: str) -> Tensor:
    found: Tensor = module.bias_act(x, bias, act="lrelu", impl=impl)
    return found


def _upfirdn2d(module: Any, x: Tensor, bias: Tensor, impl: str) -> Tensor:
    taps = module.setup_filter([1, 3, 3, 1], device=x.device)
    found: Tensor = module.upfirdn2d(x, taps, up=2, padding=[2, 1, 2, 1], gain=4, impl=impl)
    return found


def _filtered_lrelu(module: Any, x: Tensor, bias: Tensor, impl: str) -> Tensor:
    taps = torch.full([12], 1 / 12, device=x.device)
    # 2 (12 - 1) more samples, which the two filters take away again.
    found: Tensor = module.filtered_lrelu(x, fu=taps, fd=taps, b=bias, up=2, down=2, padding=[11] * 4, impl=impl)
    return found


# Operations of the public hosts; of others, only the compilation is tested.
CALLS: dict[str, Callable[[Any, Tensor, Tensor, str], Tensor]] = {
    "bias_act": _bias_act,
    "upfirdn2d": _upfirdn2d,
    "filtered_lrelu": _filtered_lrelu,
}


def main() -> None:
    """Print what was found as the last line of standard output, in JSON; fail if the operation does not compile."""
    root, name, device = sys.argv[1], sys.argv[2], torch.device(sys.argv[3])
    compat.apply()
    sys.path.insert(0, root)
    with contextlib.redirect_stdout(sys.stderr):  # hosts print while they compile
        module = importlib.import_module(f"torch_utils.ops.{name}")
        with warnings.catch_warnings(record=True) as warned:
            compiled = module._init()
        if not compiled:
            raise SystemExit(f"{name} was not compiled{_last_line(warned)}; the host falls back to plain PyTorch")
        found = compared(CALLS[name], module, device) if name in CALLS else {}
    print(json.dumps(found))


def _last_line(warned: Sequence[warnings.WarningMessage]) -> str:
    """Return the last line of the host's warnings, which quote the error, in parentheses; empty without warnings."""
    lines = [line.strip() for warning in warned for line in str(warning.message).splitlines() if line.strip()]
    return f" ({lines[-1]})" if lines else ""


def compared(call: Callable[[Any, Tensor, Tensor, str], Tensor], module: Any, device: torch.device) -> dict[str, float]:
    """Return ``error``, relative to the largest value, and ``gain``: the time of plain PyTorch over the compiled one's.

    Args:
        call: module, x [N, C, H, W], bias [C], implementation -> the result.
        module: the host's.
        device: to compute on.
    """
    random = torch.Generator().manual_seed(0)
    shape = _SHAPE[device.type]
    x = torch.randn(shape, generator=random).to(device).requires_grad_(True)
    bias = torch.randn(shape[1], generator=random).to(device)

    def gradient(impl: str) -> Tensor:
        (found,) = torch.autograd.grad(call(module, x, bias, impl).square().mean(), x)
        return found

    pairs = [(call(module, x, bias, impl).detach(), gradient(impl)) for impl in ("cuda", "ref")]
    error = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(*pairs, strict=True))
    sides = take_turns(
        lambda: timed(lambda: gradient("ref"), device), lambda: timed(lambda: gradient("cuda"), device), _ROUNDS
    )
    return {"error": error, "gain": paired_ratio(*sides).value}


if __name__ == "__main__":
    main()
