"""Turntable videos of 3D-aware generators: the camera circles while regions change, in colour and depth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..cameras.orbit import pivot_of, turned
from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..images import drawing, pixels
from ..images.pixels import Pixels
from .relief import depth_image

STEPS, HOLD = 16, 8  # frames of one change, and frames to hold after it
TURN = 96  # frames of one turn of the camera
# Progress of a change in each of its frames, with a smooth start and end.
AMOUNTS = (*(0.5 - 0.5 * np.cos(np.linspace(0, np.pi, STEPS))).tolist(), *[1.0] * HOLD)


def ellipse(front: Tensor, turns: float, yaw: float, pitch: float) -> Tensor:
    """Return a camera on an ellipse around the front: first above it, then to the right of it, at +x, then below.

    Args:
        front: [1, 25 or more], the camera in the middle.
        turns: number of turns so far.
        yaw: largest yaw to either side, in radians.
        pitch: largest pitch up and down, in radians.
    Returns:
        [1, 25 or more].
    """
    angle = 2 * math.pi * turns
    return turned(front, yaw * math.sin(angle), pitch * math.cos(angle), pivot_of(None, front))


@dataclass(frozen=True)
class ViewSettings:
    """Cameras, depth range and image size of a visualisation.

    Attributes:
        front: [1, 25 or more], the camera in front.
        yaw: largest yaw of the other cameras to either side, in radians.
        pitch: their largest pitch up and down, in radians.
        near: depth of the brightest colour, in world units.
        far: depth of the darkest colour.
        cell: approximate size of an image, in pixels.
    """

    front: Tensor
    yaw: float
    pitch: float
    near: float
    far: float
    cell: int = 128

    def colour_and_depth(
        self, generator: LinkedGenerator, latents: Tensor, camera: Tensor
    ) -> tuple[Tensor, Pixels, Pixels]:
        """Return images [N, C, H, H] of latents from a camera [1, c_dim], and the cells of image and depth to draw.

        Raises:
            LinkGANError: a generator that renders no depth.
        """
        if not generator.is_3d_aware:
            raise LinkGANError("this generator renders no depth; use a 3D-aware one, such as --cfg heads3d")
        labels, cameras = (label.expand(len(latents), -1) for label in (self.front, camera))
        images = generator.view(latents, labels, cameras).image
        with generator.rendered_at(images.shape[-1]):
            depth = generator.view(latents, labels, cameras).depth
        assert depth is not None  # 3D-aware generators render depth
        relief = pixels.to_pixels(depth_image(depth, self.near, self.far))
        return images, pixels.enlarge(pixels.to_pixels(images), self.cell), pixels.enlarge(relief, self.cell)


@torch.no_grad()
def turntable_frames(
    generators: Mapping[str, LinkedGenerator],
    seeds: Sequence[int],
    regions: Sequence[str],
    look: ViewSettings,
    *,
    changes: int = 3,
    donor_seed: int = 20_000,
) -> Iterator[Pixels]:
    """Yield frames [H, W, 3]: the camera circles while one region after another is interpolated to `changes` samples.

    Each object is shown in colour and, next to it, in depth.

    Args:
        generators: heading -> network; one row of objects each, with the same seeds and donors.
        seeds: one object each.
        regions: regions in the order in which they change; each returns to its start.
    """
    here = {name: generator.draw(seeds, look.front.expand(len(seeds), -1)) for name, generator in generators.items()}
    frame = 0
    for number, region in enumerate(regions):
        first = donor_seed + number * changes
        stops = {
            name: [*(g.draw([seed], look.front) for seed in range(first, first + changes)), here[name]]
            for name, g in generators.items()
        }
        for stop in range(changes + 1):
            for amount in AMOUNTS:
                camera = ellipse(look.front, frame / TURN, look.yaw, look.pitch)
                rows = []
                for name, g in generators.items():
                    latents = _between(g, here[name], stops[name][stop], region, amount)
                    _, colour, relief = look.colour_and_depth(g, latents, camera)
                    rows.append(_row(name, colour, relief))
                yield _frame(f"resampling: {region}", rows)
                frame += 1
            here = {name: _between(g, here[name], stops[name][stop], region, 1.0) for name, g in generators.items()}


def _between(generator: LinkedGenerator, latents: Tensor, donor: Tensor, region: str, amount: float) -> Tensor:
    return generator.replace(latents, torch.lerp(latents, donor.expand_as(latents), amount), generator.block(region))


def _row(name: str, colour: Pixels, relief: Pixels) -> Pixels:
    body = np.concatenate([part for pair in zip(colour, relief, strict=True) for part in pair], axis=1)
    return np.concatenate([drawing.caption(name, body.shape[1], 24), body])


def _frame(text: str, rows: Sequence[Pixels]) -> Pixels:
    frame = np.concatenate([drawing.caption(text, rows[0].shape[1], 32, size=18, bold=True), *rows])
    # Video codecs halve the colour planes: both sides must be even.
    return np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), constant_values=255)
