"""Feature maps of a generator's synthesis at one resolution: where they are, reading them, and changing them.

    F <- g * F + d          within the image's part of the map; g = 1 and d = 0 in a margin around it

The site is found by watching one forward of any network (StyleGAN2, StyleGAN3, R3GAN, DCGAN and their forks), by this
rule. A module is a site if its output, or the first of several, is a map [N, C, s, s] of the size asked for; if C is
not the number of channels of the image, so that it is no image and no skip of one; if the map of a module that starts
after it depends on it, so that it is no dead end; and if it is called once. Of several, the last one is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import LinkGANError
from .generator import GeneratorCalls


class FeatureChange(NamedTuple):
    """What is done to feature maps, ``g * F + d``.

    Attributes:
        gate: g, [1 or N, C, s, s].
        detail: d, [1 or N, C, s, s].
    """

    gate: Tensor
    detail: Tensor

    def row(self, row: int) -> FeatureChange:
        """Return the change of one image of N."""
        return FeatureChange(*(part if len(part) == 1 else part[[row]] for part in self))


class Features:
    """The feature maps of a generator at one resolution.

    Args:
        generator: any 2D network; it is called once and does not change.
        size: s, the number of samples along a side of the image: a power of two for most networks.
    Attributes:
        name: of the module whose output they are.
        channels: C.
        margin: samples around the image on each side, 0 except for StyleGAN3.
    Raises:
        LinkGANError: a network with a camera, or one without such maps (lists the sizes that it has).
    """

    def __init__(self, generator: nn.Module, size: int) -> None:
        found = {site.size: site for site in feature_sites(generator)}
        if size not in found:
            sizes = ", ".join(map(str, sorted(found))) or "none"
            raise LinkGANError(
                f"{type(generator).__name__} has no feature maps of {size} x {size} that can be changed; those it has: "
                f"{sizes}"
            )
        site = found[size]
        self.size, self.name, self.channels, self.margin = size, site.name, site.channels, site.margin
        self._module = generator.get_submodule(site.name)

    @contextmanager
    def changed(self, change: FeatureChange | None) -> Iterator[None]:
        """Within the block, change the feature maps of every forward; None changes nothing.

        Raises:
            LinkGANError: maps of another shape.
        """
        if change is None:
            yield
            return
        expected = [self.channels, self.size, self.size]
        if any(list(part.shape[1:]) != expected for part in change):
            shapes = " and ".join(str(list(part.shape)) for part in change)
            raise LinkGANError(
                f"a gate and details of {shapes}; this network takes [N, {', '.join(map(str, expected))}]"
            )
        around = [self.margin] * 4
        gate, detail = F.pad(change.gate, around, value=1.0), F.pad(change.detail, around)
        handle = self._module.register_forward_hook(_changing(gate, detail))
        try:
            yield
        finally:
            handle.remove()

    def read(self, render: Callable[[], Any]) -> Tensor:
        """Return the image's part of the feature maps, [N, C, s, s], of the forward that `render` does."""
        seen: list[Tensor] = []

        def note(module: nn.Module, args: Any, out: Any) -> None:
            found = _map_of(out)
            assert found is not None
            seen.append(found)

        handle = self._module.register_forward_hook(note)
        try:
            render()
        finally:
            handle.remove()
        inner = slice(self.margin, self.margin + self.size)
        return seen[-1][:, :, inner, inner].float()


@dataclass(frozen=True)
class FeatureSite:
    """Where feature maps of one size are.

    Attributes:
        name: of the module.
        channels: of the maps.
        size: along a side of the image.
        margin: samples around the image.
    """

    name: str
    channels: int
    size: int
    margin: int


def feature_sites(generator: nn.Module) -> list[FeatureSite]:
    """Return the sites of a generator by the module's rule, one for each size, smallest first.

    Raises:
        LinkGANError: a network with a camera.
    """
    calls = GeneratorCalls.of(generator)
    if calls.takes_camera and calls.has_w:  # `c` of a generator without W is a class
        raise LinkGANError("this network renders through a camera; its feature maps cannot be changed")
    maps, image_channels = _watched(generator, calls)
    names = [one.name for one in maps]
    sites: dict[int, FeatureSite] = {}
    for one in maps:
        channels, height, width = one.shape
        if height != width or channels == image_channels or names.count(one.name) > 1:
            continue
        if any(other.started > one.ended and one.node in other.before for other in maps):
            size = one.rate or height
            sites[size] = FeatureSite(one.name, channels, size, (height - size) // 2)
    return [sites[size] for size in sorted(sites)]


@dataclass
class _Map:
    """The map that a module gave: when it started and ended, its node in the graph, and all nodes before it."""

    name: str
    rate: int  # samples along a side of the image, 0 if the module does not say
    started: int
    ended: int = 0
    shape: tuple[int, int, int] = (0, 0, 0)
    node: Any = None
    before: set[Any] = field(default_factory=set)


def _watched(generator: nn.Module, calls: GeneratorCalls) -> tuple[list[_Map], int]:
    """Return the maps of one forward in the order of their ends, and the number of channels of the image."""
    running: list[_Map] = []
    ended: list[_Map] = []
    count = 0

    def begin(name: str, module: nn.Module) -> None:
        nonlocal count
        count += 1
        # StyleGAN3's layers say how many samples an image has; its maps are larger by a margin.
        rate = getattr(module, "out_sampling_rate", getattr(module, "sampling_rate", 0))
        running.append(_Map(name, int(rate), count))

    def end(out: Any) -> None:
        nonlocal count
        one, found = running.pop(), _map_of(out)
        count += 1
        if found is not None and found.grad_fn is not None:
            one.ended, one.node = count, found.grad_fn
            one.shape = (found.shape[1], found.shape[2], found.shape[3])
            ended.append(one)

    handles = []
    for name, module in generator.named_modules():
        if name:
            handles += [
                module.register_forward_pre_hook(lambda module, args, name=name: begin(name, module)),
                module.register_forward_hook(lambda module, args, out: end(out)),
            ]
    try:
        image = _rendered(generator, calls)
    finally:
        for handle in handles:
            handle.remove()
    for one in ended:
        one.before = _before(one.node)
    return ended, image.shape[1]


def _rendered(generator: nn.Module, calls: GeneratorCalls) -> Tensor:
    """Render one image with a graph that begins at its latents."""
    z, c = (torch.zeros([1, int(getattr(generator, name, 0))], device=calls.device) for name in ("z_dim", "c_dim"))
    with torch.no_grad():
        latents = calls.map(z, c)
    with torch.enable_grad():
        return calls.render_deterministic(latents.clone().requires_grad_(), c).image


def _before(node: Any) -> set[Any]:
    """Return a node of the graph and all that it depends on."""
    found, left = {node}, [node]
    while left:
        for before, _ in left.pop().next_functions:
            if before is not None and before not in found:
                found.add(before)
                left.append(before)
    return found


def _map_of(out: Any) -> Tensor | None:
    """Return the first 4-D tensor that a module gave."""
    several = out if isinstance(out, tuple | list) else (out,)
    return next((one for one in several if isinstance(one, Tensor) and one.ndim == 4), None)


def _changing(gate: Tensor, detail: Tensor) -> Callable[[nn.Module, Any, Any], Any]:
    def change(module: nn.Module, args: Any, out: Any) -> Any:
        old = _map_of(out)
        assert old is not None
        # F' = g F + d, in single precision; F comes first, so that its memory layout stays
        new = (old.float() * gate.to(old.device) + detail.to(old.device)).to(old.dtype)
        if not isinstance(out, tuple | list):
            return new
        return type(out)(new if one is old else one for one in out)

    return change
