"""Directions learned by gradient descent: straight or bent parameters, and the loop over drawn latents."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..errors import LinkGANError
from .fields import Perceptrons
from .jacobians import whitening
from .task import Found, Task

HIDDEN = 32  # units of the networks of bent directions
_EULER = 4  # steps of a bent walk
_MEASURED = 512  # latents over which the speed of bent directions is averaged

Loss = Callable[[Tensor, Tensor], Tensor]


class Coordinates:
    """Coordinates u of unit variance, w = mean + S^(1/2) u with S the covariance of drawn latents; u = z in Z.

    The papers learn in z. In u, too, no axis is longer than another, and a step stays among latents that are drawn.

    Args:
        task: the network.
    Attributes:
        root: S^(1/2), float32 [D, D].
        inverse: S^(-1/2), float32 [D, D].
        mean: float32 [D].
    Raises:
        LinkGANError: the latents of all samples are the same.
    """

    def __init__(self, task: Task) -> None:
        root = torch.from_numpy(whitening(task))
        device = task.generator.device
        self.root = root.float().to(device)
        self.inverse = root.inverse().float().to(device)
        self.mean = task.samples.mean(dim=0)

    def of(self, latents: Tensor) -> Tensor:
        """Latents [..., D] to coordinates [..., D]."""
        return (latents - self.mean) @ self.inverse


class Walk:
    """K directions being learned: velocity v_k(u) = c_k, or V_k tanh(U_k u + a_k) + c_k for those that bend.

    Args:
        coordinates: of the latent space.
        count: K.
        hidden: initial U, float32 [K, H, D], for directions that bend; None for straight ones.
    Attributes:
        parameters: c [K, D], then U [K, H, D], a [K, H] and V [K, D, H], with gradients; first in that order.
    """

    def __init__(self, coordinates: Coordinates, count: int, hidden: Tensor | None = None) -> None:
        self.coordinates, self._count = coordinates, count
        shapes = [[count, len(coordinates.mean)]]
        if hidden is not None:
            shapes += [list(hidden.shape[:2]), [count, hidden.shape[2], hidden.shape[1]]]
        straight, *bent = (coordinates.mean.new_zeros(shape) for shape in shapes)
        self.parameters = [part.requires_grad_() for part in [straight, *([] if hidden is None else [hidden]), *bent]]

    def moved(self, latents: Tensor, amounts: Tensor) -> Tensor:
        """Move latents [N, L, D] by amounts [N, K] along all directions at once: [N, L, D], with gradients."""
        flat, steps = latents.flatten(0, 1), _EULER if len(self.parameters) > 1 else 1
        many = amounts.repeat_interleave(latents.shape[1], dim=0) / steps
        for _ in range(steps):
            # w <- w + S^(1/2) sum_k (amount_k / n) v_k(u), n times
            flat = flat + torch.einsum("mk,mkd->md", many, self._velocity(flat)) @ self.coordinates.root
        return flat.view(latents.shape)

    def _velocity(self, latents: Tensor) -> Tensor:
        """Return v_k(u) at latents [M, D]: [M or 1, K, D]."""
        straight, *bent = self.parameters
        if not bent:
            return straight.expand(len(latents), -1, -1)
        hidden, hidden_bias, out = bent
        seen = torch.einsum("md,khd->mkh", self.coordinates.of(latents), hidden) + hidden_bias
        return straight + torch.einsum("mkh,kdh->mkd", seen.tanh(), out)

    @torch.no_grad()
    def found(self, task: Task, names: Sequence[str]) -> Found:
        """Return what was learned. Bent directions are scaled so that amount 1 is one standard deviation."""
        root, inverse = self.coordinates.root, self.coordinates.inverse
        straight, *bent = (part.detach() for part in self.parameters)
        if not bent:
            return Found(straight @ root, names=tuple(names))
        velocity = self._velocity(task.samples[:_MEASURED]) @ root  # [N, K, D]
        units = velocity / velocity.norm(dim=2, keepdim=True).clamp(min=1e-12)
        # std / speed, each a root mean square over latents; the variance along a unit vector n is |S^(1/2) n|^2.
        scale = ((units @ root).square().sum(dim=2).mean(dim=0) / _mean_square(velocity)).sqrt()[:, None]
        hidden, hidden_bias, out = bent
        hidden = hidden @ inverse
        bias = hidden_bias - hidden @ self.coordinates.mean
        out = torch.einsum("de,keh->kdh", root, out) * scale[:, :, None]
        field = Perceptrons(*(part.cpu() for part in (hidden, bias, out, straight @ root * scale)))
        return Found(velocity.mean(dim=0) * scale, names=tuple(names), bend=field, scaled=True)


def joined(walks: Sequence[Walk]) -> Walk:
    """Return the directions of several walks as one."""
    whole = Walk(walks[0].coordinates, 0)
    parts = zip(*(walk.parameters for walk in walks), strict=True)
    whole.parameters = [torch.cat([part.detach() for part in group]) for group in parts]
    return whole


def bent_start(task: Task, count: int, bent: bool, random: torch.Generator) -> Tensor | None:
    """Return a random U, float32 [K, HIDDEN, D] with rows of about unit length, for directions that bend, else None."""
    if not bent:
        return None
    shape = [count, HIDDEN, task.dim]
    return torch.randn(shape, generator=random, device=task.generator.device) / task.dim**0.5


class VectorAdam:
    """Adam whose second moment is that of whole vectors (Ling et al. 2022), so that no axis is preferred.

    m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) |g|^2;  x <- x - rate m^ / sqrt(v^), a step of about `rate` in length.
    Adam itself divides number by number and leaves the span of the gradients: axes that do not matter would move, too.

    Args:
        parameters: each [K, ...]: K vectors.
        rate: length of a step.
    """

    def __init__(self, parameters: Sequence[Tensor], rate: float) -> None:
        self._parameters, self._rate, self._step = parameters, rate, 0
        self._first = [torch.zeros_like(part, requires_grad=False) for part in parameters]
        self._second = [part.new_zeros([len(part)], requires_grad=False) for part in parameters]

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], share: float = 1.0) -> None:
        """Do one step of `share` of the rate along gradients, each of its parameter's shape [K, ...]."""
        self._step += 1
        b1, b2 = 0.9, 0.99
        rate = self._rate * share * (1 - b2**self._step) ** 0.5 / (1 - b1**self._step)
        for part, gradient, first, second in zip(self._parameters, gradients, self._first, self._second, strict=True):
            first.lerp_(gradient, 1 - b1)
            second.lerp_(gradient.square().flatten(1).sum(dim=1), 1 - b2)
            length = second.sqrt().clamp(min=1e-12).view(-1, *[1] * (part.ndim - 1))
            part -= rate * first / length


def learn(task: Task, walk: Walk, loss: Loss, *, steps: int, batch: int, rate: float, text: str) -> None:
    """Minimise a loss over drawn latents, the rate falling to 0.

    Args:
        task: the network.
        walk: whose parameters are learned.
        loss: of latents [N, L, D] and labels [N, c_dim], summed over the rows.
        steps: of `VectorAdam`.
        batch: images of a step; `task.batch` of them are rendered at a time.
        rate: how far the first steps go, in standard deviations.
        text: of the progress bar.
    Raises:
        LinkGANError: settings that are not positive, or gradients that are not finite.
    """
    check_positive(steps=steps, batch=batch, rate=rate)
    optimizer = VectorAdam(walk.parameters, rate)
    for step in task.progress(range(steps), text):
        sums = [torch.zeros_like(part, requires_grad=False) for part in walk.parameters]
        for start in range(0, batch, task.batch):
            latents, labels = task.draw(step * batch + start, min(task.batch, batch - start))
            with torch.enable_grad():
                value = loss(latents, labels)
                parts = torch.autograd.grad(value, walk.parameters)  # the network's own .grad stays as it is
            for total, part in zip(sums, parts, strict=True):
                total += part / batch
        check_finite(sums)
        optimizer.step(sums, 1 - step / steps)


def check_positive(**settings: float) -> None:
    """Raise LinkGANError for a setting that is not a finite number above 0."""
    for name, value in settings.items():
        if not 0 < value < float("inf"):
            raise LinkGANError(f"{name} is {value:g}; expected a number above 0")


def check_finite(gradients: Sequence[Tensor]) -> None:
    """Raise LinkGANError for gradients [...] that are not finite."""
    if not all(bool(torch.isfinite(part).all()) for part in gradients):
        raise LinkGANError("the gradients of these images are not finite; render them in float32, as a CPU does")


def uniform(shape: Sequence[int], reach: float, random: torch.Generator) -> Tensor:
    """Return numbers from -reach to reach, float32 of that shape, on the random generator's device."""
    return (2 * torch.rand(list(shape), generator=random, device=random.device) - 1) * reach


def _mean_square(velocity: Tensor) -> Tensor:
    return velocity.square().sum(dim=2).mean(dim=0).clamp(min=1e-24)
