"""The surface colours of a procedural head, before lighting.

Colours are in [0, 1]. Each colour attribute interpolates between a few colours that can be distinguished at 32 pixels,
and colours one part only.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training_loops.data.head_shapes import EYE, EYE_RADIUS, LID, SOLIDS, HeadShapes

_LINES = {
    "sky_light": ((0.16, 0.2, 0.36), (0.45, 0.6, 0.72), (0.9, 0.93, 0.86)),
    "skin_tone": ((0.99, 0.83, 0.71), (0.87, 0.65, 0.49), (0.6, 0.4, 0.28)),
    "eye_hue": ((0.5, 0.24, 0.08), (0.12, 0.62, 0.3), (0.15, 0.35, 0.95)),
    "nose_red": ((1.0, 0.66, 0.1), (0.9, 0.06, 0.22)),
    "lip_light": ((0.42, 0.02, 0.12), (1.0, 0.5, 0.55)),
    "shirt_hue": ((0.85, 0.2, 0.2), (0.92, 0.82, 0.3), (0.15, 0.6, 0.45), (0.35, 0.25, 0.75)),
}
_WHITE, _BLACK = (0.98, 0.98, 0.99), (0.04, 0.03, 0.05)
_BROW, _THROAT, _TEETH = (0.16, 0.11, 0.1), (0.25, 0.03, 0.06), (1.0, 0.99, 0.95)
_IRIS, _PUPIL = 0.8, 0.945  # cosines of the angles between the gaze and their edges
_SLACK = 1e-3  # tolerance for a point on a surface
_GAZE = 0.5  # the largest angle of the eyes, in radians


def line(name: str, values: Tensor) -> Tensor:
    """Return the colours [3, n] of the attribute `name` at its values [n] in [0, 1]."""
    stops = torch.tensor(_LINES[name], device=values.device)
    place = values[:, None] * (len(stops) - 1)
    weights = (1 - (place - torch.arange(len(stops), device=values.device)).abs()).clamp_min(0)
    return (weights @ stops).T


def hair_colour(values: dict[str, Tensor]) -> Tensor:
    """Return the hair's colour [3, n]: hair_light from black to blond, hair_warm from bluish to ginger."""
    light = 0.12 + 0.62 * values["hair_light"]
    warm = 0.52 * values["hair_warm"] - 0.22
    return torch.stack([light + warm, light + 0.1 * warm, light - warm]).clamp(0.03, 1)


def albedo(values: dict[str, Tensor], shapes: HeadShapes, owner: Tensor, parts: Tensor, points: Tensor) -> Tensor:
    """Return the colours [3, M] of points [3, M] on the parts [M] (indices of SOLIDS) of the heads `owner` [M].

    Args:
        values: the attributes of the heads by name, each [n] in [0, 1].
        shapes: the solids of each point's head.
    """
    plain = {
        "hair": hair_colour(values),
        "skin": line("skin_tone", values["skin_tone"]),
        "eyes": line("eye_hue", values["eye_hue"]),
        "nose": line("nose_red", values["nose_red"]),
        "mouth": line("lip_light", values["lip_light"]),
        "shirt": line("shirt_hue", values["shirt_hue"]),
    }
    colours = torch.stack([plain[part] for part in SOLIDS], dim=2)[:, owner, parts]  # [3, M]
    eyes = (parts == SOLIDS.index("eyes")).nonzero()[:, 0]
    colours[:, eyes] = _eyes(points[:, eyes], values["gaze_x"][owner[eyes]], colours[:, eyes])
    mouth = (parts == SOLIDS.index("mouth")).nonzero()[:, 0]
    colours[:, mouth] = _mouth(points[:, mouth], shapes.select(mouth), colours[:, mouth])
    return colours


def _eyes(points: Tensor, gaze: Tensor, hue: Tensor) -> Tensor:
    """Colour the eyes; iris and lid have the same hue, so that a closed eye also shows it."""
    x, y, z = points
    u, v, w = x - EYE[0] * x.sign(), y - EYE[1], z - EYE[2]
    radius = (u * u + v * v + w * w).sqrt()
    turn = (2 * gaze - 1) * _GAZE
    facing = (u * turn.sin() + w * turn.cos()) / radius
    ball = _put(facing > _PUPIL, _BLACK, _put(facing < _IRIS, _WHITE, hue))
    lid = torch.where(radius > EYE_RADIUS + _SLACK, 0.8 * hue, ball)
    return _put(radius > EYE_RADIUS + LID + _SLACK, _BROW, lid)


def _mouth(points: Tensor, shapes: HeadShapes, lips: Tensor) -> Tensor:
    x, y, z = points
    height = shapes.mouth_height(x, y)
    _, opening = shapes.lips(x, y, z)
    throat = _put(opening < _SLACK, _THROAT, lips)
    return _put((opening < _SLACK) & (height > 0.35 * shapes.mouth_open), _TEETH, throat)


def _put(where: Tensor, colour: tuple[float, float, float], otherwise: Tensor) -> Tensor:
    return torch.where(where, otherwise.new_tensor(colour)[:, None], otherwise)
