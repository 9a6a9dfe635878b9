"""The states of an image under edit, and the versions of one of its regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .steps import Step


class Version(NamedTuple):
    """A version of a region: its block of axes [1, L, A] and the step that made it (None at the start).

    The only region of a network without links is the whole image, whose versions have `styles` [1, S] or None too.
    """

    block: Tensor
    step: Step | None
    styles: Tensor | None = None


class State(NamedTuple):
    """The latents and their axes, [1, L, D] each, after a step (None at the start).

    Without a basis both are the same tensor. With one, the axes are the coordinates, which steps change: they are exact
    where rounding would make the latents' own coordinates differ a little after every step. `styles` [1, S] is added
    to the network's styles; None adds nothing.
    """

    latents: Tensor
    axes: Tensor
    step: Step | None
    styles: Tensor | None = None


def versions_of(states: Sequence[State], block: Tensor, *, whole: bool) -> tuple[tuple[Version, ...], int]:
    """Return the distinct versions of a region, and the index of the last state's.

    Args:
        states: from the start to now.
        block: bool [D], the region's axes.
        whole: the region is the whole image, so that the styles are its own too.
    """
    blocks = torch.cat([state.axes[:, :, block] for state in states])
    versions: dict[tuple[bytes, bytes], Version] = {}  # by their bits, which makes one pass enough
    bits = (b"", b"")
    for own, numbers, state in zip(blocks.split(1), blocks.cpu().numpy(), states, strict=True):
        styles = state.styles if whole else None
        bits = (numbers.tobytes(), b"" if styles is None else styles.cpu().numpy().tobytes())
        versions.setdefault(bits, Version(own, state.step, styles))
    return tuple(versions.values()), list(versions).index(bits)
