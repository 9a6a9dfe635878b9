"""Random numbers that are the same on every device and in every precision: drawn on the CPU, then sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class DrawnHere(TorchFunctionMode):
    """Within the block, torch's random tensors come from a seeded generator of the CPU, in single precision.

    Devices have different generators, and one generator gives other numbers in float64. The `generator` of a call is
    ignored.

    Args:
        seed: of the numbers.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = torch.Generator().manual_seed(seed)
        self._draw: dict[Any, Callable[..., Tensor]] = {
            torch.rand: self._floats(torch.rand),
            torch.randn: self._floats(torch.randn),
            torch.rand_like: lambda like, **how: self._floats(torch.rand)(like.shape, **self._of(like, how)),
            torch.randn_like: lambda like, **how: self._floats(torch.randn)(like.shape, **self._of(like, how)),
            torch.randint: self._integers(torch.randint),
            torch.randperm: self._integers(torch.randperm),
        }

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._draw.get(func, func)(*args, **(kwargs or {}))

    def _floats(self, draw: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def drawn(*size: Any, dtype: torch.dtype | None = None, device: Any = None, **how: Any) -> Tensor:
            found = draw(*size, generator=self._random, dtype=torch.float32)
            return found.to(device=device or "cpu", dtype=dtype or torch.float32)

        return drawn

    def _integers(self, draw: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def drawn(*sizes: Any, device: Any = None, generator: Any = None, **how: Any) -> Tensor:
            return draw(*sizes, generator=self._random, **how).to(device or "cpu")

        return drawn

    @staticmethod
    def _of(like: Tensor, how: dict[str, Any]) -> dict[str, Any]:
        return {"dtype": like.dtype, "device": like.device, **how}
