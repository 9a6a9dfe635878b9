"""The solids of a procedural head, in world units: x to its left, y up, z out of its face.

Every attribute in `GEOMETRY`, in [0, 1], changes the solids of one part only. The head is centred at the origin, inside
the cube [-0.5, 0.5]^3. Each part is a separate solid, so a point of the surface belongs to the nearest part.
"""

from __future__ import annotations

from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from training_loops.data.sdf import capsule, ellipsoid, sphere

SOLIDS = ("hair", "skin", "eyes", "nose", "mouth", "shirt")
# The range of each geometry attribute, in world units.
GEOMETRY = {
    "hair_length": (0.1, -0.3),  # the height at which the hair ends
    "head_width": (0.172, 0.218),  # half the width
    "ear_size": (0.022, 0.062),
    "eye_open": (-0.035, 0.042),  # the height of the lid's edge above the centre of the eye
    "nose_length": (0.012, 0.15),  # from the face
    "nose_width": (0.02, 0.04),
    "mouth_width": (0.05, 0.105),  # half the width
    "mouth_open": (0.003, 0.038),  # half the height of the opening
    "smile": (-0.04, 0.045),  # the height of the corners above the centre
}
# x0, y0, z0, x1, y1, z1: contains the surface of the part for all attributes.
BOXES = {
    "hair": (-0.25, -0.395, -0.27, 0.25, 0.305, 0.22),
    "skin": (-0.282, -0.4, -0.2, 0.282, 0.26, 0.2),
    "eyes": (-0.14, 0.027, 0.085, 0.14, 0.169, 0.207),
    "nose": (-0.04, -0.055, 0.13, 0.04, 0.025, 0.36),
    "mouth": (-0.111, -0.206, 0.02, 0.111, -0.055, 0.215),
    "shirt": (-0.4, -0.5, -0.21, 0.4, -0.25, 0.15),
}
EYE = (0.08, 0.08, 0.145)  # the centre of the eye on the +x side
EYE_RADIUS = 0.053
LID = 0.006  # thickness
_LIPS = 0.021
_LINING = 0.005


class HeadShapes(NamedTuple):
    """The solids of one head per ray, as a `sdf.Field`: the geometry attributes in world units, each [M]."""

    hair_length: Tensor
    head_width: Tensor
    ear_size: Tensor
    eye_open: Tensor
    nose_length: Tensor
    nose_width: Tensor
    mouth_width: Tensor
    mouth_open: Tensor
    smile: Tensor

    @classmethod
    def stretch(cls, attributes: dict[str, Tensor]) -> HeadShapes:
        """Return the solids of attributes [M] in [0, 1]."""
        return cls(**{name: low + (high - low) * attributes[name] for name, (low, high) in GEOMETRY.items()})

    def select(self, rays: Tensor) -> HeadShapes:
        """Return the solids of some of the rays (int64 indices [K])."""
        return HeadShapes(*(value[rays] for value in self))

    def distance(self, points: Tensor) -> Tensor:
        """Return the distance [M] to the nearest solid of each ray's head at its point, [3, M]."""
        return reduce(torch.minimum, self._solids(points))

    def part_distances(self, points: Tensor) -> Tensor:
        """Return the distances [len(SOLIDS), M] to each part."""
        return torch.stack(self._solids(points))

    def _solids(self, points: Tensor) -> list[Tensor]:
        x, y, z = points
        side = x.abs()
        lips, cavity = self.lips(x, y, z)
        skull = ellipsoid(x, y - 0.02, z, self.head_width, 0.24, 0.2)
        # The skin around the opening is the lining of the mouth and belongs to it.
        lining = torch.maximum(skull, cavity - _LINING)
        mouth = torch.maximum(torch.minimum(lips, lining), -cavity)
        skin = torch.minimum(torch.maximum(skull, _LINING - cavity), self._neck_and_ears(x, side, y, z))
        return [self._hair(x, y, z), skin, self._eyes(side, y, z), self._nose(x, y, z), mouth, _shirt(x, y, z)]

    def _neck_and_ears(self, x: Tensor, side: Tensor, y: Tensor, z: Tensor) -> Tensor:
        ear = ellipsoid(side - self.head_width, y - 0.015, z - 0.02, self.ear_size, 1.2 * self.ear_size, 0.03)
        neck = capsule(y + 0.32, x, z + 0.02, 0.2, 0.08)
        return torch.minimum(ear, neck)

    def _hair(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        # A cap that is vertical below its centre; the face is visible below the fringe.
        fall = (y - 0.03).clamp_min(0)
        cap = ellipsoid(x, fall, z + 0.025, 0.25, 0.275, 0.245)
        fringe = 0.215 - 0.3 * (x + 0.05).abs() - y
        face = torch.minimum(fringe, z + 0.01)
        end = self.hair_length + 0.35 * z - y
        return torch.maximum(torch.maximum(cap, face), end)

    def _eyes(self, side: Tensor, y: Tensor, z: Tensor) -> Tensor:
        ball = sphere(side - EYE[0], y - EYE[1], z - EYE[2], EYE_RADIUS)
        lid = torch.maximum(ball - LID, EYE[1] + self.eye_open - y)
        brow = capsule(side - 0.05, y - 0.157 + 0.2 * (side - 0.05), z - 0.178 + 0.35 * (side - 0.05), 0.055, 0.011)
        return torch.minimum(torch.minimum(ball, lid), brow)

    def _nose(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        return capsule(z - 0.17, x, y + 0.015, self.nose_length, self.nose_width)

    def lips(self, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distances [M] to the lips and to the opening between them, at coordinates [M] each."""
        height = self.mouth_height(x, y)
        # Follows the face, which recedes to the sides and the chin.
        out = z - 0.158 + 2.6 * x * x - 0.55 * (y + 0.13)
        gape = self.mouth_open
        lips = ellipsoid(x, height, out, self.mouth_width, gape + _LIPS, 0.028)
        cavity = ellipsoid(x, height, out, self.mouth_width - 0.014, gape, 0.06)
        return 0.75 * lips, 0.75 * cavity

    def mouth_height(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the height of a point above the line between the lips, [M]."""
        across = x / self.mouth_width
        return y + 0.13 - self.smile * (across * across - 0.35)


def _shirt(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    shoulders = ellipsoid(x, y + 0.42, z + 0.03, 0.4, 0.17, 0.18)
    return torch.maximum(shoulders, -0.5 - y)
