"""Signed distances of simple solids, and sphere tracing of rays (Hart 1996).

Points are [3, M], one row per axis; radii are numbers or [M]; distances are [M], in the unit of the points, and
negative inside. The difference of two solids is `torch.maximum(solid, -other)`, the union is `torch.minimum`.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

Radius = Tensor | float

TOLERANCE = 2e-5  # a ray this close to a surface has hit it
_CAREFUL = 0.9  # step factor: the distance of an ellipsoid is first order and may be slightly too long
_BOLD, _NEAR = 1.8, 0.015
_MOST_STEPS = 48  # nearly all rays end within 12 steps; the others graze a surface
_GRAZING = 1e-3  # a grazing ray this close to a surface has hit it
_ROUND = 3  # steps between two checks for finished rays


class Field(Protocol):
    """The distance to a scene of solids, whose shapes may differ between rays."""

    def distance(self, points: Tensor) -> Tensor:
        """Return the distance [M] at the points [3, M] of the M rays."""

    def select(self, rays: Tensor) -> Field:
        """Return the field of some of the rays (int64 indices [K])."""


def sphere(x: Tensor, y: Tensor, z: Tensor, radius: Radius) -> Tensor:
    """Return the exact distance [M] to a sphere around 0, at coordinates [M] each."""
    return (x * x + y * y + z * z).sqrt() - radius


def ellipsoid(x: Tensor, y: Tensor, z: Tensor, rx: Radius, ry: Radius, rz: Radius) -> Tensor:
    """Return the distance [M] to an ellipsoid around 0: first order near its surface, exact for spheres.

    ``(k^2 - k) / s`` with ``k = |(x/rx, y/ry, z/rz)|`` and ``s = |(x/rx^2, y/ry^2, z/rz^2)|``.
    """
    weights = [1 / (radius * radius) for radius in (rx, ry, rz)]
    squares = [x * x, y * y, z * z]
    square = _weighted(squares, weights)
    slope = _weighted(squares, [weight * weight for weight in weights])
    return (square - square.sqrt()) * slope.clamp_min_(1e-12).rsqrt_()


def _weighted(values: list[Tensor], weights: list[Radius]) -> Tensor:
    total = values[0] * weights[0]
    for value, weight in zip(values[1:], weights[1:], strict=True):
        total = total.addcmul_(value, weight) if isinstance(weight, Tensor) else total.add_(value, alpha=weight)
    return total


def capsule(along: Tensor, across: Tensor, beside: Tensor, length: Radius, radius: Radius) -> Tensor:
    """Return the exact distance [M] to the round bar from 0 to `length` on the axis of `along`."""
    beyond = along - torch.minimum(along.clamp_min(0), torch.as_tensor(length, device=along.device))
    return (beyond * beyond + across * across + beside * beside).sqrt() - radius


def box_limits(origins: Tensor, directions: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distances [M] at which rays [3, M] enter the first of the boxes and leave the last.

    `boxes` are [B, 6]: the corners with the lowest and the highest coordinates. A ray that misses them all, or has them
    behind it, leaves before it enters.
    """
    slowness = 1 / directions
    first, last = torch.full_like(origins[0], torch.inf), torch.full_like(origins[0], -torch.inf)
    for box in boxes:
        low, high = (corner[:, None].sub(origins).mul_(slowness) for corner in box.view(2, 3))
        enter = torch.minimum(low, high).amax(0).clamp_min_(0)
        leave = torch.maximum(low, high).amin(0)
        hit = leave > enter
        first = torch.where(hit, torch.minimum(first, enter), first)
        last = torch.where(hit, torch.maximum(last, leave), last)
    return first, last


def trace(field: Field, origins: Tensor, directions: Tensor, near: Tensor, far: Tensor) -> Tensor:
    """Return the distance [M] along each ray to the first surface between `near` and `far`, or infinity.

    Args:
        field: the scene; its gradient may exceed 1 by a tenth.
        origins: [3, M].
        directions: [3, M] of length 1.
        near: [M].
        far: [M]; rays with far <= near hit nothing.
    """
    found = torch.full_like(near, torch.inf)
    alive = (near < far).nonzero()[:, 0]
    # Rows: origin, direction, distance so far, last gap, last step, far end.
    state = torch.cat([origins, directions, torch.stack([near, near, torch.zeros_like(near), far])])
    field, state = field.select(alive), state[:, alive]
    for done in range(_ROUND, _MOST_STEPS + 1, _ROUND):
        if not len(alive):
            break
        for _ in range(_ROUND):
            _advance(field, state)
        distance, gap = state[6], state[7]
        met = gap.abs() < (TOLERANCE if done < _MOST_STEPS else _GRAZING)
        found[alive[met]] = distance[met]
        going = (~met & (distance < state[9])).nonzero()[:, 0]
        alive, field, state = alive[going], field.select(going), state[:, going]
    return found


def _advance(field: Field, state: Tensor) -> None:
    """Step along each ray: by the gap, near a surface by the gap over the speed at which the last step closed it."""
    # t <- t + k f(o + t d); near a surface k = step / (previous f - f), the secant step, within [0.9, 1.8]
    gap = field.distance(torch.addcmul(state[:3], state[3:6], state[6]))
    stride = (state[8] / (state[7] - gap)).nan_to_num_(_CAREFUL).clamp_(_CAREFUL, _BOLD)
    stride.masked_fill_(gap.abs() > _NEAR, _CAREFUL)
    state[7] = gap
    state[8] = gap * stride
    state[6] += state[8]
