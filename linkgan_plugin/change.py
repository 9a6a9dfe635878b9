"""The squared change between two images, split by a mask, for the loss and the region metrics."""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

_FEW_CHANNELS = 4


def split_change(
    before: Tensor, after: Tensor, mask: Tensor, *, sums: torch.dtype | None = None
) -> tuple[Tensor, Tensor]:
    """Split || after - before ||_2^2 into the parts inside and outside a mask.

    Eq. 3-4 multiply by a binary mask before squaring; a soft mask weighs the squared change by the covered share of
    the pixel, which is the same for binary masks and keeps inside + outside = total.

    Args:
        before: [N, C, H, W], float of any precision, usually in [-1, 1].
        after: [..., N, C, H, W], as `before`.
        mask: [..., N or 1, 1, H, W], in [0, 1].
        sums: dtype of the sums; by default float32, or float64 for float64 images: sums in half precision overflow.
    Returns:
        inside and outside, each [..., N]: sums over channels and pixels.
    """
    dtype = torch.promote_types(torch.float32, after.dtype)
    with torch.autocast(after.device.type, enabled=False):
        # s_p = sum_c (a_pc - b_pc)^2,  inside = sum_p m_p s_p,  outside = sum_p (1 - m_p) s_p
        difference = after.to(dtype) - before.to(dtype)
        square = _over_channels(difference.square() if difference.requires_grad else difference.square_())
        weights = mask.to(dtype)
        # Not total - inside, which loses the digits of a small leak compared with a large effect.
        parts = (square * weights, square * (1 - weights))
        inside, outside = (part.flatten(-3).sum(dim=-1, dtype=sums) for part in parts)
        return inside, outside


def _over_channels(square: Tensor) -> Tensor:
    """[..., C, H, W] -> sums over channels [..., 1, H, W]; few channels are added one by one, whatever their layout."""
    if square.shape[-3] > _FEW_CHANNELS:
        return square.sum(dim=-3, keepdim=True)
    return functools.reduce(torch.add, square.split(1, dim=-3))


def beyond_thumbnail(images: Tensor, side: int) -> Tensor:
    """Return what a small version of an image does not show: its structure, without its colour and light.

    Args:
        images: [..., N, C, H, W], H and W at least `side`.
        side: of the small version, in pixels.
    Returns:
        images - enlarged(reduced(images)), by pixel areas and linearly; constant images give 0.
    """
    # d = (I - U A) x: A averages the areas of side x side pixels, U enlarges them linearly
    flat = images.flatten(0, -4)
    small = F.interpolate(flat, size=(side, side), mode="area")
    return (flat - F.interpolate(small, size=flat.shape[-2:], mode="bilinear")).view(images.shape)
