"""Calls any StyleGAN-family generator; its interface is detected from signatures, not from version numbers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import LinkGANError
from .part import GeneratorPart, unwrap
from .random_state import own_random_state
from .rendering import Rendering, stacked

# Arguments that change with every render; all others that a host passes to its synthesis are settings.
_PER_CALL = ("self", "ws", "c", "update_emas", "noise_mode")


class _Identity(nn.Module):
    """The mapping of a generator without one: z as one row of latents."""

    def forward(self, z: Tensor, c: Tensor | None) -> Tensor:
        return z.unsqueeze(1)


class GeneratorCalls:
    """Calls a generator's two parts without updating its moving averages, with repeatable noise.

    Attributes:
        mapping: z to ws.
        synthesis: ws to images.
        entry: the part that takes the host's z; the mapping if there is one.
        settings: keyword arguments of every render, such as eg3d's neural_rendering_resolution.
        no_ema_kwargs: keyword arguments that keep the mapping from updating its moving average w_avg.
        takes_camera: whether the synthesis has a parameter `c`.
    """

    def __init__(self, mapping: GeneratorPart, synthesis: GeneratorPart, entry: GeneratorPart | None = None) -> None:
        self.mapping, self.synthesis, self.entry = mapping, synthesis, entry or mapping
        self.settings: dict[str, Any] = {}
        # stylegan2-ada-pytorch updates w_avg by default; later hosts only on request.
        self.no_ema_kwargs = {"skip_w_avg_update": True} if mapping.accepts("skip_w_avg_update") else {}
        modules = unwrap(synthesis.owner).modules()
        self._has_noise = any("noise_mode" in inspect.signature(module.forward).parameters for module in modules)
        self.takes_camera = synthesis.accepts("c")

    @classmethod
    def of(cls, generator: nn.Module) -> GeneratorCalls:
        """Return the calls of a whole generator.

        It has `mapping` and `synthesis`, as modules or as methods, or is called as ``G(z, c)`` as a whole.

        Raises:
            LinkGANError: neither; states what is missing.
        """
        mapping, synthesis = (_part(generator, name) for name in ("mapping", "synthesis"))
        if mapping is not None and synthesis is not None:
            return cls(mapping, synthesis)
        if mapping is None and synthesis is None and hasattr(generator, "z_dim"):
            whole = _WholeGenerator(generator)
            return cls(GeneratorPart(_Identity()), GeneratorPart(whole), GeneratorPart(generator))
        missing = [name for name, part in (("mapping", mapping), ("synthesis", synthesis)) if part is None]
        raise LinkGANError(
            f"{type(generator).__name__} has no {' and no '.join(missing)}; links need a generator that maps z to "
            "an intermediate latent (G.mapping) and renders it (G.synthesis), or one with a z_dim, called as G(z, c)"
        )

    @property
    def device(self) -> torch.device:
        """The generator's device."""
        tensors = (p for part in (self.synthesis, self.mapping) for p in unwrap(part.owner).parameters())
        return next(tensors, torch.zeros([])).device

    @property
    def concatenates(self) -> bool:
        """Whether a pair may be rendered as one batch: true if noise inputs are the only randomness."""
        return self._has_noise and not self.takes_camera

    @property
    def has_w(self) -> bool:
        """Whether there is an intermediate latent space W."""
        return self.entry is self.mapping

    def dim(self, space: str) -> int | None:
        """Return the number of axes of the latent space `w` or `z`, None if the generator has no such attribute."""
        return self._said(f"{space}_dim")

    @property
    def resolution(self) -> int | None:
        """The side of the images in pixels, None if the generator has no such attribute."""
        return self._said("img_resolution")

    def _said(self, name: str) -> int | None:
        """Return an integer attribute of one of the two networks, None if neither has it."""
        owners = (unwrap(self.mapping.owner), unwrap(self.synthesis.owner))
        value = next((value for owner in owners if (value := getattr(owner, name, None)) is not None), None)
        return value if isinstance(value, int) else None

    def map(self, z: Tensor, c: Tensor | None, truncation_psi: float = 1.0) -> Tensor:
        """Map z [N, z_dim] (and labels c [N, c_dim]) to ws [N, num_ws, w_dim], without updating w_avg.

        Raises:
            LinkGANError: truncation of a generator without a mapping.
        """
        if truncation_psi != 1 and not self.mapping.accepts("truncation_psi"):
            raise LinkGANError(f"this generator cannot truncate (psi {truncation_psi:g}); use psi 1")
        psi = {} if truncation_psi == 1 else {"truncation_psi": truncation_psi}
        return self.mapping(z, c, **psi, **self.no_ema_kwargs)

    def render(self, ws: Tensor, c: Tensor | None = None, *, constant_noise: bool = True) -> Tensor:
        """Render ws [N, num_ws, w_dim] (and cameras c [N, c_dim]) to images [N, C, H, W], nominally in [-1, 1]."""
        return self.rendering(ws, c, constant_noise=constant_noise).image

    def rendering(self, ws: Tensor, c: Tensor | None = None, *, constant_noise: bool = True) -> Rendering:
        """Render ws [N, L, D] and cameras c [N, c_dim] as `render` does; return image, raw image and depth."""
        kwargs = {**self.settings, **({"noise_mode": "const"} if self._has_noise and constant_noise else {})}
        return Rendering.of(self.synthesis(ws, c, **kwargs) if self.takes_camera else self.synthesis(ws, **kwargs))

    def render_deterministic(self, ws: Tensor, c: Tensor | None = None) -> Rendering:
        """Render ws [N, L, D] and cameras c [N, c_dim] with ray jitter that depends only on the number of rows."""
        if self.concatenates:
            return self.rendering(ws, c)
        with own_random_state(ws.device, seed=0):
            return self.rendering(ws, c)

    def render_pairs(
        self, ws: Tensor, perturbed: Tensor, c: Tensor | None, *, detached: bool = False
    ) -> tuple[Rendering, Rendering]:
        """Render latents and F perturbed copies of each with the same noise, random state and camera.

        Args:
            ws: [N, L, D].
            perturbed: [F, N, L, D].
            c: [N, c_dim] or None.
            detached: render the reference without gradient.
        Returns:
            The reference, whose parts are [N, ...], and the perturbed renderings, whose parts are [F, N, ...].
        """
        if self.concatenates and not detached:
            together = self.rendering(torch.cat([ws, *perturbed]), None)
            every = together.each(lambda part: part.unflatten(0, (-1, len(ws))))
            return every.each(lambda part: part[0]), every.each(lambda part: part[1:])
        with torch.set_grad_enabled(torch.is_grad_enabled() and not detached):
            reference = self._render_again(ws, c)
        if self.concatenates:
            together = self.rendering(perturbed.flatten(0, 1), None)
            return reference, together.each(lambda part: part.unflatten(0, perturbed.shape[:2]))
        return reference, stacked([self._render_again(group, c) for group in perturbed])

    def _render_again(self, ws: Tensor, c: Tensor | None) -> Rendering:
        """Render with a copy of the random state, so that other randomness (ray jitter) is the same every time."""
        with own_random_state(ws.device):
            return self.rendering(ws, c)

    @contextmanager
    def record_host_call(self) -> Iterator[HostCall]:
        """Record within the block how the host calls its generator; its renders also set `settings`.

        Pairs are then rendered as the host renders its images, with its schedules and conditioning, so forks that
        changed these need no adapter.
        """
        seen = HostCall()
        with self.entry.replaced(self._noting_labels(seen)), self.synthesis.replaced(self._noting_render(seen)):
            yield seen

    def _noting_labels(self, seen: HostCall) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def wrap(call: Callable[..., Any]) -> Callable[..., Any]:
            def noting(*args: Any, **kwargs: Any) -> Any:
                given = self.entry.signature.bind_partial(*args, **kwargs).arguments
                if seen.labels is None:
                    seen.labels = given.get("c")
                return call(*args, **kwargs)

            return noting

        return wrap

    def _noting_render(self, seen: HostCall) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def wrap(call: Callable[..., Any]) -> Callable[..., Any]:
            def noting(*args: Any, **kwargs: Any) -> Any:
                # Tensors are inputs of this call's samples, such as the latents of PanoHead's background (ws_bcg).
                self.settings = {
                    key: value
                    for key, value in kwargs.items()
                    if key not in _PER_CALL and not isinstance(value, Tensor)
                }
                if self.takes_camera and seen.cameras is None:
                    camera = self.synthesis.signature.bind_partial(*args, **kwargs).arguments.get("c")
                    seen.cameras = None if camera is None else camera.detach()
                return call(*args, **kwargs)

            return noting

        return wrap


class HostCall:
    """What `GeneratorCalls.record_host_call` records.

    Attributes:
        labels: [N, c_dim], the labels of the host's first mapping call; None before it.
        cameras: [N, c_dim], the cameras of its first render, which PanoHead moves; None before it, or without cameras.
    """

    def __init__(self) -> None:
        self.labels: Tensor | None = None
        self.cameras: Tensor | None = None


class _WholeGenerator(nn.Module):
    """Wraps a generator without parts as a synthesis network; one row of latents is its z."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator
        self._takes_labels = "c" in inspect.signature(generator.forward).parameters

    @property
    def z_dim(self) -> Any:
        return self.generator.z_dim

    @property
    def img_resolution(self) -> Any:
        return getattr(self.generator, "img_resolution", None)

    def forward(self, ws: Tensor, c: Tensor | None = None) -> Any:
        return self.generator(ws[:, 0], c) if self._takes_labels else self.generator(ws[:, 0])


def _part(generator: nn.Module, name: str) -> GeneratorPart | None:
    """Return the generator's part of that name: a submodule or a method, None if it has neither."""
    found = getattr(generator, name, None)
    if isinstance(found, nn.Module):
        return GeneratorPart(found)
    return GeneratorPart(generator, name) if callable(found) else None
