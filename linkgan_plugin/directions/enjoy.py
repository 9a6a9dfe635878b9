"""Enjoy Your Editing: directions of several attributes at once, learned together (Zhuang et al., ICLR 2021).

With e uniform in [-reach, reach]^K, cut so that a + e stays in [0, 1], a = A(G(z)) and x' = G(z + sum_k e_k d_k):

    min_d  attribute  E sum_k CE(A_k(x'), a_k + e_k)  +  content E |P(x') - P(G(z))|_1  +  realism E softplus(-D(x')),

CE the cross-entropy, P a Laplacian pyramid (the paper has features of VGG) and D the network's discriminator; without
one, the last term is left out. Global directions d_k, or local ones d_k(z), a small network each (`bent`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import LinkGANError
from ..metrics.swd import laplacian_pyramid
from .learned import Coordinates, Walk, bent_start, check_positive, learn, uniform
from .reading import differentiable, wanted
from .task import Discriminator, Found, Method, Task

_COARSEST = 4
_EDGE = 0.01  # values of attributes are kept this far from 0 and 1


def enjoy(
    task: Task,
    *,
    bent: bool = False,
    steps: int = 400,
    batch: int = 8,
    rate: float = 0.1,
    reach: float = 1.0,
    attribute: float = 10.0,
    content: float = 0.05,
    realism: float = 1.0,
) -> Found:
    """Return one direction for each attribute, each of which keeps the other attributes.

    Args:
        task: the network, a reader with gradients and, if there is one, a discriminator.
        bent: local directions d_k(z).
        steps: of optimisation.
        batch: images of a step, each rendered twice.
        rate: length of the first steps, in standard deviations.
        reach: largest change e that is asked for.
        attribute: weight of the attributes.
        content: weight of the content.
        realism: weight of the discriminator.
    Raises:
        LinkGANError: no reader, one without gradients, or settings out of range.
    """
    check_positive(reach=reach, attribute=attribute)
    if not (content >= 0 and realism >= 0):
        raise LinkGANError(f"content is {content:g} and realism {realism:g}; expected at least 0")
    read, names, random = differentiable(task, "enjoy"), wanted(task), task.random()
    walk = Walk(Coordinates(task), len(names), bent_start(task, len(names), bent, random))
    generator = task.generator

    def loss(latents: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad():
            before = generator.render(latents, labels)
            values = read(before).clamp(0, 1)
            goals = (values + uniform(values.shape, reach, random)).clamp(0, 1)
        image = generator.rendering_with_gradients(walk.moved(latents, goals - values), labels).image
        total = attribute * cross_entropy(read(image), goals).sum()
        if content:
            total = total + content * pyramid_distance(image, before).sum()
        if task.discriminator is not None and realism:
            total = total + realism * F.softplus(-_logits(task.discriminator, image, labels)).sum()
        return total

    learn(task, walk, loss, steps=steps, batch=batch, rate=rate, text="enjoy")
    return walk.found(task, names)


def _logits(discriminator: Discriminator, images: Tensor, labels: Tensor) -> Tensor:
    """Return the mean logit of each image, [N]."""
    try:
        return discriminator(images, labels).flatten(1).mean(dim=1)
    except RuntimeError as error:  # minibatch statistics want batches of one size
        reason = str(error).strip().rpartition("\n")[2]
        raise LinkGANError(f"the discriminator failed on {len(images)} images: {reason:.300}; see batch") from error


def cross_entropy(values: Tensor, goals: Tensor) -> Tensor:
    """Return - g log p - (1 - g) log(1 - p), p the values kept in (0, 1); values beyond have the gradient of its end.

    Args:
        values: [N, K], about [0, 1].
        goals: [N, K] in [0, 1].
    Returns:
        [N, K].
    """
    inside = values.clamp(_EDGE, 1 - _EDGE)
    p = values + (inside - values).detach()
    return -goals * p.log() - (1 - goals) * (1 - p).log()


def pyramid_distance(images: Tensor, others: Tensor) -> Tensor:
    """Return sum_j 4^j |L_j(x) - L_j(y)|_1 / (C H W), L_j level j of a Laplacian pyramid, finest first.

    Args:
        images: [N, C, H, W].
        others: [N, C, H, W].
    Returns:
        [N].
    """
    levels = laplacian_pyramid(images - others, _COARSEST)
    sums = [4**j * level.abs().flatten(1).sum(dim=1) for j, level in enumerate(levels)]
    return torch.stack(sums).sum(dim=0) / images[0].numel()


ENJOY = Method(enjoy, "Zhuang et al., ICLR 2021", reads=True, judges=True)
