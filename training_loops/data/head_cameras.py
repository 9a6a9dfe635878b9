"""Cameras around procedural heads, as EG3D labels.

A camera is on the sphere of RADIUS around the origin and looks at the origin, level. Positive yaw moves it to +x, so
the head appears turned to the image's left; positive pitch moves it up.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from training_loops.formats.archive import DatasetError
from training_loops.formats.cameras import join_labels, look_at

RADIUS = 2.7
FOCAL_LENGTH = 4.2647  # as a fraction of the image's width: it spans 0.633 at the origin
YAW, PITCH = 0.5, 0.25  # radians: the largest angles to either side
SPREADS = ("uniform", "normal")


def camera_labels(yaw: Tensor, pitch: Tensor) -> Tensor:
    """Return the labels [N, 25] of cameras at `yaw` and `pitch`, each [N], in radians; 0 is in front of the face."""
    level = pitch.cos()
    positions = RADIUS * torch.stack([level * yaw.sin(), pitch.sin(), level * yaw.cos()], dim=-1)
    matrix = torch.tensor([[FOCAL_LENGTH, 0.0, 0.5], [0.0, FOCAL_LENGTH, 0.5], [0.0, 0.0, 1.0]])
    return join_labels(look_at(positions, positions.new_zeros(3)), matrix.to(positions))


def sample_cameras(n: int, seed: int, yaw: float = YAW, pitch: float = PITCH, spread: str = "uniform") -> Tensor:
    """Return [n, 25] labels of cameras within +-yaw and +-pitch radians; the first rows do not depend on `n`.

    `spread` "uniform" draws all angles with equal probability; "normal" prefers the front: a normal distribution
    truncated at the limits, which are two standard deviations. Raises DatasetError for another spread or limits outside
    [0, pi/2).
    """
    for name, limit in (("yaw", yaw), ("pitch", pitch)):
        if not 0 <= limit < math.pi / 2:
            raise DatasetError(f"{name} is {limit}, expected at least 0 and less than pi/2 radians (a quarter turn)")
    if spread not in SPREADS:
        raise DatasetError(f"spread of the cameras is '{spread}', expected one of: {', '.join(SPREADS)}")
    # A separate random stream: cameras do not reuse the random numbers of the attributes with the same seed.
    share = torch.from_numpy(np.random.default_rng([seed, 1]).random((n, 2)))
    if spread == "normal":
        low, high = torch.special.ndtr(torch.tensor([-2.0, 2.0], dtype=torch.float64))
        share = 0.5 + torch.special.ndtri(low + (high - low) * share) / 4
    angles = (2 * share - 1) * torch.tensor([yaw, pitch], dtype=torch.float64)
    return camera_labels(angles[:, 0], angles[:, 1]).float()
