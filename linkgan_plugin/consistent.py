"""Consistent donors: of several samples for a region, the one that fits the rest of the image best.

Axes are drawn independently, so new eyes may not suit the fur. Of S candidate donors c_s for a block of axes B, take

    argmin_s  mean_l sum_{d not in B} ((c_s - w)_{ld} / sigma_d)^2     (by the rest), or
    argmax_s  D(G(w with the axes B of c_s))                           (by the critic),

where sigma_d is the standard deviation of axis d over samples. A step stores only the chosen seed, so that replaying it
needs no search.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from .calls.rendering import Rendering
from .errors import LinkGANError
from .generators import LinkedGenerator

if TYPE_CHECKING:
    from .editing.steps import Resample, Step

MOST = 1024  # candidates
KINDS = ("rest", "critic")
SPREAD = 1024  # samples that sigma is estimated from; they are not rendered
FIRST_SEED = 40_000  # as in editing/directions.py

Critic = Callable[[Rendering, Tensor], Tensor]

_known: WeakKeyDictionary[LinkedGenerator, Tensor] = WeakKeyDictionary()


class Edited(Protocol):
    """What `Consistent.step` reads of an editor."""

    generator: LinkedGenerator
    labels: Tensor

    @property
    def latents(self) -> Tensor:
        """The current latents, [1, L, D]."""

    @property
    def styles(self) -> Tensor | None:
        """What is added to the styles, [1, S] or None."""

    def free(self, step: Step) -> list[str]:
        """The unlocked blocks of a step."""


@dataclass(frozen=True)
class Consistent:
    """Chooses donors.

    Attributes:
        candidates: number of donors to choose from, 2 to 1024.
        critic: ``(rendering, labels [N, c_dim]) -> logits [N]``, see `critic_of`; None compares the rest.
    Raises:
        LinkGANError: another number of candidates.

    Example:
        >>> from linkgan_plugin import Editor, Resample
        >>> from linkgan_plugin.editing.example import example_generator
        >>> editor = Editor.of_seed(example_generator(), seed=0)
        >>> step = Consistent(8).step(editor, Resample("left", seed=200))
        >>> step.seed  # one of 200 to 207
        200
        >>> editor.do(step)
    """

    candidates: int
    critic: Critic | None = None

    def __post_init__(self) -> None:
        count = self.candidates
        if isinstance(count, bool) or not isinstance(count, int) or not 2 <= count <= MOST:
            raise LinkGANError(
                f"consistent is {count!r:.60}, expected the number of donors to choose from, 2 to {MOST}; "
                "leave it out to take the first"
            )

    @property
    def by(self) -> str:
        """What is compared: "rest" or "critic"."""
        return "rest" if self.critic is None else "critic"

    def choose(
        self,
        generator: LinkedGenerator,
        latents: Tensor,
        candidates: Tensor,
        block: Tensor,
        labels: Tensor,
    ) -> Tensor:
        """Return the index of the best donor of each image, int64 [N].

        Args:
            generator: the network.
            latents: [N, L, D], the images.
            candidates: [S, N, L, D], S donors per image. With the critic, the edit takes their axes in `block`.
            block: bool [D], the edited axes.
            labels: [N, c_dim].
        Raises:
            LinkGANError: the critic returns numbers that are not finite.
        """
        if self.critic is None:
            axes, others = generator.axes(latents), generator.axes(candidates)
            return rest_distances(axes, others, block, spread_of(generator)).argmin(dim=0)
        scores = []
        for donors in candidates:
            edited = generator.rendering(generator.replace(latents, donors, block), labels)
            scores.append(self.critic(edited, labels))
        found = torch.stack(scores)
        if not bool(found.isfinite().all()):
            raise LinkGANError("the discriminator returns numbers that are not finite; choose donors by the rest")
        return found.argmax(dim=0)

    def donors(
        self, generator: LinkedGenerator, latents: Tensor, candidates: Tensor, block: Tensor, labels: Tensor
    ) -> Tensor:
        """Return the best donor of each image, [N, L, D]; arguments as for `choose`."""
        index = self.choose(generator, latents, candidates, block, labels)
        return candidates[index, torch.arange(len(latents), device=index.device)]

    def step(self, editor: Edited, step: Resample) -> Resample:
        """Return `step` with the best of the seeds ``step.seed, ..., step.seed + candidates - 1``.

        Args:
            editor: the image under edit; it is not changed.
            step: the edit; candidates have its psi. The choice does not depend on its strength.
        Raises:
            LinkGANError: the step changes every axis, so there is no rest to fit, or its regions are unknown or locked.
        """
        generator = editor.generator
        block = generator.block(editor.free(step))
        if bool(block.all()):
            raise LinkGANError(
                f"{', '.join(step.names)}: every axis is edited, so a donor has nothing to fit; "
                "edit fewer regions or leave consistent out"
            )
        seeds = range(step.seed, step.seed + self.candidates)
        donors = generator.draw(seeds, editor.labels.expand(len(seeds), -1), step.psi).unsqueeze(1)
        with generator.shifted(editor.styles):
            chosen = self.choose(generator, editor.latents, donors, block, editor.labels)
        return replace(step, seed=seeds[int(chosen)])


def rest_distances(latents: Tensor, candidates: Tensor, block: Tensor, spread: Tensor) -> Tensor:
    """Return the squared distance between the unedited axes of images and donors, in standard deviations, [S, N].

    Args:
        latents: [N, L, D].
        candidates: [S, N, L, D].
        block: bool [D], the edited axes, which are not compared.
        spread: [D], the standard deviation of each axis; axes of 0 are not compared.
    """
    # mean_l sum_{d not in B} ((c - w) / sigma)^2
    weights = torch.where(block | (spread == 0), 0, spread.clamp(min=1e-12).reciprocal())
    return ((candidates - latents) * weights).square().sum(dim=3).mean(dim=2)


def spread_of(generator: LinkedGenerator) -> Tensor:
    """Return the standard deviation of each latent axis over samples, [D]; cached for each generator."""
    if generator not in _known:
        axes = generator.axes(generator.draw(range(FIRST_SEED, FIRST_SEED + SPREAD))[:, 0])
        _known[generator] = axes.double().std(dim=0).to(axes.dtype)
    return _known[generator]


def critic_of(discriminator: nn.Module) -> Critic:
    """Return the critic of a host's discriminator, ``D(image, c)`` or eg3d's ``D({"image", "image_raw"}, c)``.

    Every image is scored on its own: with the minibatch standard deviation layer, logits depend on the batch.
    """

    @torch.no_grad()
    def critic(rendering: Rendering, labels: Tensor) -> Tensor:
        logits = []
        for row in range(len(rendering.image)):
            one = rendering.each(lambda part, row=row: part[row : row + 1])  # type: ignore[misc]
            shown: Any = one.image if one.raw is None else {"image": one.image, "image_raw": one.raw}
            logits.append(discriminator(shown, labels[row : row + 1]).float().reshape(1, -1).mean(dim=1))
        return torch.cat(logits)

    return critic


def consistent_from(candidates: int | None, by: str, discriminator: Callable[[], nn.Module]) -> Consistent | None:
    """Return the choice that options name, None without candidates.

    Args:
        candidates: number of donors; None for none.
        by: "rest" or "critic".
        discriminator: returns the network's discriminator; called only for "critic".
    Raises:
        LinkGANError: malformed options, or a file without a discriminator.
    """
    if by not in KINDS:
        raise LinkGANError(f"donors cannot be chosen by {by!r:.60}; expected one of: {', '.join(KINDS)}")
    if candidates is None:
        return None
    if by == "rest":
        return Consistent(candidates)
    try:
        return Consistent(candidates, critic_of(discriminator()))
    except LinkGANError as error:
        raise LinkGANError(f"donors cannot be chosen by the critic: {error}; choose them by the rest") from error
