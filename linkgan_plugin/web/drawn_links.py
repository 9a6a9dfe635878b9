"""Drawn links: the shapes of their regions, and checks of their texts."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import combinations
from typing import Any

import numpy as np
import torch

from training_loops.formats.budget import MOST_LINKS
from training_loops.formats.text import printable

from ..axes import allocate, read_axes, text_of
from ..errors import LinkGANError
from ..links import Link, LinkSpec, covered_cells
from ..regions.base import Region, Scene, StaticRegion
from ..regions.box import Box
from ..regions.compose import UNION, Compound
from ..regions.polygon import Polygon

_MOST_PAIRED = 16  # up to this many links, all overlapping pairs are listed, else only the first

_KEPT = 32  # links, with masks of 4 MiB each for images of 1024 pixels

Shape = dict[str, Any]


@dataclass(frozen=True)
class Given:
    """An initial link of a drawing: its texts and its parsed region."""

    name: str
    axes: str
    region: Region
    text: str

    @classmethod
    def typed(cls, text: str, dim: int, stylemap_size: int | None = None) -> Given:
        """Return a link as typed, NAME=AXES@REGION, keeping the text of its axes; LinkGANError if malformed."""
        (link,) = LinkSpec.parse([text], dim=dim, stylemap_size=stylemap_size).links
        name, axes, region = _parts(text)
        return cls(name, axes, link.region, region)

    @classmethod
    def of(cls, link: Link) -> Given:
        """Return a link of a spec."""
        return cls(link.name, text_of(link.axes), link.region, str(link.region))

    def to_json(self) -> dict[str, Any]:
        """Return the data for the page: shapes to edit, or None for a region that can only be edited as text."""
        return {"name": self.name, "axes": self.axes, "region": self.text, "shapes": shapes_of(self.region)}


class Reader:
    """Parses links one by one and caches the last ones, so that drawing one does not measure the others again.

    Args:
        files: content of the files that regions may name; no other file is opened.
    """

    def __init__(self, files: Mapping[str, bytes] | None = None) -> None:
        self._files = files or {}
        self.link = lru_cache(_KEPT)(self._link)

    def _link(self, text: str, dim: int, space: str, stylemap_size: int | None) -> Link:
        """Return a link with its axes as the only link; LinkGANError if malformed."""
        spec = LinkSpec.parse([text], dim=dim, space=space, read=self._read, stylemap_size=stylemap_size)
        return spec.links[0]

    def _read(self, name: str) -> bytes:
        if name not in self._files:
            raise LinkGANError(
                printable(f"the page does not open '{name:.200}'; restart it with a --link that names this file")
            )
        return self._files[name]


@dataclass(frozen=True)
class Latent:
    """The latent space of the links, and the size of the images.

    Attributes:
        dim: its axes.
        space: "w" or "z".
        typed_space: the value of --link-space, None for the default.
        size: of the images, in pixels per side.
        reader: parses the links.
        stylemap_size: s of a space that is a stylemap of s x s cells; None for others.
    """

    dim: int
    size: int
    space: str = "w"
    typed_space: str | None = None
    reader: Reader = field(default_factory=Reader)
    stylemap_size: int | None = None

    def link(self, text: str) -> Link:
        """Return a link on its own; LinkGANError if malformed."""
        return self.reader.link(text, self.dim, self.space, self.stylemap_size)

    def cells(self, region: Region) -> np.ndarray | None:
        """Return a region's share of each cell, [s, s]; None without cells (see `links.covered_cells`)."""
        return covered_cells(region, self.stylemap_size)


def files_of(given: Sequence[Given]) -> dict[str, bytes]:
    """Return the contents of the files of given links, by their names in the regions."""
    return {name: data for link in given for name, data in link.region.files().items()}


def shapes_of(region: Region) -> list[Shape] | None:
    """Return the boxes and polygons whose union is a region, None for other regions.

    A shape is {"kind": "box" or "polygon", "corners": [[x, y], ...]}, of a box the top left and bottom right ones.
    """
    if isinstance(region, Box):
        return [{"kind": "box", "corners": [[region.x0, region.y0], [region.x1, region.y1]]}]
    if isinstance(region, Polygon):
        return [{"kind": "polygon", "corners": [list(corner) for corner in region.corners]}]
    if not (isinstance(region, Compound) and region.symbol == UNION):
        return None
    parts = [shapes_of(part) for part in region.parts]
    return None if None in parts else [shape for part in parts for shape in part or []]


def assess(texts: Sequence[str], latent: Latent, *, allow_overlap: bool = False) -> dict[str, Any]:
    """Check links, ``NAME=AXES@REGION`` each, and return the result as plain data.

    Args:
        texts: the links.
        latent: their latent space.
        allow_overlap: whether regions may share pixels.
    Returns:
        links: a row each: area (share of the image) and pixels, None if they differ between images; count and axes
            (ranges, None if they cannot be allocated); error, None for a valid link.
        rest: area, pixels, count and axes outside all links, None if the links do not fit together.
        errors: {"links": their indices, "message"} of links that do not fit together.
        option: the links as command-line options.
    Raises:
        LinkGANError: more links than a spec may have.
    """
    if len(texts) > MOST_LINKS:
        raise LinkGANError(f"{len(texts)} links, expected at most {MOST_LINKS}")
    rows, links = zip(*(_row(text, latent) for text in texts), strict=True) if texts else ((), ())
    answer = {"links": list(rows), "rest": None, "errors": [], "option": option_text(texts, latent, allow_overlap)}
    if not texts or None in links:
        return answer
    try:
        spec = _together(texts, [link for link in links if link], latent)
    except LinkGANError as error:
        return answer | {"errors": [{"links": [], "message": str(error)}]}
    for row, link in zip(rows, spec.links, strict=True):
        row |= {"axes": text_of(link.axes)}
    errors = [] if allow_overlap else _overlaps(spec)
    return answer | {"errors": errors, "rest": None if errors else _rest(spec, latent.size)}


def option_text(texts: Sequence[str], latent: Latent, allow_overlap: bool) -> str:
    """Return links as options of a command line, quoted for a shell."""
    options = [f"--link {_quoted(text)}" for text in texts]
    if texts and latent.typed_space:
        options.append(f"--link-space {latent.typed_space}")
    return " ".join([*options, "--link-overlap"] if texts and allow_overlap else options)


def _quoted(text: str) -> str:
    """Quote all texts, also where a shell does not need it, so that they look the same."""
    quoted = shlex.quote(text)
    return quoted if quoted != text else f"'{text}'"


def _row(text: str, latent: Latent) -> tuple[dict[str, Any], Link | None]:
    """Return the row of a link on its own, and the link if it is valid."""
    row: dict[str, Any] = {"area": None, "pixels": None, "count": None, "axes": None, "error": None}
    try:
        link = latent.link(text)
    except LinkGANError as error:
        return row | {"error": str(error)}, None
    if isinstance(link.region, StaticRegion):
        row |= {"area": link.region.area(), "pixels": float(link.region.mask(_empty(latent.size)).double().sum())}
    return row | {"count": len(link.axes)}, link


def _together(texts: Sequence[str], links: Sequence[Link], latent: Latent) -> LinkSpec:
    """Return the spec of links that are valid on their own, like `LinkSpec.parse`, but with cached regions.

    Raises:
        LinkGANError: the links do not fit together, apart from overlaps.
    """
    requests = [
        read_axes(_parts(text)[1], link.name, link.region.area, latent.dim, partial(latent.cells, link.region))
        for text, link in zip(texts, links, strict=True)
    ]
    axes = allocate(requests, latent.dim)
    owned = tuple(replace(link, axes=own) for link, own in zip(links, axes, strict=True))
    return LinkSpec(owned, latent.dim, latent.space, allow_overlap=True)


def _parts(text: str) -> tuple[str, str, str]:
    """Return the name, axes and region of a well-formed link."""
    name, _, tail = text.partition("=")
    axes, _, region = tail.partition("@")
    return name.strip(), axes.strip(), region.strip()


def _empty(size: int) -> Scene:
    return Scene(torch.empty(1, 1, size, size))


def _overlaps(spec: LinkSpec) -> list[dict[str, Any]]:
    """Return the error message of every two links whose regions overlap, with their indices."""

    def refusal(places: Sequence[int]) -> str | None:
        try:
            LinkSpec(tuple(spec.links[place] for place in places), spec.dim, spec.space)
        except LinkGANError as error:
            return str(error)
        return None

    every = range(len(spec.links))
    first = refusal(every)
    if first is None:
        return []
    if len(spec.links) > _MOST_PAIRED:
        return [{"links": [], "message": first}]
    found = [(pair, refusal(pair)) for pair in combinations(every, 2)]
    return [{"links": list(pair), "message": message} for pair, message in found if message is not None]


def _rest(spec: LinkSpec, size: int) -> dict[str, Any]:
    """Return the axes of the rest, and its area if it is the same for all images."""
    rest: dict[str, Any] = {"area": None, "pixels": None, "count": len(spec.rest_axes), "axes": text_of(spec.rest_axes)}
    if not (spec.rest_axes and all(link.region.static for link in spec.links)):
        return rest
    mask = spec.region_masks(_empty(size))[-1].double()
    return rest | {"area": float(mask.mean()), "pixels": float(mask.sum())}
