"""Steerability: directions that imitate edits of the image (Jahanian et al., ICLR 2020).

    w = argmin_w  E_{z, a}  | M (G(z + a w) - edit(G(z), a)) |^2 / |M|,   a uniform in [-reach, reach],

M the pixels for which the edit has content. A bent direction replaces z + a w by a network applied step by step.
"""

from __future__ import annotations

from torch import Tensor

from .edits import edited, wanted_edits
from .learned import Coordinates, Walk, bent_start, check_positive, joined, learn, uniform
from .task import Found, Method, Task


def steerability(
    task: Task,
    *,
    edits: str = "all",
    bent: bool = False,
    steps: int = 200,
    batch: int = 8,
    rate: float = 0.1,
    reach: float = 1.0,
) -> Found:
    """Return one direction for each edit, at most `task.count`, learned one after the other.

    Args:
        task: the network.
        edits: names in `EDITS` such as `shift_x,zoom`, or `all`.
        bent: learn a network for each edit.
        steps: of optimisation, for each edit.
        batch: images of a step, each rendered twice.
        rate: length of the first steps, in standard deviations.
        reach: largest amount a; see `EDITS` for the unit.
    Raises:
        LinkGANError: an unknown edit, or settings that are not positive.
    """
    check_positive(reach=reach)
    names = wanted_edits(task, edits)
    coordinates, random, walks = Coordinates(task), task.random(), []
    for name in names:
        walk = Walk(coordinates, 1, bent_start(task, 1, bent, random))

        def loss(latents: Tensor, labels: Tensor, walk: Walk = walk, name: str = name) -> Tensor:
            amounts = uniform([len(latents)], reach, random)
            goal, known = edited(name, task.generator.render(latents, labels), amounts)
            image = task.generator.rendering_with_gradients(walk.moved(latents, amounts[:, None]), labels).image
            return masked_error(image, goal, known).sum()

        learn(task, walk, loss, steps=steps, batch=batch, rate=rate, text=f"steerability {name}")
        walks.append(walk)
    return joined(walks).found(task, names)


def masked_error(images: Tensor, goals: Tensor, known: Tensor) -> Tensor:
    """Return the mean squared error over known pixels, [N].

    Args:
        images: [N, C, H, W].
        goals: [N, C, H, W].
        known: [N, 1, H, W], 0 or 1.
    """
    errors = ((images - goals).square().mean(dim=1, keepdim=True) * known).flatten(1).sum(dim=1)
    return errors / known.flatten(1).sum(dim=1).clamp(min=1)


STEERABILITY = Method(steerability, "Jahanian et al., ICLR 2020")
