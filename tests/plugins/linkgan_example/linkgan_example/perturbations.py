"""The perturbation `fade`: latents shrink towards zero."""

from __future__ import annotations

import torch
from torch import Tensor


def fade(ws: Tensor, donor: Tensor, strength: float, generator: torch.Generator | None) -> Tensor:
    """Go the share `strength` of the way to zero; ws [N, L, D] -> [N, L, D]."""
    return ws * (1 - strength)
