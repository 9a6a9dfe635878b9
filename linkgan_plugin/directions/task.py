"""What a method that finds directions is given, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Protocol

import torch
from torch import Tensor

from ..calls.rendering import Rendering
from ..calls.styles import Styles
from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..regions.base import Region
from .fields import Field

SPREAD = 10_000  # latents that standard deviations are estimated from; they are not rendered
STYLED = 512  # images that the standard deviations of styles are estimated from
FIRST_SEED = 1 << 22  # away from the seeds that users look at and that metrics measure
_PIXELS, _MOST = 4 * 256 * 256, 64  # images rendered at a time: as many pixels as 4 of 256 x 256, within bounds

Progress = Callable[[Iterable[int], str], Iterable[int]]
Discriminator = Callable[[Tensor, Tensor], Tensor]


class Reader(Protocol):
    """Reads attributes from images, with gradients where the method needs them."""

    names: tuple[str, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """Images [N, C, H, W] in [-1, 1] to attributes [N, A], nominally in [0, 1]."""
        ...


@dataclass(frozen=True)
class LabelledSamples:
    """Attributes that people gave to generated images, by seed: for methods that need no gradients.

    Attributes:
        names: of the attributes.
        seeds: of the images, as `LinkedGenerator.draw` takes them.
        values: float32 [N, A], finite.
    Raises:
        LinkGANError: shapes that do not fit together.
    """

    names: tuple[str, ...]
    seeds: tuple[int, ...]
    values: Tensor

    def __post_init__(self) -> None:
        if list(self.values.shape) != [len(self.seeds), len(self.names)]:
            raise LinkGANError(
                f"values {list(self.values.shape)} for {len(self.seeds)} seeds and {len(self.names)} attributes"
            )


def silent(steps: Iterable[int], text: str) -> Iterable[int]:
    """Show no progress."""
    return steps


@dataclass(frozen=True)
class Task:
    """A network and what is wanted of it. The space is that of the generator's spec, `w` or `z`.

    Attributes:
        generator: the network; its links do not matter.
        count: directions wanted.
        region: the pixels that they should change; None for any.
        reader: of attributes, from images or as labels of seeds, for the methods that need one.
        attributes: names of the attributes wanted; () for all that the reader has.
        seed: of everything that the method draws.
        progress: wraps ranges of steps, with a text, as a progress bar does.
        discriminator: images [N, C, H, W] and labels [N, c_dim] to logits [N, ...], for methods that can use one.
    """

    generator: LinkedGenerator
    count: int = 8
    region: Region | None = None
    reader: Reader | LabelledSamples | None = None
    attributes: tuple[str, ...] = ()
    seed: int = 0
    progress: Progress = silent
    discriminator: Discriminator | None = None

    @property
    def space(self) -> str:
        """The latent space, `w` or `z`."""
        return self.generator.spec.space

    @property
    def dim(self) -> int:
        """The number of axes D of the latent space."""
        return self.generator.spec.dim

    @property
    def batch(self) -> int:
        """How many images to render at a time."""
        side = self.generator.calls.resolution or 256
        return max(1, min(_MOST, _PIXELS // side**2))

    @cached_property
    def styles(self) -> Styles:
        """The network's style space. Raises LinkGANError if it has none."""
        return Styles(self.generator.generator)

    @cached_property
    def samples(self) -> Tensor:
        """Latents of SPREAD samples, one layer each, float32 [SPREAD, D]; W may differ by layer only if truncated."""
        rows = [
            self.generator.draw(range(start, start + 1000))[:, 0]
            for start in range(FIRST_SEED, FIRST_SEED + SPREAD, 1000)
        ]
        return torch.cat(rows)

    @cached_property
    def style_samples(self) -> Tensor:
        """Styles of STYLED samples, float32 [STYLED, S]. Raises LinkGANError if the network has no style space."""
        rows = []
        for start in range(0, STYLED, self.batch):
            latents, labels = self.draw(start, min(self.batch, STYLED - start))
            rows.append(self.styles.read(partial(self.generator.rendering, latents, labels)))
        return torch.cat(rows)

    def random(self) -> torch.Generator:
        """Return a random generator with the task's seed, on the network's device."""
        return torch.Generator(device=self.generator.device).manual_seed(self.seed)

    def seeds(self, start: int, count: int) -> range:
        """Return the seeds of `count` images from number `start` on, away from those that metrics measure."""
        first = FIRST_SEED + SPREAD + self.seed * 100_003 % (1 << 24) + start
        return range(first, first + count)

    def draw(self, start: int, count: int) -> tuple[Tensor, Tensor]:
        """Return latents [N, L, D] and labels [N, c_dim] of `seeds(start, count)`."""
        seeds = self.seeds(start, count)
        labels = self.generator.labels(seeds)
        return self.generator.draw(seeds, labels), labels

    def mask(self, rendering: Rendering, labels: Tensor) -> Tensor:
        """Return the region in a rendering with labels [N, c_dim]: [1 or N, 1, H, W] in [0, 1], without gradient.

        Raises:
            LinkGANError: the task has no region.
        """
        if self.region is None:
            raise LinkGANError("this method finds directions for a region: give one with --region NAME=REGION")
        with torch.no_grad():
            return self.region.mask(self.generator.scene(rendering.each(Tensor.detach), labels)).clamp(0, 1)

    def layers(self, text: str) -> list[int] | None:
        """Return the layers of latents that ranges such as `0:4,6:8` name; None for `all`.

        Raises:
            LinkGANError: malformed, or layers that the latents do not have.
        """
        if text == "all":
            return None
        return sorted(set(self.numbers(text, self.draw(0, 1)[0].shape[1], f"layers of {self.space.upper()}")))

    def placed(self, vectors: Tensor, layers: Sequence[int] | None) -> Tensor:
        """Return vectors [K, D] at `layers` and zeros at the others, [K, L, D]; [K, 1, D] for None, all layers."""
        if layers is None:
            return vectors.unsqueeze(1)
        placed = vectors.new_zeros([len(vectors), self.draw(0, 1)[0].shape[1], vectors.shape[1]])
        placed[:, list(layers)] = vectors.unsqueeze(1)
        return placed

    def numbers(self, text: str, count: int, what: str) -> list[int]:
        """Return the numbers from 0 to `count` - 1 that ranges such as `0:4,6:8` name, all of them for `all`.

        Raises:
            LinkGANError: malformed, or out of range; names `what`.
        """
        if text == "all":
            return list(range(count))
        found: list[int] = []
        for part in text.split(","):
            start, colon, stop = part.partition(":")
            if not start.strip().isdecimal() or (colon and not stop.strip().isdecimal()):
                raise LinkGANError(f"{what} {text!r:.80}: expected ranges such as 0:4,6:8, or all")
            found += range(int(start), int(stop) if colon else int(start) + 1)
        if not found or max(found) >= count:
            raise LinkGANError(f"{what} {text!r:.80}: this network has {count}, 0 to {count - 1}")
        return found


@dataclass(frozen=True)
class Found:
    """What a method returns: directions of any length, best first.

    Attributes:
        vectors: float [K, L, D] or [K, D]; see `Directions.vectors`. Only their direction counts: `find_directions`
            scales them to one standard deviation of what the network draws, unless `scaled`.
        space: `w`, `z` or `s`; "" for the task's.
        names: of the directions, "" for none.
        bend: the field of directions that bend, whose unit is theirs.
        scaled: keep the length of `vectors`.
        facts: numbers that the method states about what it found.
    """

    vectors: Tensor
    space: str = ""
    names: tuple[str, ...] = ()
    bend: Field | None = None
    scaled: bool = False
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Method:
    """A way to find directions, registered in the entry-point group ``linkgan.directions``.

    Attributes:
        find: ``find(task, *, setting=default, ...) -> Found``; its settings are int, float, bool or str.
        paper: where it is from.
        local: it needs a region, and keeps its directions to it. Without, candidates are ranked by region afterwards.
        reads: it needs a reader of attributes.
        judges: it uses the network's discriminator where there is one.
    """

    find: Callable[..., Found]
    paper: str
    local: bool = False
    reads: bool = False
    judges: bool = False

    def __call__(self, task: Task, **settings: Any) -> Found:
        return self.find(task, **settings)
