"""Directions of a region's latents along which its pixels change most.

With C the covariance of the block over samples and J the derivative of the pixels by the block, the directions are
d_k = C^(1/2) u_k, where u_k are the eigenvectors of the mean over samples of C^(1/2) J^T J C^(1/2): the principal
components of the pixels' change when the block varies as it does between samples. d_k is one standard deviation long,
and the changes along any two directions are orthogonal over the samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from training_loops.formats.json_text import fields_of

from ..errors import LinkGANError
from ..generators import LinkedGenerator
from .plain import tensor_from_json, tensor_to_json

SPREAD = 1024  # samples that the covariance C is estimated from; they are not rendered
FIRST_SEED = 40_000  # away from the seeds that users look at
STEP = 0.25  # length of the finite differences, in standard deviations

_known: WeakKeyDictionary[LinkedGenerator, dict[str, Directions]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Directions:
    """The strongest directions of one region, strongest first.

    Attributes:
        vectors: [K, D] float32 in latent space, unit length; their coordinates on the axes of other blocks are 0. The
            largest entry of each is positive.
        scales: [K] float32, one standard deviation of the samples along each vector: the length of std = 1.
        changes: [K] float32, root mean square change of the region's pixels (images in [-1, 1]) per standard
            deviation, to first order.
    """

    vectors: Tensor
    scales: Tensor
    changes: Tensor

    def __len__(self) -> int:
        return len(self.vectors)

    def to(self, device: torch.device) -> Directions:
        """Return the directions on a device."""
        return Directions(*(part.to(device) for part in (self.vectors, self.scales, self.changes)))

    def to_json(self) -> dict[str, Any]:
        """Return them as plain JSON-able data."""
        return {field.name: tensor_to_json(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_json(cls, data: Any) -> Directions:
        """Return the directions of `to_json` data, which is not trusted.

        Raises:
            LinkGANError: the data is malformed.
        """
        found = fields_of(data, "directions", {field.name: dict for field in fields(cls)})
        vectors, scales, changes = map(tensor_from_json, found.values())
        if vectors.ndim != 2 or not scales.shape == changes.shape == vectors.shape[:1]:
            raise LinkGANError(f"directions {list(vectors.shape)} with {list(scales.shape)} scales do not fit together")
        return cls(vectors, scales, changes)

    def move(self, direction: int) -> Tensor:
        """Return what std = 1 adds to every layer's latents, [D].

        Raises:
            LinkGANError: an unknown direction.
        """
        if not 0 <= direction < len(self):
            raise LinkGANError(f"there is no direction {direction}; this region has {len(self)}, 0 to {len(self) - 1}")
        return self.scales[direction] * self.vectors[direction]


def directions_of(generator: LinkedGenerator, region: str, progress: Any = None) -> Directions:
    """Return `find_directions` of a region with its defaults, cached for each generator."""
    known = _known.setdefault(generator, {})
    if region not in known:
        known[region] = find_directions(generator, region, progress=progress)
    return known[region]


@torch.no_grad()
def find_directions(
    generator: LinkedGenerator,
    region: str,
    *,
    components: int = 16,
    samples: int = 8,
    batch: int = 8,
    progress: Callable[[range], Any] | None = None,
) -> Directions:
    """Find the strongest directions of a region.

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
        The directions, on the generator's device; deterministic.
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
    lengths = moves.norm(dim=1)
    vectors = moves / lengths[:, None]
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    return Directions(
        *(
            part.to(generator.device, torch.float32)
            for part in (vectors * largest.sign(), lengths, strengths.flip(0).clamp(min=0).sqrt())
        )
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

    Pixels are weighted so that the sum of squares is the region's mean square; 0 if the image lacks the region.
    """
    labels = generator.labels([seed])
    latents = generator.draw([seed], labels)
    image = generator.rendering(latents, labels)
    names = generator.spec.block_names
    mask = generator.spec.region_masks(generator.scene(image, labels))[names.index(region)][0].cpu().double()
    weight = (mask / (mask.sum() * image.image.shape[1]).clamp(min=1e-12)).sqrt()
    # Ray jitter is reproducible only for the same number of rows, so such images are rendered one at a time.
    size = batch if generator.calls.concatenates else 1
    moved = latents + STEP * basis.unsqueeze(1)
    images = [generator.render(group, labels.expand(len(group), -1)) for group in moved.split(size)]
    change = (torch.cat(images).cpu().double() - image.image.cpu().double()) / STEP
    return (change * weight).flatten(1)
