"""Directions that a classifier can tell apart: a reconstructor of k and e, trained together with the directions.

    min over directions and R of  E[ CE(k, k^) + lambda |e - e^| ],   (k^, e^) = R(G(w), G(w moved by e along k))

(Voynov and Babenko, ICML 2020, Eq. 1; WarpedGANSpace, ICCV 2021, trains its paths the same way.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..calls.random_state import own_random_state
from ..errors import LinkGANError
from .task import Task

SIDE = 64  # images are reduced to at most this many pixels a side
LEAST = 0.5  # of |e|: smaller moves are hard to see
_BATCH = 32
_LAST = 10  # the accuracy is that of the last 1/_LAST of the steps, whose images were not seen before
_WIDTHS = (32, 64, 128, 128)
_END = 4  # side of the last feature map

Shift = Callable[[Tensor, Tensor, Tensor], Tensor]  # latents [N, D], k [N], e [N] -> what moves them, [N, D]


class Reconstructor(nn.Module):
    """Tells which direction an image was moved along, and how far: a small convolution network.

    Args:
        channels: of the images.
        side: their longer side, reduced.
        count: K, the number of directions.
    """

    def __init__(self, channels: int, side: int, count: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 2 * channels
        for out in _WIDTHS[: max(1, math.ceil(math.log2(side / _END)))]:
            layers += [nn.Conv2d(width, out, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
            width = out
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(_END), nn.Flatten())
        self.head = nn.Linear(width * _END**2, count + 1)

    def forward(self, before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        """Images [N, C, H, W] before and after -> logits of k, [N, K], and e, [N]."""
        found = self.head(self.features(torch.cat([before, after - before], dim=1)))
        return found[:, :-1], found[:, -1]


def reduced(images: Tensor) -> Tensor:
    """Return images [N, C, H, W] with at most SIDE pixels a side, by pixel areas."""
    height, width = (min(SIDE, side) for side in images.shape[2:])
    return F.adaptive_avg_pool2d(images.float(), (height, width))


def spread(task: Task) -> float:
    """Return the standard deviation of drawn latents, root mean square over the axes: the unit of e."""
    return float(task.samples.float().var(dim=0).mean().sqrt())


def train(
    task: Task,
    shift: Shift,
    parameters: Sequence[Tensor],
    *,
    steps: int,
    reach: float,
    weight: float,
    rate: float,
    project: Callable[[], None] = lambda: None,
) -> float:
    """Train directions and their reconstructor. The global random state and the network do not change.

    Args:
        task: the network; K is its count.
        shift: moves latents [N, D] along directions k [N] by e [N]; returns the difference, [N, D].
        parameters: of the directions, changed in place.
        steps: of Adam.
        reach: largest |e|; e is uniform, away from 0 by LEAST.
        weight: lambda.
        rate: learning rate.
        project: called after every step, to keep constraints on the parameters.
    Returns:
        The share of moves of new images whose direction the reconstructor names at the end; by chance it is 1 / K.
    Raises:
        LinkGANError: impossible settings, or training that diverges.
    """
    if steps < 1 or not reach > LEAST or not weight >= 0 or not rate > 0:
        raise LinkGANError(
            f"steps={steps}, reach={reach:g}, weight={weight:g}, rate={rate:g}; expected at least 1, above {LEAST}, "
            "at least 0, and above 0"
        )
    random, batch = task.random(), min(task.batch, _BATCH)
    reconstructor: Reconstructor | None = None
    right = seen = 0
    for step in task.progress(range(steps), "training"):
        latents, labels = task.draw(step * batch, batch)
        k = torch.randint(task.count, [batch], generator=random, device=latents.device)
        e = reach * (2 * torch.rand([batch], generator=random, device=latents.device) - 1)
        e = torch.where(e < 0, -1.0, 1.0) * e.abs().clamp(min=LEAST)
        before = reduced(task.generator.rendering(latents, labels).image)
        if reconstructor is None:
            reconstructor = _made(task, before)
            everything = [*parameters, *reconstructor.parameters()]
            adam = torch.optim.Adam(everything, lr=rate)
        with torch.enable_grad():
            moved = latents + shift(latents[:, 0], k, e)[:, None]
            after = reduced(task.generator.rendering_with_gradients(moved, labels).image)
            logits, length = reconstructor(before, after)
            loss = F.cross_entropy(logits, k) + weight * (e - length).abs().mean()
            gradients = torch.autograd.grad(loss, everything)
        if not bool(torch.isfinite(loss)):
            raise LinkGANError(f"the loss of step {step} is not finite; train with a smaller rate than {rate:g}")
        for parameter, gradient in zip(everything, gradients, strict=True):
            parameter.grad = gradient
        # The rate falls linearly to 0, so that the directions settle.
        adam.param_groups[0]["lr"] = rate * (1 - step / steps)
        adam.step()
        with torch.no_grad():
            project()
        if step >= steps - max(1, steps // _LAST):
            right += int((logits.argmax(dim=1) == k).sum())
            seen += batch
    return right / seen


def _made(task: Task, images: Tensor) -> Reconstructor:
    """Return a reconstructor of reduced images [N, C, H, W], initialised from the task's seed."""
    with own_random_state(images.device, task.seed):
        return Reconstructor(images.shape[1], max(images.shape[2:]), task.count).to(images.device)
