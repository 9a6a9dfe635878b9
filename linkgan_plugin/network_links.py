"""The link spec of a network: plain data in an attribute, which is stored in the hosts' snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from .calls.spaces import axes_of, choose_space, stylemap_size_of
from .errors import LinkGANError
from .links import LinkSpec

SPEC_ATTRIBUTE = "link_spec"


def spec_of(generator: Any) -> LinkSpec:
    """Return the link spec of a network.

    Raises:
        LinkGANError: it has none; states how to give one.
    """
    data = getattr(generator, SPEC_ATTRIBUTE, None)
    if data is None:
        raise LinkGANError("this network has no link spec; give one with --link NAME=AXES@REGION")
    return LinkSpec.from_json(data)


def links_for(
    generator: nn.Module, links: Sequence[str], *, space: str | None = None, allow_overlap: bool = False
) -> LinkSpec:
    """Return the spec of links, ``NAME=AXES@REGION`` each, over the latent axes of a network.

    Args:
        generator: the network.
        links: the links.
        space: `w`, `z`, or None for W if the network has one, else Z.
        allow_overlap: accept static regions that overlap.
    Raises:
        LinkGANError: malformed links, or a network without that latent space.
    """
    space, dim = choose_space(axes_of(generator), space, "this network")
    size = stylemap_size_of(generator)
    return LinkSpec.parse(links, dim=dim, space=space, allow_overlap=allow_overlap, stylemap_size=size)


def unlinked(generator: nn.Module, space: str | None = None) -> LinkSpec:
    """Return a spec without links over the latent axes of a network.

    Args:
        generator: the network.
        space: `w`, `z`, or None for W if the network has one, else Z.
    Raises:
        LinkGANError: a network without that latent space.
    """
    space, dim = choose_space(axes_of(generator), space, "this network")
    return LinkSpec((), dim, space)


def has_links(network: nn.Module) -> bool:
    """Return whether a network has a link spec."""
    return getattr(network, SPEC_ATTRIBUTE, None) is not None


def set_links(network: nn.Module, links: Sequence[str], *, space: str | None, allow_overlap: bool) -> None:
    """Set links, ``NAME=AXES@REGION`` each, on a network, in place.

    Args:
        network: the network.
        links: the links.
        space: as for `links_for`.
        allow_overlap: as for `links_for`.
    Raises:
        LinkGANError: as for `links_for`.
    """
    spec = links_for(network, links, space=space, allow_overlap=allow_overlap)
    setattr(network, SPEC_ATTRIBUTE, spec.to_json())
