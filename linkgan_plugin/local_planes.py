"""Tri-planes of their own for links to boxes in 3D, as options of the embedded host."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from .errors import LinkGANError
from .links import Link, LinkSpec
from .regions.box3d import Box3D

GENERATOR = "training_loops.eg3d.networks.VolumeGenerator"


def add_local_planes(options: MutableMapping[str, Any]) -> None:
    """Give each link of the options of a run planes of its own; see `training_loops.eg3d.local_planes`.

    Args:
        options: of the embedded host, with links; edited in place.
    Raises:
        LinkGANError: no links, links outside W, in a basis or to other regions, or another generator.
    """
    generator = options["G_kwargs"]
    if "link_spec" not in generator:
        raise LinkGANError("--local-planes: no links; give --link NAME=AXES@box3d(...)")
    if generator["base_class_name"] != GENERATOR:
        raise LinkGANError("--local-planes: only --cfg volume3d has local planes")
    spec = LinkSpec.from_json(generator["link_spec"])
    if spec.space != "w" or spec.basis is not None:
        raise LinkGANError("--local-planes: expected links to axes of W, without --link-basis and --link-space z")
    generator["local_planes"] = [{"axes": list(link.axes), "box": list(_box(link))} for link in spec.links]


def _box(link: Link) -> tuple[float, ...]:
    region = link.region
    if not isinstance(region, Box3D):
        raise LinkGANError(f"--local-planes: the region of {link.name} is {region}, expected box3d(...)")
    return (*region.low, *region.high)
