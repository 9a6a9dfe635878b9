"""Leak at equal effect: editors compared where they change the region equally, so that none wins by doing nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..change import split_change
from ..directions.task import Task

# Levels of effect, as shares of the region's squared difference between two images.
LEVELS = (0.05, 0.1, 0.2)


class Edit(Protocol):
    """Edits of one editor on one region: several of a kind, such as the directions of a method, each at any amount."""

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    @property
    def amounts(self) -> tuple[float, ...]:
        """The amounts at which they are measured, ascending, above 0; users do not go further."""
        ...

    def images(self, number: int, amount: float, latents: Tensor, labels: Tensor) -> Tensor:
        """Return the images [N, C, H, W] of latents [N, L, D] with labels [N, c_dim] after edit `number`."""
        ...


@dataclass(frozen=True)
class Curve:
    """What one edit changes as its amount grows.

    Attributes:
        amounts: [A], ascending.
        effect: [A], mean squared change inside the region, per image value.
        leak: [A], the same outside.
    """

    amounts: Sequence[float]
    effect: Sequence[float]
    leak: Sequence[float]

    def at(self, effect: float) -> tuple[float, float] | None:
        """Return amount and leak where the effect first reaches a value; None if it never does.

        Between the amounts, and from 0 to the first, amount and leak are linear in the effect's square root: a change
        is proportional to the amount to first order, its square is not.
        """
        before = (0.0, 0.0, 0.0)
        for after in zip(self.amounts, self.effect, self.leak, strict=True):
            if after[1] >= effect:
                low, high = before[1] ** 0.5, after[1] ** 0.5
                share = (effect**0.5 - low) / (high - low) if high > low else 1.0
                amount = before[0] + share * (after[0] - before[0])
                leak = (before[2] ** 0.5 + share * (after[2] ** 0.5 - before[2] ** 0.5)) ** 2
                return amount, leak
            before = after
        return None


@torch.no_grad()
def curves(task: Task, edit: Edit, samples: int) -> list[Curve]:
    """Measure every edit at its amounts, over the same images: one curve each.

    Args:
        task: the network, with the region.
        edit: the edits.
        samples: images.
    """
    effect = torch.zeros(edit.count, len(edit.amounts), dtype=torch.float64)
    leak = torch.zeros_like(effect)
    values = 1
    for start in task.progress(range(0, samples, task.batch), "curves"):
        latents, labels = task.draw(start, min(task.batch, samples - start))
        before = task.generator.rendering(latents, labels)
        mask, values = task.mask(before, labels), before.image[0].numel()
        for number in range(edit.count):
            for column, amount in enumerate(edit.amounts):
                inside, outside = split_change(before.image, edit.images(number, amount, latents, labels), mask)
                effect[number, column] += inside.double().sum().cpu()
                leak[number, column] += outside.double().sum().cpu()
    scale = values * samples
    return [
        Curve(edit.amounts, *(part.tolist() for part in row)) for row in zip(effect / scale, leak / scale, strict=True)
    ]


@torch.no_grad()
def variety(task: Task, samples: int) -> float:
    """Return the mean squared difference of two images inside the region, per image value.

    Args:
        task: the network, with the region.
        samples: images; each is compared with the next.
    """
    total, values = 0.0, 1
    for start in range(0, samples, task.batch):
        latents, labels = task.draw(start, max(2, min(task.batch, samples - start)))
        rendering = task.generator.rendering(latents, labels)
        image, values = rendering.image, rendering.image[0].numel()
        inside, _ = split_change(image, image.roll(1, dims=0), task.mask(rendering, labels))
        total += float(inside.mean()) * min(task.batch, samples - start)
    return total / (values * samples)
