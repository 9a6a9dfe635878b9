"""Procedural cartoon heads in three dimensions, seen by any camera, with exact part masks and depth.

Every attribute is uniform in [0, 1], independent of all others, and belongs to one part. Geometry attributes change the
part's solid (see head_shapes), the others its colour. The light has a fixed direction in world space and is diffuse, so
a point of a head has the same colour from every camera.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training_loops.data.faces import Attribute
from training_loops.data.head_colours import albedo, line
from training_loops.data.head_shapes import BOXES, SOLIDS, HeadShapes
from training_loops.data.sdf import box_limits, trace
from training_loops.formats.archive import DatasetError
from training_loops.formats.cameras import LABEL_DIM, split_labels
from training_loops.formats.rays import RaySampler

VERSION = 1
PARTS = ("background", *SOLIDS)
FAR = 3.3  # the depth of the background, where EG3D's rays end

_NAMES = {
    "background": "sky_light",
    "hair": "hair_light hair_warm hair_length",
    "skin": "skin_tone head_width ear_size",
    "eyes": "eye_hue eye_open gaze_x",
    "nose": "nose_red nose_length nose_width",
    "mouth": "lip_light mouth_width mouth_open smile",
    "shirt": "shirt_hue",
}
ATTRIBUTES = tuple(Attribute(name, part) for part, names in _NAMES.items() for name in names.split())

# One ray through the centre of each pixel and four around it: together they form a regular lattice over the image.
_OFFSETS = ((0.0, 0.0), (0.4, 0.2), (-0.2, 0.4), (-0.4, -0.2), (0.2, -0.4))
_CHUNK_RAYS = 1 << 15  # traced at once: the working set stays within a processor's cache
_NORMAL_STEP = 1e-3
_LIGHT = (0.45, 0.55, 0.7)
_DARK, _BRIGHT = 0.55, 0.5


class Views(NamedTuple):
    """What cameras see: images [n, 3, S, S] in [-1, 1], masks [n, P, S, S] and depth [n, 1, S, S]."""

    images: Tensor
    masks: Tensor
    depth: Tensor


def sample_attributes(n: int, seed: int) -> Tensor:
    """Return [n, A] attributes, float32 in [0, 1); the first rows do not depend on `n`."""
    values = np.random.default_rng(seed).random((n, len(ATTRIBUTES)), dtype=np.float32)
    return torch.from_numpy(values)


def part_axes(part: str) -> tuple[int, ...]:
    """Return the columns of the attributes that belong to `part`. Raises DatasetError for an unknown part."""
    if part not in PARTS:
        raise DatasetError(f"part is '{part}', expected one of: {', '.join(PARTS)}")
    return tuple(i for i, attribute in enumerate(ATTRIBUTES) if attribute.part == part)


def part_boxes() -> dict[str, tuple[float, float, float, float, float, float]]:
    """Return x0, y0, z0, x1, y1, z1 in world units for each part but the background; valid for all attributes."""
    return dict(BOXES)


@torch.no_grad()
def render(attributes: Tensor, cameras: Tensor, size: int) -> Views:
    """Render heads of attributes [n, A] seen by the cameras of labels [n, 25], on the attributes' device.

    Masks are in the order of PARTS and sum to 1 at every pixel: the shares of 5 rays through it. Depth is the distance
    along the ray through the pixel's centre, from the camera to the surface, in world units; FAR where it hits
    nothing. Attributes beyond [0, 1] are clamped. Raises DatasetError for other shapes or a size below 8.
    """
    _check(attributes, cameras, size)
    attributes = attributes.detach().float().clamp(0, 1)
    cameras = cameras.detach().to(attributes)
    chunk = max(1, _CHUNK_RAYS // (len(_OFFSETS) * size * size))
    views = [_render(*part, size) for part in zip(attributes.split(chunk), cameras.split(chunk), strict=True)]
    return Views(*(torch.cat(tensors) for tensors in zip(*views, strict=True)))


def _check(attributes: Tensor, cameras: Tensor, size: int) -> None:
    if attributes.ndim != 2 or attributes.shape[1] != len(ATTRIBUTES):
        raise DatasetError(f"attributes have shape {list(attributes.shape)}, expected [n, {len(ATTRIBUTES)}]")
    if list(cameras.shape) != [len(attributes), LABEL_DIM]:
        raise DatasetError(
            f"cameras have shape {list(cameras.shape)}, expected [{len(attributes)}, {LABEL_DIM}]: one label per head"
        )
    if size < 8:
        raise DatasetError(f"size is {size}, expected at least 8 pixels")


def _render(attributes: Tensor, cameras: Tensor, size: int) -> Views:
    count, rays = len(attributes), len(_OFFSETS) * size * size
    values = {attribute.name: column for attribute, column in zip(ATTRIBUTES, attributes.T, strict=True)}
    shapes = HeadShapes.stretch(values)
    origins, directions = _rays(cameras, size)
    owner = torch.arange(count, device=attributes.device).repeat_interleave(rays)  # the head of each ray
    boxes = torch.tensor(list(BOXES.values()), device=attributes.device)
    depth = trace(shapes.select(owner), origins, directions, *box_limits(origins, directions, boxes))
    hit = depth.isfinite().nonzero()[:, 0]
    owner = owner[hit]
    points, shapes = torch.addcmul(origins[:, hit], directions[:, hit], depth[hit]), shapes.select(owner)
    distances = shapes.part_distances(points)
    parts = distances.argmin(0)
    colours = albedo(values, shapes, owner, parts, points) * _light(shapes, points, distances.amin(0))
    image = line("sky_light", values["sky_light"])[:, :, None].expand(3, count, rays).flatten(1).contiguous()
    image[:, hit] = colours
    label = torch.zeros(count * rays, dtype=torch.int64, device=attributes.device)
    label[hit] = parts + 1
    return _average(image, label, depth, count, size)


def _rays(cameras: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return origins and directions [3, n * 5 * S * S], sorted by camera, offset, row and column."""
    poses, intrinsics = split_labels(cameras)
    moved = intrinsics[:, None].repeat(1, len(_OFFSETS), 1, 1)
    # A ray next to the centre of its pixel goes through the centre for a camera with a shifted image.
    moved[:, :, :2, 2] -= torch.tensor(_OFFSETS, device=cameras.device) / size
    origins, directions = RaySampler()(poses.repeat_interleave(len(_OFFSETS), 0), moved.flatten(0, 1), size)
    return origins.reshape(-1, 3).T.contiguous(), directions.reshape(-1, 3).T.contiguous()


def _light(shapes: HeadShapes, points: Tensor, distance: Tensor) -> Tensor:
    """Return the brightness of the surface at the points, [M], from the angle between its normal and the light."""
    light = F.normalize(torch.tensor(_LIGHT, device=points.device), dim=0)
    slope = []
    for axis in range(3):
        moved = points.clone()
        moved[axis] += _NORMAL_STEP
        slope.append(shapes.distance(moved) - distance)
    normal = F.normalize(torch.stack(slope), dim=0)
    return _DARK + _BRIGHT * (light @ normal).clamp_min(0)


def _average(image: Tensor, label: Tensor, depth: Tensor, count: int, size: int) -> Views:
    """Return the views, averaging the rays of each pixel."""
    shape = (count, len(_OFFSETS), size, size)
    images = image.clamp(0, 1).reshape(3, *shape).mean(2).transpose(0, 1) * 2 - 1
    masks = F.one_hot(label.reshape(shape), len(PARTS)).float().mean(1).permute(0, 3, 1, 2)
    middle = depth.reshape(shape)[:, :1]
    return Views(images.contiguous(), masks.contiguous(), torch.where(middle.isfinite(), middle, FAR))
