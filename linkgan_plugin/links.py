"""Link specs: which latent axes control which region; parsed from text and JSON, validated, and turned into masks."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training_loops.formats.budget import MASK_FILE, MOST_LINKS, REGIONS, Budget
from training_loops.formats.files import read_file
from training_loops.formats.json_text import fields_of
from training_loops.formats.text import printable

from .axes import AxisRequest, allocate, check_dim, expand, ranges_of, read_axes, text_of
from .basis import Basis, basis_of_json, check_same_dim
from .calls.spaces import SPACES
from .errors import LinkGANError, suggest
from .regions.base import REGIONS_OF_ALL, Files, Read, Region, Scene, StaticRegion
from .regions.compose import certain_coverage
from .regions.expression import read_expression
from .regions.semantic import source_of_card

REST = "rest"
EXAMPLE = "eyes=0:64@box(0.25,0.35,0.75,0.5)"
_VERSION = 1
_SPEC_FIELDS = {"version": int, "space": str, "dim": int, "allow_overlap": bool, "links": list}
_LINK_FIELDS = {"name": str, "axes": list, "region": str}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_LEAST_OUTSIDE = 1e-3  # share of the image: with less, a link has no pixels to leave unchanged
_TOLERANCE = 1e-5  # float32 coverages of two regions that share a pixel may add up to a little more than 1


@dataclass(frozen=True)
class Link:
    """A name, the latent axes it owns (sorted, each once) and the region they control."""

    name: str
    axes: tuple[int, ...]
    region: Region

    def __post_init__(self) -> None:
        _check_name(self.name)
        if self.name == REST:
            raise LinkGANError(f"the link name '{REST}' is reserved for the axes and pixels in no link; choose another")
        if not self.axes:
            raise LinkGANError(f"link '{self.name}' has no axes; give at least one, for example 0:16")
        twice = sorted(axis for axis, count in Counter(self.axes).items() if count > 1)
        if twice:
            raise LinkGANError(f"link '{self.name}' names axes {text_of(twice)} more than once")
        object.__setattr__(self, "axes", tuple(sorted(self.axes)))

    def __str__(self) -> str:
        """Return the link in the grammar, `NAME=AXES@REGION`."""
        return f"{self.name}={text_of(self.axes)}@{self.region}"


@dataclass(frozen=True)
class LinkSpec:
    """The links of one model; unlinked axes are the rest. Without links, all axes and pixels are the rest.

    Attributes:
        links: in order.
        dim: number of axes of the latent.
        space: the latent space, `w` or `z`.
        allow_overlap: whether static regions may overlap. Regions that differ per image always may.
        basis: axis i is the i-th coordinate of the latent in it; None for the i-th coordinate of the latent itself.
    Raises:
        LinkGANError: repeated names, axes out of range or shared, a region that is empty or the whole image, static
            regions that overlap without `allow_overlap`, or a basis of another number of axes.
    """

    links: tuple[Link, ...]
    dim: int
    space: str = "w"
    allow_overlap: bool = False
    basis: Basis | None = None

    def __post_init__(self) -> None:
        if self.space not in SPACES:
            raise LinkGANError(
                printable(f"unknown latent space '{self.space!s:.80}'; {suggest(str(self.space), SPACES)}")
            )
        check_dim(self.dim)
        if self.basis is not None:
            check_same_dim(self.basis.dim, self.dim)
        _check_count(self.links)
        repeated = next((name for name, count in Counter(self.names).items() if count > 1), None)
        if repeated is not None:
            raise LinkGANError(f"two links are called '{repeated}'; give each its own name")
        for link in self.links:
            expand(ranges_of(link.axes), self.dim, link.name)
        for first, second in combinations(self.links, 2):
            shared = set(first.axes) & set(second.axes)
            if shared:
                raise LinkGANError(
                    f"links '{first.name}' and '{second.name}' share axes {text_of(shared)}; "
                    "an axis can belong to one link only"
                )
        _check_regions(self.links)
        if not self.allow_overlap:
            _check_overlap(self.links)

    @classmethod
    def parse(
        cls,
        texts: Sequence[str],
        *,
        dim: int,
        space: str = "w",
        allow_overlap: bool = False,
        read: Read | None = None,
        stylemap_size: int | None = None,
    ) -> LinkSpec:
        """Return the spec of links `NAME=AXES@REGION` over `dim` axes.

        AXES: ranges `0:8,16:24`, a count `64`, or `auto`: max(1, round(area * dim)) axes, area the
        region's share of the image. Counts and `auto` take the first free block in the order given and
        skip axes that any other link names explicitly. `cells`: of a stylemap, all axes of the cells that the region
        covers (see `axes.cell_axes`).

        Args:
            texts: the links.
            dim: number of axes of the latent.
            space: the latent space, `w` or `z`.
            allow_overlap: accept static regions that overlap.
            read: returns the bytes of files named in regions; by default they are read from disk, and segmentation
                networks named there count as named by the user.
            stylemap_size: s of a latent W that is a stylemap of s x s cells; None for other latents.
        Raises:
            LinkGANError: malformed links, or links that do not fit together; see the class.
        """
        check_dim(dim)
        _check_given(texts)
        read = Files(read or _read_typed)
        size = stylemap_size if space == "w" else None
        found = [_read_link(text, dim, read, size) for text in texts]
        axes = allocate([request for request, _ in found], dim)
        links = tuple(Link(request.name, own, region) for (request, region), own in zip(found, axes, strict=True))
        return cls(links, dim, space, allow_overlap)

    def to_json(self) -> dict[str, Any]:
        """Return the spec as plain data for JSON, with the files of its regions embedded."""
        data = {
            "version": _VERSION,
            "space": self.space,
            "dim": self.dim,
            "allow_overlap": self.allow_overlap,
            "links": [_link_to_json(link) for link in self.links],
        }
        return data if self.basis is None else {**data, "basis": self.basis.to_json()}

    def described(self) -> dict[str, Any]:
        """Return the spec as `to_json` does, the numbers of its basis replaced by their SHA-256."""
        data = self.to_json()
        return data if self.basis is None else {**data, "basis": self.basis.described()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LinkSpec:
        """Return the spec from `to_json` data, which may be untrusted: no file is opened.

        Raises:
            LinkGANError: a field is missing, unknown or of the wrong type, or a file is not embedded; names it.
        """
        version = fields_of(data, "link spec", {"version": int}, extra=True)["version"]
        if version != _VERSION:
            raise LinkGANError(
                f"link spec of version {version}: this linkgan_plugin reads version {_VERSION}; upgrade it"
            )
        found = fields_of(data, "link spec", _SPEC_FIELDS, {"basis": dict})
        check_dim(found["dim"])
        _check_count(found["links"])
        budget = Budget(REGIONS_OF_ALL, REGIONS)
        links = tuple(_link_from_json(link, found["dim"], budget) for link in found["links"])
        basis = basis_of_json(found.get("basis"), found["dim"])
        return cls(links, found["dim"], found["space"], found["allow_overlap"], basis)

    def in_basis_of(self, other: LinkSpec) -> LinkSpec:
        """Return this spec in the basis of another one, whose links have the same names and axes.

        Raises:
            LinkGANError: another latent space, or links with other axes: the directions there belong to other regions.
        """
        if other.basis is None:
            return self
        if (self.space, self.dim) != (other.space, other.dim):
            raise LinkGANError(
                f"a basis of {other.space} with {other.dim} axes for links in {self.space} with {self.dim}; "
                "expected the same latent space"
            )
        here, there = ({link.name: text_of(link.axes) for link in spec.links} for spec in (self, other))
        if here != there:
            given, expected = (", ".join(f"{n}={axes}" for n, axes in owners.items()) for owners in (here, there))
            raise LinkGANError(
                f"the links {given:.300} in a basis that was found for {expected:.300}; give the same names and axes, "
                "or leave out --link to use the links that come with the basis"
            )
        return replace(self, basis=other.basis)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the links, in order."""
        return tuple(link.name for link in self.links)

    @property
    def block_names(self) -> tuple[str, ...]:
        """Names of the blocks of axes: the links, then "rest" if any axis is in no link."""
        return (*self.names, REST) if self.rest_axes else self.names

    @property
    def rest_axes(self) -> tuple[int, ...]:
        """Axes in no link."""
        linked = {axis for link in self.links for axis in link.axes}
        return tuple(axis for axis in range(self.dim) if axis not in linked)

    def axis_masks(self, device: torch.device | str | None = None) -> Tensor:
        """Return bool [B, dim]: which axes each block owns, rows as in `block_names`. Every axis is in one row."""
        blocks = [link.axes for link in self.links] + ([self.rest_axes] if self.rest_axes else [])
        masks = torch.zeros(len(blocks), self.dim, dtype=torch.bool)
        for mask, axes in zip(masks, blocks, strict=True):
            mask[list(axes)] = True
        return masks.to(device)

    def region_masks(self, scene: Scene) -> Tensor:
        """Return float32 [B, 1 or N, 1, H, W] in [0, 1]: the pixels of each block, rows as in `block_names`.

        The rest owns 1 - clamp(sum of the links, 0, 1). The second side is N only if some region differs per image.
        """
        if not self.links:
            return torch.ones_like(scene.images[None, :1, :1], dtype=torch.float32)
        masks = torch.stack(torch.broadcast_tensors(*(link.region.mask(scene) for link in self.links)))
        if not self.rest_axes:
            return masks
        return torch.cat([masks, 1 - masks.sum(dim=0, keepdim=True).clamp(0, 1)])

    def __getitem__(self, name: str) -> Link:
        for link in self.links:
            if link.name == name:
                return link
        raise LinkGANError(f"no link is called '{name}'; {suggest(str(name), self.names)}")


def parse_region(text: str, read: Read | None = None) -> Region:
    """Return the region of an expression such as ``eyes+box(0,0,1,0.2)``; `read` returns the bytes of its files."""
    return read_expression(text, read or _read_typed)


def covered_cells(region: Region, stylemap_size: int | None) -> np.ndarray | None:
    """Return a region's share of each cell of a stylemap, float32 [s, s] in [0, 1].

    Args:
        region: any.
        stylemap_size: s; None for a latent without cells.
    Returns:
        None without cells, or for a region that differs per image.
    """
    if stylemap_size is None or not isinstance(region, StaticRegion):
        return None
    return region.coverage(stylemap_size, stylemap_size)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise LinkGANError(
            printable(f"invalid link name '{name:.80}': use letters, digits, '_' and '-', starting with a letter")
        )


def _check_count(links: Sequence[Any]) -> None:
    if len(links) > MOST_LINKS:
        raise LinkGANError(f"{len(links)} links, expected at most {MOST_LINKS}")


def _check_given(links: Sequence[Any]) -> None:
    _check_count(links)
    if not links:
        raise LinkGANError(f"no links given; add at least one such as --link '{EXAMPLE}'")


def _read_link(text: str, dim: int, read: Read, stylemap_size: int | None) -> tuple[AxisRequest, Region]:
    """Split `NAME=AXES@REGION` and read each part."""
    name, equals, tail = text.partition("=")
    axes, at, region_text = tail.partition("@")
    if not equals or not at:
        missing, end = ("'@'", text) if equals else ("'='", name)
        raise LinkGANError(
            printable(f"cannot read link: expected {missing} at <here>: {end[-80:]}<here>; write NAME=AXES@REGION, ")
            + f"for example {EXAMPLE}"
        )
    name = name.strip()
    _check_name(name)
    region = _named(name, lambda: parse_region(region_text, read))
    return read_axes(axes, name, region.area, dim, lambda: covered_cells(region, stylemap_size)), region


def _named(name: str, step: Callable[[], Region]) -> Region:
    """Run `step`, and put the link's name in front of its errors."""
    try:
        return step()
    except LinkGANError as error:
        raise LinkGANError(f"link '{name}': {error}") from error


def _read_typed(name: str) -> bytes:
    """Return the content of a file that the user typed, or the card of a segmentation network."""
    if (source := source_of_card(name)) is not None:
        from .segmentation.files import typed_card

        return typed_card(source).to_json().encode()
    return read_file(name, MASK_FILE, printable(f"the file '{name:.200}'"))


def _check_regions(links: Sequence[Link]) -> None:
    """Reject regions that are empty or the whole image."""
    for link in links:
        if certain_coverage(link.region).mean() > 1 - _LEAST_OUTSIDE:
            raise LinkGANError(
                f"link '{link.name}': {link.region} covers the whole image; a link needs pixels outside its region, "
                "which its axes must not change: choose a smaller region"
            )
    for link, coverage in _static(links):
        if not coverage.any():
            raise LinkGANError(f"link '{link.name}': {link.region!s:.200} covers nothing inside the image")


def _check_overlap(links: Sequence[Link]) -> None:
    """Reject static regions that overlap."""
    for (first, a), (second, b) in combinations(_static(links), 2):
        # The shares of a pixel in disjoint regions add up to at most 1.
        common = np.clip(a + b - (1 + _TOLERANCE), 0, None).mean()
        if common > 0:
            small, share = min((first, a.mean()), (second, b.mean()), key=lambda item: item[1])
            raise LinkGANError(
                f"the regions of links '{first.name}' and '{second.name}' overlap on {_percent(common)} of the image "
                f"({_percent(common / share)} of '{small.name}'); move one of them, or allow it with --link-overlap"
            )


def _static(links: Sequence[Link]) -> list[tuple[Link, np.ndarray]]:
    """Return the links of static regions, with their coverage."""
    return [(link, link.region.fine) for link in links if isinstance(link.region, StaticRegion)]


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _link_to_json(link: Link) -> dict[str, Any]:
    data = {"name": link.name, "axes": ranges_of(link.axes), "region": str(link.region)}
    files = {name: base64.b64encode(content).decode("ascii") for name, content in link.region.files().items()}
    return {**data, "files": files} if files else data


def _link_from_json(data: Mapping[str, Any], dim: int, budget: Budget) -> Link:
    name = fields_of(data, "a link", {"name": str}, extra=True)["name"]
    _check_name(name)
    where = f"link '{name}'"
    found = fields_of(data, where, _LINK_FIELDS, {"files": dict})
    for pair in found["axes"]:
        if not (isinstance(pair, list | tuple) and [type(end) for end in pair] == [int, int]):
            raise LinkGANError(f"{where}: 'axes' must be a list of [start, stop] integers, not {pair!r:.60}")
    read = Files(lambda file: _embedded(found.get("files", {}), file), budget)
    region = _named(name, lambda: parse_region(found["region"], read))
    return Link(name, expand(found["axes"], dim, name), region)


def _embedded(files: Mapping[str, str], name: str) -> bytes:
    """Return the content of an embedded file."""
    if name not in files:
        raise LinkGANError(printable(f"the file '{name:.200}' is not embedded in 'files'; {suggest(name, files):.500}"))
    if isinstance(files[name], str) and len(files[name]) > 2 * MASK_FILE:
        raise LinkGANError(printable(f"the embedded file '{name:.200}' is larger than {MASK_FILE} bytes"))
    try:
        return base64.b64decode(files[name], validate=True)
    except (ValueError, TypeError) as error:
        raise LinkGANError(f"the embedded file '{name}' is not base64 text: {error}") from error
