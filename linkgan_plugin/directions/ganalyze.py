"""GANalyze: the direction along which an attribute grows by the amount moved (Goetschalckx et al., CVPR 2019).

    t = argmin_t  E_{z, a} (A(G(z + a t)) - (A(G(z)) + a))^2,   a uniform in [-reach, reach],

with A any differentiable reader of images.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .learned import Coordinates, Walk, check_positive, joined, learn, uniform
from .reading import differentiable, wanted
from .task import Found, Method, Task


def ganalyze(task: Task, *, steps: int = 200, batch: int = 8, rate: float = 0.1, reach: float = 0.3) -> Found:
    """Return one direction for each attribute, learned one after the other.

    Args:
        task: the network and a reader with gradients.
        steps: of optimisation, for each attribute.
        batch: images of a step, each rendered twice.
        rate: length of the first steps, in standard deviations.
        reach: largest change a of an attribute that is asked for.
    Raises:
        LinkGANError: no reader, one without gradients, or settings that are not positive.
    """
    check_positive(reach=reach)
    read, names, coordinates = differentiable(task, "ganalyze"), wanted(task), Coordinates(task)
    random, walks = task.random(), []
    for number, name in enumerate(names):
        walk = Walk(coordinates, 1)

        def loss(latents: Tensor, labels: Tensor, walk: Walk = walk, number: int = number) -> Tensor:
            amounts = uniform([len(latents), 1], reach, random)
            with torch.no_grad():
                goal = read(task.generator.render(latents, labels))[:, number] + amounts[:, 0]
            image = task.generator.rendering_with_gradients(walk.moved(latents, amounts), labels).image
            return (read(image)[:, number] - goal).square().sum()

        learn(task, walk, loss, steps=steps, batch=batch, rate=rate, text=f"ganalyze {name}")
        walks.append(walk)
    return joined(walks).found(task, names)


GANALYZE = Method(ganalyze, "Goetschalckx et al., CVPR 2019", reads=True)
