"""Local editing of networks whose latent is a stylemap: blends two by a mask (Kim et al. 2021, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from ..calls.spaces import stylemap_size_of
from ..errors import LinkGANError


def blend_stylemaps(generator: nn.Module, ws: Tensor, donor: Tensor, mask: Tensor) -> Tensor:
    """Return the stylemap that is the donor's where the mask is 1, and `ws` where it is 0.

    Args:
        generator: a network with `stylemap_size`, such as those of ``linkgan train --cfg stylemap``.
        ws: [N, 1, w_dim].
        donor: [1 or N, 1, w_dim], another image's.
        mask: [H, W] in [0, 1]; a cell takes its mean over the pixels of the cell.
    Returns:
        [N, 1, w_dim].
    Raises:
        LinkGANError: a network without a stylemap, or latents or a mask of other shapes.

    Example:
        >>> G = load_network("network-snapshot-000080.pt").generator                      # doctest: +SKIP
        >>> ws, donor = G.encoder(images).split(1)                                        # doctest: +SKIP
        >>> edited = G.synthesis(blend_stylemaps(G, ws, donor, mask))                     # doctest: +SKIP
    """
    size = stylemap_size_of(generator)
    if size is None:
        raise LinkGANError(f"a {type(generator).__name__} has no stylemap; train one with linkgan train --cfg stylemap")
    dim = ws.shape[-1]
    if ws.ndim != 3 or donor.ndim != 3 or donor.shape[1:] != ws.shape[1:] or dim % size**2:
        raise LinkGANError(
            f"stylemaps {list(ws.shape)} and {list(donor.shape)}, expected [N, 1, w_dim] of this network"
        )
    if mask.ndim != 2:
        raise LinkGANError(f"a mask {list(mask.shape)}, expected [H, W]")
    # w' = m w_donor + (1 - m) w, m at s x s cells (Eq. 3)
    cells = adaptive_avg_pool2d(mask[None].to(ws), size).flatten()
    return torch.lerp(ws, donor.expand_as(ws), cells.repeat_interleave(dim // size**2))
