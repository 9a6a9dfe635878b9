"""The latent spaces of a host's generator and their numbers of axes, from its options or from the built generator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ..errors import LinkGANError
from .build import build_by_name
from .generator import GeneratorCalls
from .random_state import own_random_state

SPACES = ("w", "z")

# Arguments that hosts' loops pass to their generators in addition to G_kwargs; R3GAN passes no channels.
_SIZES = (("c_dim", "img_resolution", "img_channels"), ("c_dim", "img_resolution"))


def latent_axes(options: Mapping[str, Any], space: str | None) -> tuple[str, int]:
    """Return a latent space of a host's generator and its number of axes.

    If the options do not contain it, an extra copy of the generator is built and inspected.

    Args:
        options: the host's options, with ``G_kwargs``.
        space: `w`, `z`, or None for W if there is one, else Z.
    Raises:
        LinkGANError: the generator does not have the space, or cannot be built.
    """
    kwargs = options["G_kwargs"]
    if (dim := kwargs.get(f"{space or 'w'}_dim")) is not None:
        return space or "w", dim
    try:
        axes = axes_of(_built(options))
    except LinkGANError:
        raise
    except Exception as error:  # the host's own code may fail in any way for unexpected sizes
        reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        raise LinkGANError(
            f"this host's options have no {space or 'w'}_dim, and its generator {kwargs['class_name']} cannot be built "
            f"to find it ({reason})"
        ) from error
    return choose_space(axes, space, "this host's generator")


def axes_of(generator: nn.Module) -> dict[str, int]:
    """Return the latent spaces in which a generator can be linked and how many axes each has; W first."""
    said = {space: getattr(generator, f"{space}_dim", None) for space in SPACES}
    if not any(isinstance(dim, int) for dim in said.values()):
        calls = GeneratorCalls.of(generator)
        said = {space: calls.dim(space) for space in SPACES}
    return {space: dim for space, dim in said.items() if isinstance(dim, int)}


def stylemap_size_of(owner: nn.Module | Mapping[str, Any]) -> int | None:
    """Return s of a generator, or of its arguments, whose latent W is a stylemap of s x s cells; None for others."""
    said = owner.get("stylemap_size") if isinstance(owner, Mapping) else getattr(owner, "stylemap_size", None)
    return said if isinstance(said, int) else None


def choose_space(axes: Mapping[str, int], space: str | None, owner: str) -> tuple[str, int]:
    """Return `space` and its axes; by default the first.

    Raises:
        LinkGANError: no such space; names the existing ones.
    """
    if space is None and axes:
        space = next(iter(axes))
    if space is None or space not in axes:
        other = "".join(f" (it has a {name}_dim: use --link-space {name})" for name in axes if name != space)
        raise LinkGANError(
            f"{owner} has no {space or 'w'}_dim, so nothing can be linked in space {space or 'w'!r}{other}"
        )
    return space, axes[space]


def _built(options: Mapping[str, Any]) -> nn.Module:
    """Build the host's generator for images of the data's size, without changing the random state."""
    kwargs = {**options["G_kwargs"]}
    name = kwargs.pop("class_name")
    resolution = options.get("training_set_kwargs", {}).get("resolution", 256)
    sizes = {"c_dim": 0, "img_resolution": resolution, "img_channels": 3}
    *others, last = _SIZES
    with own_random_state(torch.device("cpu")):
        for names in others:
            try:
                return build_by_name(name, **kwargs, **{key: sizes[key] for key in names})
            except TypeError:
                continue
        return build_by_name(name, **kwargs, **{key: sizes[key] for key in last})
