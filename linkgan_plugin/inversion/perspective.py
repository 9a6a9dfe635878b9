"""Random perspective transformations of maps: misaligned copies whose aligned originals are known (HFGI, section 3.3).

    (u, v, 1)^T ~ H (x, y, 1)^T,    H takes each corner c_i of the square [-1, 1]^2 to c_i + delta_i

A pixel (x, y) of the result is the map's at (u, v), by bilinear interpolation, and 0 outside it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_CORNERS = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))
_KEPT = 0.25  # share of the maps that stay as they are


def random_perspectives(count: int, strength: float, random: torch.Generator) -> Tensor:
    """Return homographies [count, 3, 3] of the module's equation; a quarter of them, on average, change nothing.

    Args:
        count: N.
        strength: the corners move by up to this share of the image's side, below 0.25; uniform for each image.
        random: of the corners, on the CPU.
    """
    share = strength * torch.rand([count, 1, 1], generator=random)
    share = share * (torch.rand([count, 1, 1], generator=random) >= _KEPT)
    moves = 2 * share * (2 * torch.rand([count, 4, 2], generator=random) - 1)
    return homographies(torch.tensor(_CORNERS) + moves)


def homographies(corners: Tensor) -> Tensor:
    """Return the homographies [N, 3, 3] that take the corners of [-1, 1]^2 to given ones.

    Args:
        corners: [N, 4, 2], as (x, y): the places of the upper left, upper right, lower right and lower left corner.
    """
    # u (h7 x + h8 y + 1) = h1 x + h2 y + h3, and v alike: two equations for each corner
    x, y = torch.tensor(_CORNERS, dtype=torch.float64).unbind(dim=1)
    u, v = corners.double().unbind(dim=2)
    one, none = torch.ones_like(u), torch.zeros_like(u)
    x, y = x.expand_as(u), y.expand_as(u)
    rows = torch.cat(
        [
            torch.stack([x, y, one, none, none, none, -u * x, -u * y], dim=2),
            torch.stack([none, none, none, x, y, one, -v * x, -v * y], dim=2),
        ],
        dim=1,
    )
    found = torch.linalg.solve(rows, torch.cat([u, v], dim=1))
    return torch.cat([found, torch.ones_like(found[:, :1])], dim=1).unflatten(1, (3, 3)).float()


def warped(maps: Tensor, perspectives: Tensor) -> Tensor:
    """Transform maps.

    Args:
        maps: [N, C, H, W].
        perspectives: [N, 3, 3].
    Returns:
        [N, C, H, W].
    """
    height, width = maps.shape[2:]
    # centres of the pixels in [-1, 1]
    y = (2 * torch.arange(height, device=maps.device) + 1) / height - 1
    x = (2 * torch.arange(width, device=maps.device) + 1) / width - 1
    places = torch.stack([x.expand(height, -1), y[:, None].expand(-1, width), torch.ones_like(x).expand(height, -1)])
    found = torch.einsum("nij,jhw->nhwi", perspectives.to(maps), places.to(maps))
    grid = found[..., :2] / found[..., 2:]
    return F.grid_sample(maps, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
