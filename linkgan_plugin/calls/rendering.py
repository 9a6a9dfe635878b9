"""The output of a generator: the image and, from 3D-aware generators, the raw image and depth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Rendering(NamedTuple):
    """The output of a generator.

    Attributes:
        image: float32 [N, C, H, W], nominally in [-1, 1].
        raw: float32 [N, C, h, w], the image before super-resolution; None from 2D generators.
        depth: float32 [N, 1, h, w], distance from the camera along each ray; None from 2D generators.
    """

    image: Tensor
    raw: Tensor | None = None
    depth: Tensor | None = None

    @classmethod
    def of(cls, out: Any) -> Rendering:
        """Return the output of a synthesis, an image or eg3d's dict; half precision (R3GAN) becomes float32."""
        if isinstance(out, Mapping):
            return cls(out["image"], out.get("image_raw"), out.get("image_depth")).each(_single)
        return cls(_single(out))

    def each(self, change: Callable[[Tensor], Tensor]) -> Rendering:
        """Return the rendering with `change` applied to every part that is not None."""
        return Rendering(*(None if part is None else change(part) for part in self))  # type: ignore[arg-type]


def _single(image: Tensor) -> Tensor:
    return image.float() if image.dtype in (torch.float16, torch.bfloat16) else image


def stacked(renderings: Sequence[Rendering]) -> Rendering:
    """Stack F renderings: the parts get a first dimension of F."""
    first = renderings[0]
    return Rendering(*(None if first[i] is None else torch.stack([p[i] for p in renderings]) for i in range(3)))  # type: ignore[arg-type, misc]
