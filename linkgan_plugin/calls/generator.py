"""How to call any StyleGAN-family generator: found out from signatures, not from version numbers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..errors import LinkGANError

# What a render is given anew each time; all else that a host passes to its synthesis says how it renders.
_PER_CALL = ("self", "ws", "c", "update_emas", "noise_mode")


class Picture(NamedTuple):
    """What a generator renders.

    image: [N, C, H, W], nominally in [-1, 1]. raw: [N, C, h, w], the image before super-resolution, and depth:
    [N, 1, h, w], distances from the camera along the rays; both None from 2D generators.
    """

    image: Tensor
    raw: Tensor | None = None
    depth: Tensor | None = None

    @classmethod
    def of(cls, out: Any) -> Picture:
        """Take what a synthesis returns: an image, or eg3d's dict; in float32 where it is of half precision (R3GAN)."""
        if isinstance(out, Mapping):
            return cls(out["image"], out.get("image_raw"), out.get("image_depth")).each(_single)
        return cls(_single(out))

    def each(self, change: Callable[[Tensor], Tensor]) -> Picture:
        """Return the picture with every part that there is changed alike."""
        return Picture(*(None if part is None else change(part) for part in self))  # type: ignore[arg-type]


def _single(image: Tensor) -> Tensor:
    return image.float() if image.dtype in (torch.float16, torch.bfloat16) else image


def stacked(pictures: Sequence[Picture]) -> Picture:
    """Return F pictures as one, whose parts have a side of F first."""
    first = pictures[0]
    return Picture(*(None if first[i] is None else torch.stack([p[i] for p in pictures]) for i in range(3)))  # type: ignore[arg-type, misc]


def unwrap(module: nn.Module) -> nn.Module:
    """Return the module inside a DistributedDataParallel wrapper, or the module itself."""
    return module.module if isinstance(module, nn.parallel.DistributedDataParallel) else module


@contextmanager
def own_random_state(device: torch.device, seed: int | None = None) -> Iterator[None]:
    """Give the block a copy of the random state, or one of its own by `seed`; the host's is left where it was."""
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
            if on_gpu:
                torch.cuda.default_generators[device.index or 0].manual_seed(seed)
        yield


class Half:
    """One half of a generator: a module of its own (StyleGAN2, 3) or a method of the whole generator (eg3d).

    Args:
        owner: the module itself, or the generator. method: name of the generator's method, None for a module.
    """

    def __init__(self, owner: nn.Module, method: str | None = None) -> None:
        self.owner = owner
        self._method = method

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return (getattr(self.owner, self._method) if self._method else self.owner)(*args, **kwargs)

    @cached_property
    def signature(self) -> inspect.Signature:
        """The parameters that the half takes."""
        return inspect.signature(getattr(unwrap(self.owner), self._method or "forward"))

    def accepts(self, keyword: str) -> bool:
        """Return whether the half names `keyword` as a parameter."""
        return keyword in self.signature.parameters

    @contextmanager
    def replaced(self, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
        """Put ``wrap(call)`` in the half's place within the block, for everyone who calls it.

        The substitute is an attribute of the instance, gone after the block: one left behind would make the host's
        snapshot fail to pickle.
        """
        _ = self.signature  # read before it is the substitute's
        owner, name = unwrap(self.owner), self._method or "forward"
        before = vars(owner).get(name)
        setattr(owner, name, wrap(getattr(owner, name)))
        try:
            yield
        finally:
            if before is None:
                delattr(owner, name)
            else:
                setattr(owner, name, before)


class _Identity(nn.Module):
    """The mapping of a generator that has none: z itself, as one row of latents."""

    def forward(self, z: Tensor, c: Tensor | None) -> Tensor:
        return z.unsqueeze(1)


class GeneratorCalls:
    """Calls to a generator's two halves that never touch its moving averages and can repeat its noise.

    Attributes:
        mapping, synthesis: the halves. entry: where the host's latents z come in; the mapping where there is one.
        settings: keyword arguments of every render, such as eg3d's neural_rendering_resolution.
        quiet: keyword arguments that keep the mapping's moving average as it is.
    """

    def __init__(self, mapping: Half, synthesis: Half, entry: Half | None = None) -> None:
        self.mapping, self.synthesis, self.entry = mapping, synthesis, entry or mapping
        self.settings: dict[str, Any] = {}
        # stylegan2-ada-pytorch updates w_avg unless told not to; later hosts only when asked to.
        self.quiet = {"skip_w_avg_update": True} if mapping.accepts("skip_w_avg_update") else {}
        modules = unwrap(synthesis.owner).modules()
        self._has_noise = any("noise_mode" in inspect.signature(module.forward).parameters for module in modules)
        self.takes_camera = synthesis.accepts("c")

    @classmethod
    def of(cls, generator: nn.Module) -> GeneratorCalls:
        """Return the calls of a whole generator.

        It has `mapping` and `synthesis`, as modules or as methods, or is called as ``G(z, c)`` as a whole.

        Raises:
            LinkGANError: neither; says what is missing.
        """
        mapping, synthesis = (_half(generator, name) for name in ("mapping", "synthesis"))
        if mapping is not None and synthesis is not None:
            return cls(mapping, synthesis)
        if mapping is None and synthesis is None and hasattr(generator, "z_dim"):
            whole = _WholeGenerator(generator)
            return cls(Half(_Identity()), Half(whole), Half(generator))
        missing = [name for name, half in (("mapping", mapping), ("synthesis", synthesis)) if half is None]
        raise LinkGANError(
            f"{type(generator).__name__} has no {' and no '.join(missing)}; links need a generator that maps z to "
            "an intermediate latent (G.mapping) and renders it (G.synthesis), or one with a z_dim, called as G(z, c)"
        )

    @property
    def device(self) -> torch.device:
        """Where the generator is."""
        tensors = (p for half in (self.synthesis, self.mapping) for p in unwrap(half.owner).parameters())
        return next(tensors, torch.zeros([])).device

    @property
    def concatenates(self) -> bool:
        """Whether a pair may be rendered as one batch: true where constant noise is all the randomness there is."""
        return self._has_noise and not self.takes_camera

    @property
    def has_w(self) -> bool:
        """Whether there is an intermediate latent space W."""
        return self.entry is self.mapping

    def dim(self, space: str) -> int | None:
        """Return how many axes the latent space `w` or `z` has, None where the generator does not say."""
        return self._said(f"{space}_dim")

    @property
    def resolution(self) -> int | None:
        """The side of the images in pixels, None where the generator does not say."""
        return self._said("img_resolution")

    def _said(self, name: str) -> int | None:
        """Return a number that one of the two networks has as an attribute."""
        owners = (unwrap(self.mapping.owner), unwrap(self.synthesis.owner))
        value = next((value for owner in owners if (value := getattr(owner, name, None)) is not None), None)
        return value if isinstance(value, int) else None

    def map(self, z: Tensor, c: Tensor | None, truncation_psi: float = 1.0) -> Tensor:
        """Map z [N, z_dim] (and labels c [N, c_dim]) to ws [N, num_ws, w_dim], leaving w_avg as it is.

        Raises:
            LinkGANError: truncation of a generator that has no mapping.
        """
        if truncation_psi != 1 and not self.mapping.accepts("truncation_psi"):
            raise LinkGANError(f"this generator cannot truncate (psi {truncation_psi:g}); use psi 1")
        psi = {} if truncation_psi == 1 else {"truncation_psi": truncation_psi}
        return self.mapping(z, c, **psi, **self.quiet)

    def render(self, ws: Tensor, c: Tensor | None = None, *, constant_noise: bool = True) -> Tensor:
        """Render ws [N, num_ws, w_dim] (and cameras c [N, c_dim]) to images [N, C, H, W], nominally in [-1, 1]."""
        return self.picture(ws, c, constant_noise=constant_noise).image

    def picture(self, ws: Tensor, c: Tensor | None = None, *, constant_noise: bool = True) -> Picture:
        """Render as `render` does; return all that comes of it."""
        kwargs = {**self.settings, **({"noise_mode": "const"} if self._has_noise and constant_noise else {})}
        return Picture.of(self.synthesis(ws, c, **kwargs) if self.takes_camera else self.synthesis(ws, **kwargs))

    def still(self, ws: Tensor, c: Tensor | None = None) -> Picture:
        """Render as `picture` does; free randomness (ray jitter) is the same every time for the same number of rows."""
        if self.concatenates:
            return self.picture(ws, c)
        with own_random_state(ws.device, seed=0):
            return self.picture(ws, c)

    def render_beside(
        self, ws: Tensor, moved: Tensor, c: Tensor | None, *, detached: bool = False
    ) -> tuple[Picture, Picture]:
        """Render latents and F moved copies of each with the same noise, random state and camera.

        Args:
            ws: [N, L, D]. moved: [F, N, L, D]. c: [N, c_dim] or None.
            detached: render the unmoved images without gradient.
        Returns:
            (picture, whose parts are [N, ...], moved pictures, whose parts are [F, N, ...]).
        """
        if self.concatenates and not detached:
            every = self.picture(torch.cat([ws, *moved]), None).each(lambda part: part.unflatten(0, (-1, len(ws))))
            return every.each(lambda part: part[0]), every.each(lambda part: part[1:])
        with torch.set_grad_enabled(torch.is_grad_enabled() and not detached):
            picture = self._render_again(ws, c)
        if self.concatenates:
            together = self.picture(moved.flatten(0, 1), None)
            return picture, together.each(lambda part: part.unflatten(0, moved.shape[:2]))
        return picture, stacked([self._render_again(group, c) for group in moved])

    def _render_again(self, ws: Tensor, c: Tensor | None) -> Picture:
        """Render without moving the random state: so free randomness (ray jitter) is the same every time."""
        with own_random_state(ws.device):
            return self.picture(ws, c)

    @contextmanager
    def watched(self) -> Iterator[Seen]:
        """Note within the block how the host itself calls its generator; its renders also set `settings`.

        A pair is then made exactly as the host makes its images, whatever schedules and conditioning it has, and forks
        that changed them need no adapter.
        """
        seen = Seen()
        with self.entry.replaced(self._noting_labels(seen)), self.synthesis.replaced(self._noting_settings):
            yield seen

    def _noting_labels(self, seen: Seen) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def wrap(call: Callable[..., Any]) -> Callable[..., Any]:
            def noting(*args: Any, **kwargs: Any) -> Any:
                given = self.entry.signature.bind_partial(*args, **kwargs).arguments
                if seen.labels is None:
                    seen.labels = given.get("c")
                return call(*args, **kwargs)

            return noting

        return wrap

    def _noting_settings(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*args: Any, **kwargs: Any) -> Any:
            self.settings = {key: value for key, value in kwargs.items() if key not in _PER_CALL}
            return call(*args, **kwargs)

        return noting


class Seen:
    """What `GeneratorCalls.watched` noted: the labels [N, c_dim] that the host first mapped with, None before that."""

    def __init__(self) -> None:
        self.labels: Tensor | None = None


class _WholeGenerator(nn.Module):
    """A generator without halves as a synthesis network: one row of latents is its z."""

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


def _half(generator: nn.Module, name: str) -> Half | None:
    """Return the generator's half of that name: a submodule or a method, None where it has neither."""
    found = getattr(generator, name, None)
    if isinstance(found, nn.Module):
        return Half(found)
    return Half(generator, name) if callable(found) else None
