"""Estimates E[J^T M J], J the derivative of images by latents or styles, without forming J; solves for its directions.

With S the covariance of drawn latents and w = S^(1/2) u, J is taken by u. For r ~ N(0, I) in image space,
E_r[(J^T M^(1/2) r) (J^T M^(1/2) r)^T] = J^T M J, and J^T M^(1/2) r is one backward pass. The directions of a region
with mask M_in are the leading solutions of

    J_in^T J_in v = lambda (J^T J + eps I) v:

lambda is the share of the change along v that is inside the region. As J^T J = J_in^T J_in + J_out^T J_out, they are
also those of J_in^T J_in v = lambda / (1 - lambda) (J_out^T J_out + eps I) v.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg
import torch
from torch import Tensor

from ..calls.rendering import Rendering
from ..errors import LinkGANError
from ..generators import LinkedGenerator
from .task import Task

Array = npt.NDArray[np.float64]
Masks = Callable[[Rendering, Tensor], Tensor]  # a rendering without gradient and labels -> [K, 1 or N, 1, H, W]

FLOOR = 1e-2  # least eigenvalue of S, of their mean
RIDGE = 1e-2  # eps, of the mean eigenvalue of J^T J: directions that hardly change the image are no region's
_MOST = 16  # images rendered at a time with gradients
_VALUES = 1 << 24  # numbers of the outer products that wait to be summed


def batch_of(task: Task) -> int:
    """Return how many images to render at a time with gradients."""
    return min(_MOST, task.batch)


def region_and_rest(task: Task) -> Masks:
    """Return the masks of a task's region and of the other pixels, [2, 1 or N, 1, H, W]."""

    def masks(rendering: Rendering, labels: Tensor) -> Tensor:
        inside = task.mask(rendering, labels)
        return torch.stack([inside, 1 - inside])

    return masks


def region_grams(task: Task, probes: int, layers: Sequence[int] | None = None) -> tuple[Array, Array]:
    """Estimate J_in^T J_in and J_out^T J_out of a task's region, by whitened latents u.

    Args:
        task: with a region.
        probes: images rendered, with two backward passes each.
        layers: of the latents, which a direction moves; None for all.
    Returns:
        S^(1/2) and the two grams stacked: float64 [D, D] and [2, D, D].
    Raises:
        LinkGANError: fewer than 1 probe, gradients that are not finite, or a region that no latent axis changes.
    """
    if probes < 1:
        raise LinkGANError(f"{probes} probes; expected at least 1")
    root = whitening(task)
    found = grams_of(
        task.generator,
        region_and_rest(task),
        task.seeds(0, probes),
        task.random(),
        batch_of(task),
        layers=layers,
        progress=lambda steps: task.progress(steps, "finding directions"),
    )
    if not np.trace(found[0]) > 0:
        raise LinkGANError(
            f"no latent axis changes the region {task.region}: these images do not have it, or these layers do not "
            "reach it"
        )
    return root, root @ found @ root


def whitening(task: Task) -> Array:
    """Return S^(1/2), float64 [D, D]; the identity in Z, whose axes are independent N(0, 1).

    Eigenvalues of S below FLOOR of their mean are raised to it.

    Raises:
        LinkGANError: all samples have the same latents.
    """
    if task.space == "z":
        return np.eye(task.dim)
    latents = task.samples.double().cpu().numpy()
    variances, axes = np.linalg.eigh(np.cov(latents.T).reshape(task.dim, task.dim))
    if not variances[-1] > 0:
        raise LinkGANError("the latents of all samples are the same, so they have no directions")
    deviations = np.sqrt(np.maximum(variances, FLOOR * variances.mean()))
    found: Array = (axes * deviations) @ axes.T
    return found


def grams_of(
    generator: LinkedGenerator,
    masks: Masks,
    seeds: range,
    random: torch.Generator,
    batch: int,
    *,
    layers: Sequence[int] | None = None,
    progress: Callable[[range], Iterable[int]] | None = None,
) -> Array:
    """Estimate E[J^T M J] / (H W), J the derivative of the image by the latent, for each of K masks.

    Args:
        generator: the network.
        masks: of a rendering.
        seeds: of the images, one probe each.
        random: of the probes.
        batch: images at a time.
        layers: of the latents, which a direction moves; None for all.
        progress: wraps the range of batches.
    Returns:
        float64 [K, D, D].
    Raises:
        LinkGANError: gradients that are not finite.
    """
    sums: list[_Gram] = []
    starts = range(0, len(seeds), batch)
    for start in progress(starts) if progress else starts:
        part = seeds[start : start + batch]
        labels = generator.labels(part)
        with torch.enable_grad():
            latents = generator.draw(part, labels).detach().clone().requires_grad_()
            rendering = generator.rendering_with_gradients(latents, labels)
        weights = masks(rendering.each(Tensor.detach), labels)
        sums = sums or [_Gram(latents.shape[2]) for _ in weights]
        for gram, gradient in zip(sums, gradients(rendering.image, latents, weights, random), strict=True):
            moved = gradient if layers is None else gradient[:, list(layers)]
            gram.add(moved.sum(dim=1))  # a direction moves all these layers alike
    return np.stack([gram.sum() for gram in sums]) / len(seeds)


def gradients(image: Tensor, by: Tensor, weights: Tensor, random: torch.Generator, last: bool = True) -> list[Tensor]:
    """Return J^T M^(1/2) r / (H W)^(1/2) for one probe r ~ N(0, I) of each mask M.

    Args:
        image: [N, C, H, W].
        by: what J is the derivative by, [N, ...].
        weights: the masks, [K, 1 or N, 1, H, W].
        random: of the probes.
        last: free the graph of `image` after the last mask.
    Returns:
        K tensors float32 [N, ...], as `by`.
    Raises:
        LinkGANError: gradients that are not finite.
    """
    found = []
    for number, weight in enumerate(weights.sqrt()):
        noise = torch.randn(image.shape, generator=random, device=image.device)
        # Divided by the side, so that sums over pixels stay within half precision.
        probe = (noise * weight / (image.shape[2] * image.shape[3]) ** 0.5).to(image.dtype)
        keep = not last or number + 1 < len(weights)
        found.append(torch.autograd.grad(image, by, probe, retain_graph=keep)[0].float())
    if not all(bool(torch.isfinite(gradient).all()) for gradient in found):
        raise LinkGANError("the gradients of these images are not finite; render them in float32, as a CPU does")
    return found


def leading(gram: Array, total: Array, ridge: float, count: int) -> Array:
    """Solve gram v = lambda (total + eps I) v for the `count` largest lambda.

    Args:
        gram: J_in^T J_in, [D, D].
        total: J^T J, [D, D].
        ridge: eps as a share of the mean eigenvalue of `total`.
        count: solutions wanted, at most D.
    Returns:
        v as columns of length 1, largest lambda first, float64 [D, count].
    Raises:
        LinkGANError: a ridge that is not positive, or no axis that changes the image.
    """
    dim = len(total)
    if not ridge > 0:
        raise LinkGANError(f"ridge {ridge:g}; expected above 0")
    scale = np.trace(total) / dim
    if not scale > 0:
        raise LinkGANError("no latent axis changes the image, so no direction can be found")
    eased = total + ridge * scale * np.eye(dim)
    _, vectors = scipy.linalg.eigh(gram, eased, subset_by_index=[dim - min(count, dim), dim - 1])
    found: Array = vectors[:, ::-1] / np.linalg.norm(vectors[:, ::-1], axis=0)
    return found


@dataclass
class _Gram:
    """A running sum of outer products g g^T of gradients, in float64."""

    dim: int

    def __post_init__(self) -> None:
        self._sum = np.zeros([self.dim, self.dim])
        self._waiting: list[Array] = []

    def add(self, gradients: Tensor) -> None:
        """Add gradients [N, D]; they are summed many at a time."""
        self._waiting.append(gradients.double().cpu().numpy())
        if sum(part.size for part in self._waiting) > _VALUES:
            self.sum()

    def sum(self) -> Array:
        """Return the sum, [D, D]."""
        if self._waiting:
            rows = np.concatenate(self._waiting)
            self._sum += rows.T @ rows
            self._waiting = []
        return self._sum
