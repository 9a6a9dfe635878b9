"""Sets of latent axes: parses `0:8,16:24`, `64`, `auto` and `cells`, allocates free axes, and formats ranges."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from training_loops.formats.budget import MOST_AXES
from training_loops.formats.text import printable

from .errors import LinkGANError

CELLS = "cells"
_RANGES = re.compile(r"\s*\d+\s*:\s*\d+\s*(,\s*\d+\s*:\s*\d+\s*)*")
_MOST_DIGITS = 18
_TIE = 1e-4  # coverages of cells that differ by less are equal


@dataclass(frozen=True)
class AxisRequest:
    """The axes that a link requests: explicit `axes`, or `count` consecutive free ones when `axes` is None."""

    name: str
    axes: tuple[int, ...] | None
    count: int


def read_axes(
    text: str,
    name: str,
    area: Callable[[], float | None],
    dim: int,
    cells: Callable[[], np.ndarray | None] = lambda: None,
) -> AxisRequest:
    """Parse the axes of a link: ranges ``0:8,16:24``, a count ``64``, ``auto``, or ``cells``.

    Args:
        text: the text between `=` and `@` of the link.
        name: the link's name, for messages.
        area: returns the region's share of the image in [0, 1], for `auto`; None if it differs per image.
        dim: number of axes of the latent.
        cells: returns the region's share of each cell of the network's stylemap, [s, s] in [0, 1], for `cells`; None
            for a network without one, or a region that differs per image.
    Raises:
        LinkGANError: other text, no axes, axes out of range, `auto` without a known area, or `cells` without cells.
    """
    text = text.strip()
    if text == CELLS:
        coverage = cells()
        if coverage is None:
            raise LinkGANError(
                f"link '{name}': 'cells' needs a network whose latent W is a stylemap (linkgan train --cfg stylemap) "
                "and a region that is the same in all images; give ranges, a number of axes such as 16, or auto"
            )
        axes = cell_axes(coverage, dim)
        return AxisRequest(name, axes, len(axes))
    if text == "auto":
        share = area()
        if share is None:
            raise LinkGANError(
                f"link '{name}': 'auto' needs a region whose area is known, and this one differs between "
                "images; give a number of axes, for example 16"
            )
        # count = max(1, round(area * dim)): the share of the axes is that of the image
        return AxisRequest(name, None, max(1, round(share * dim)))
    if text.isdecimal():
        count = _whole(text, name)
        if count == 0:
            raise LinkGANError(f"link '{name}' asks for 0 axes; give at least 1")
        return AxisRequest(name, None, count)
    if not _RANGES.fullmatch(text):
        raise LinkGANError(
            printable(f"link '{name}': cannot read the axes '{text:.80}'; ")
            + "write ranges such as 0:16 or 0:8,16:24, a number of free axes such as 16, auto, or cells"
        )
    ends = [_whole(end, name) for end in re.findall(r"\d+", text)]
    axes = expand(list(zip(ends[::2], ends[1::2], strict=True)), dim, name)
    return AxisRequest(name, axes, len(axes))


def cell_axes(coverage: np.ndarray, dim: int) -> tuple[int, ...]:
    """Return the axes of the cells of a stylemap that a region covers, in order.

    These are the cells it covers by more than half, so that two regions without a common pixel share none. If there
    are none, those that it covers most.

    Args:
        coverage: [s, s] in [0, 1], the region's share of each cell.
        dim: number of axes C s^2 of the stylemap; cell (y, x) has the axes from (y s + x) C on.
    Raises:
        LinkGANError: `dim` is no multiple of s^2.
    """
    shares = coverage.ravel()
    if dim % shares.size:
        raise LinkGANError(f"a latent of {dim} axes has no {coverage.shape[0]} x {coverage.shape[1]} cells of one size")
    channels = dim // shares.size
    most = shares > 0.5 + _TIE
    own = most if most.any() else shares >= shares.max() - _TIE
    return tuple(int(axis) for cell in np.flatnonzero(own) for axis in range(cell * channels, (cell + 1) * channels))


def allocate(requests: Sequence[AxisRequest], dim: int) -> list[tuple[int, ...]]:
    """Return the axes of every request, in order.

    Explicit axes are unchanged. A count gets the first block of that many consecutive free axes, in the order of the
    requests, after the explicit axes of all requests are reserved.
    """
    taken = {axis for request in requests if request.axes is not None for axis in request.axes}
    result = []
    for request in requests:
        axes = request.axes if request.axes is not None else _first_fit(request, taken, dim)
        taken.update(axes)
        result.append(axes)
    return result


def check_dim(dim: int) -> None:
    """Reject a latent with more axes than any network has. Raises LinkGANError."""
    if not 1 <= dim <= MOST_AXES:
        raise LinkGANError(f"a latent of {dim} axes, expected 1 to {MOST_AXES}")


def _whole(digits: str, name: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise LinkGANError(f"link '{name}': no latent has {digits:.20}... axes; expected at most {MOST_AXES}")
    return int(digits)


def expand(ranges: Sequence[Sequence[int]], dim: int, name: str) -> tuple[int, ...]:
    """Return the axes of half-open ranges [start, stop].

    Raises:
        LinkGANError: a range is empty or not within 0:dim, or all together have more axes than the latent.
    """
    for start, stop in ranges:
        if start >= stop:
            raise LinkGANError(
                f"link '{name}': axes {start}:{stop} are empty; the end is not included, so 0:16 is 16 axes"
            )
        if start < 0 or stop > dim:
            raise LinkGANError(f"link '{name}': axes {start}:{stop} are out of range; the latent has {dim}, 0:{dim}")
    if sum(stop - start for start, stop in ranges) > dim:
        raise LinkGANError(f"link '{name}' names axes more than once: more axes than the {dim} of the latent")
    return tuple(axis for start, stop in ranges for axis in range(start, stop))


def ranges_of(axes: Collection[int]) -> list[list[int]]:
    """Return `axes` as sorted half-open ranges ``[[start, stop], ...]``, as few as possible."""
    ranges: list[list[int]] = []
    for axis in sorted(axes):
        if ranges and ranges[-1][1] == axis:
            ranges[-1][1] = axis + 1
        else:
            ranges.append([axis, axis + 1])
    return ranges


def text_of(axes: Collection[int]) -> str:
    """Return `axes` in the grammar, ``"0:8,16:24"``."""
    return ",".join(f"{start}:{stop}" for start, stop in ranges_of(axes))


def _first_fit(request: AxisRequest, taken: Collection[int], dim: int) -> tuple[int, ...]:
    """Return the first `request.count` consecutive free axes."""
    free = ranges_of([axis for axis in range(dim) if axis not in taken])
    for start, stop in free:
        if stop - start >= request.count:
            return tuple(range(start, start + request.count))
    largest = max((stop - start for start, stop in free), default=0)
    raise LinkGANError(
        f"link '{request.name}' needs {request.count} axes in a row, but the largest free block of the {dim} has "
        f"{largest}; ask for fewer, or give ranges"
    )
