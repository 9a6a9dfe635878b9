"""The strongest directions of a link's block: those along which its region's pixels change most.

With C the covariance of the block over samples and J the derivative of the pixels by the block, the directions are
d_k = C^(1/2) u_k, where u_k are the eigenvectors of the mean over samples of C^(1/2) J^T J C^(1/2): the principal
components of the pixels' change when the block varies as it does between samples. d_k is one standard deviation long,
and the changes along any two directions are orthogonal over the samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from ..directions.directions import Directions
from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..links import REST

SPREAD = 1024  # samples that the covariance C is estimated from; they are not rendered
FIRST_SEED = 40_000  # away from the seeds that users look at
STEP = 0.25  # length of the finite differences, in standard deviations
METHOD = "block"  # the name of the method in `Directions`

_known: WeakKeyDictionary[LinkedGenerator, dict[str, Directions]] = WeakKeyDictionary()


def directions_of(generator: LinkedGenerator, region: str, progress: Any = None) -> Directions:
    """Return `block_directions` of a region with its defaults, cached for each generator."""
    known = _known.setdefault(generator, {})
    if region not in known:
        known[region] = block_directions(generator, region, progress=progress)
    return known[region]


@torch.no_grad()
def block_directions(
    generator: LinkedGenerator,
    region: str,
    *,
    components: int = 16,
    samples: int = 8,
    batch: int = 8,
    progress: Callable[[range], Any] | None = None,
) -> Directions:
    """Find the strongest directions of a block of axes.

    Each principal component of the block is perturbed in every sample, which renders ``samples * (components + 1)``
    images.

    Args:
        generator: the linked generator.
        region: a link's name or `rest`.
        components: principal components of the block, and directions returned; a block with fewer axes has one
            direction per axis.
        samples: seeded images over which the change is averaged.
        batch: images rendered at once.
        progress: wraps the range of samples, as tqdm does.
    Returns:
        The directions, strongest first, on the generator's device; deterministic. Their effect is to first order;
        their coordinates on the axes of other blocks are 0, and the largest entry of each is positive.
    Raises:
        LinkGANError: an unknown region.
    """
    block = generator.block(region)
    basis = _components(generator, block, components)  # [m, D], each one standard deviation long
    seeds = range(FIRST_SEED, FIRST_SEED + samples)
    gram = torch.zeros([len(basis), len(basis)], dtype=torch.float64)
    for seed in progress(seeds) if progress else seeds:
        change = _changes(generator, region, seed, basis, batch)  # [m, pixels], weighted
        gram += change @ change.T / samples
    strengths, mixing = torch.linalg.eigh(gram)  # ascending
    moves = mixing.flip(1).T @ basis.cpu().double()
    largest = moves.gather(1, moves.abs().argmax(dim=1, keepdim=True))
    return Directions(
        (moves * largest.sign()).unsqueeze(1).to(generator.device, torch.float32),
        generator.spec.space,
        effect=strengths.flip(0).clamp(min=0).float(),
        method=METHOD,
        settings={"components": components, "samples": samples},
        region="" if region == REST else str(generator.spec[region].region),
    )


def _components(generator: LinkedGenerator, block: Tensor, count: int) -> Tensor:
    """Return the first principal components of a block over samples, [m, D] with m <= count."""
    latents = generator.draw(range(FIRST_SEED, FIRST_SEED + SPREAD))[:, 0].cpu().double()
    if (links_basis := generator.spec.basis) is not None:
        latents = latents @ links_basis.inverse.double()
    own = latents[:, block.cpu()]
    variances, axes = torch.linalg.eigh(torch.cov(own.T).reshape(own.shape[1], own.shape[1]))
    variances, axes = variances.flip(0)[:count], axes.flip(1)[:, :count]
    real = variances > 1e-9 * variances[0]  # constant axes have no direction
    if not real.any():
        raise LinkGANError("the axes of this region are the same in every sample, so it has no directions")
    basis = torch.zeros([int(real.sum()), latents.shape[1]], dtype=torch.float64)
    basis[:, block.cpu()] = (axes[:, real] * variances[real].sqrt()).T
    if links_basis is not None:
        basis = basis @ links_basis.rows.double()
    return basis.to(generator.device, torch.float32)


def _changes(generator: LinkedGenerator, region: str, seed: int, basis: Tensor, batch: int) -> Tensor:
    """Return the change of a seed's image along each of m moves, float64 [m, C * H * W] on the CPU.

    Pixels are weighted so that the sum of squares is the region's squared change per value of the image.
    """
    labels = generator.labels([seed])
    latents = generator.draw([seed], labels)
    image = generator.rendering(latents, labels)
    names = generator.spec.block_names
    mask = generator.spec.region_masks(generator.scene(image, labels))[names.index(region)][0].cpu().double()
    weight = (mask / image.image[0].numel()).sqrt()
    # Ray jitter is reproducible only for the same number of rows, so such images are rendered one at a time.
    size = batch if generator.calls.concatenates else 1
    moved = latents + STEP * basis.unsqueeze(1)
    images = [generator.render(group, labels.expand(len(group), -1)) for group in moved.split(size)]
    change = (torch.cat(images).cpu().double() - image.image.cpu().double()) / STEP
    return (change * weight).flatten(1)
