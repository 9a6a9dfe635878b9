"""Edits of images that directions are learned from: shift, zoom, rotation, brightness and colour, by any amount."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import LinkGANError, suggest
from .task import Task


@dataclass(frozen=True)
class ImageEdit:
    """An edit by an amount.

    Attributes:
        unit: what amount 1 does, for people.
        warp: amounts [N] and height / width to the map of output to input positions, [N, 2, 2] and [N, 2], both from
            -1 to 1 over the image, x first; None for edits of colours.
        channels: to which a colour is added; () for warps.
    """

    unit: str
    warp: Callable[[Tensor, float], tuple[Tensor, Tensor]] | None = None
    channels: tuple[int, ...] = ()


def _shift(x: float, y: float) -> Callable[[Tensor, float], tuple[Tensor, Tensor]]:
    def warp(amounts: Tensor, aspect: float) -> tuple[Tensor, Tensor]:
        # positions span 2: a tenth of the image is 0.2
        return torch.eye(2).to(amounts).expand(len(amounts), 2, 2), -0.2 * amounts[:, None] * amounts.new_tensor([x, y])

    return warp


def _zoom(amounts: Tensor, aspect: float) -> tuple[Tensor, Tensor]:
    scale = 1.2**-amounts
    return torch.eye(2).to(amounts) * scale[:, None, None], amounts.new_zeros(len(amounts), 2)


def _rotation(amounts: Tensor, aspect: float) -> tuple[Tensor, Tensor]:
    turn = amounts * math.radians(10)
    cos, sin = turn.cos(), turn.sin()
    rows = [torch.stack([cos, -sin * aspect], dim=1), torch.stack([sin / aspect, cos], dim=1)]
    return torch.stack(rows, dim=1), amounts.new_zeros(len(amounts), 2)


EDITS = {
    "shift_x": ImageEdit("to the right by 10 % of the width", _shift(1, 0)),
    "shift_y": ImageEdit("down by 10 % of the height", _shift(0, 1)),
    "zoom": ImageEdit("1.2 times as large", _zoom),
    "rotation": ImageEdit("10 degrees counterclockwise", _rotation),
    "brightness": ImageEdit("+0.2, images in [-1, 1]", channels=(0, 1, 2)),
    "red": ImageEdit("+0.2, images in [-1, 1]", channels=(0,)),
    "green": ImageEdit("+0.2, images in [-1, 1]", channels=(1,)),
    "blue": ImageEdit("+0.2, images in [-1, 1]", channels=(2,)),
}
_STEP = 0.2  # what amount 1 of an edit of colours adds


def chosen_edits(text: str, channels: int) -> list[str]:
    """Return the names of edits in a text such as `shift_x,zoom`; `all` for those that images of `channels` can have.

    Raises:
        LinkGANError: an unknown edit, or a colour of grey images.
    """
    grey = channels < 3
    possible = [name for name, edit in EDITS.items() if not (grey and len(edit.channels) == 1)]
    if text == "all":
        return possible
    names = [part.strip() for part in text.split(",")]
    for name in names:
        if name not in possible:
            raise LinkGANError(f"edit '{name:.40}' of images of {channels} channels; {suggest(name, possible)}")
    return names


def wanted_edits(task: Task, text: str) -> list[str]:
    """Return the names in `text` of edits that the images of a task can have, at most `task.count`.

    Raises:
        LinkGANError: as `chosen_edits`.
    """
    latents, labels = task.draw(0, 1)
    return chosen_edits(text, task.generator.render(latents, labels).shape[1])[: task.count]


def edited(name: str, images: Tensor, amounts: Tensor) -> tuple[Tensor, Tensor]:
    """Apply an edit.

    Args:
        name: of the edit, in `EDITS`.
        images: float32 [N, C, H, W].
        amounts: float32 [N]; 0 changes nothing.
    Returns:
        The images, not clipped, and the pixels that they show, [N, 1, H, W]: 0 where the edit has no content.
    """
    edit = EDITS[name]
    known = images.new_ones(len(images), 1, *images.shape[2:])
    if edit.warp is None:
        tint = images.new_zeros(images.shape[1])
        tint[[channel for channel in edit.channels if channel < len(tint)]] = _STEP
        return images + amounts[:, None, None, None] * tint[:, None, None], known
    turn, shift = edit.warp(amounts, images.shape[2] / images.shape[3])
    places = F.affine_grid(torch.cat([turn, shift[:, :, None]], dim=2), list(images.shape), align_corners=False)
    both = F.grid_sample(torch.cat([images, known], dim=1), places, align_corners=False)
    return both[:, :-1], (both[:, -1:] > 0.999).to(images)
