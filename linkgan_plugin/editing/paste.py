"""Pasting edited regions into a photograph with a soft seam; all other pixels are the photograph's own."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from ..errors import LinkGANError

SEAM = 1 / 16  # default width of the seam, as a fraction of the image's width


def feathered(mask: Tensor, feather: float | None = None) -> Tensor:
    """Widen a mask by a soft seam.

    With d the distance in pixels from the region ``mask >= 0.5`` (1 for its neighbours) and s = d / (feather + 1), the
    result is ``max(mask, 0.5 + 0.5 cos(pi min(s, 1)))``: 1 in the region and exactly 0 from s = 1 on.

    Args:
        mask: [H, W] in [0, 1].
        feather: width of the seam in pixels; 0 leaves the mask as it is, None is a 16th of W.
    Returns:
        float32 [H, W] in [0, 1].
    Raises:
        LinkGANError: `feather` is below 0 or not finite.
    """
    feather = SEAM * mask.shape[-1] if feather is None else feather
    if not 0 <= feather < float("inf"):
        raise LinkGANError(f"feather is a width in pixels, 0 or more, not {feather:g}")
    region = mask.detach().cpu().numpy() >= 0.5
    if feather == 0 or not region.any():
        return mask.float()
    distance = np.minimum(distance_transform_edt(~region) / (feather + 1), 1)
    seam = np.where(distance < 1, 0.5 + 0.5 * np.cos(np.pi * distance), 0)
    return torch.maximum(mask.float(), torch.from_numpy(seam).to(mask.device, torch.float32))


def paste(photograph: Tensor, edited: Tensor, mask: Tensor) -> Tensor:
    """Return `edited` where the mask is 1, `photograph` to the bit where it is 0, and a blend between.

    Args:
        photograph: [N, C, H, W].
        edited: [N, C, H, W].
        mask: [H, W] in [0, 1].
    Returns:
        [N, C, H, W].
    Raises:
        LinkGANError: images of different sizes.
    """
    if photograph.shape != edited.shape:
        raise LinkGANError(
            f"a photograph {list(photograph.shape)} and an edited image {list(edited.shape)} do not fit; "
            "give the photograph at the size of the network"
        )
    return torch.where(mask > 0, torch.lerp(photograph, edited, mask), photograph)
