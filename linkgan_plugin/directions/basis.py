"""`region_basis`: a basis of latent space whose directions change the regions of any generator, found from gradients.

With S the covariance of drawn latents and w = S^(1/2) u, let J be the derivative of the image by u and M_k the mask of
region k. The directions of region k are the leading solutions v of

    A_k v = lambda (T + eps I) v,    A_k = E[J^T M_k J],  T = E[J^T J]:

lambda is the share of the change along v that is inside the region; `jacobians` estimates A_k and T.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from ..basis import Basis
from ..calls.rendering import Rendering
from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..links import LinkSpec
from .jacobians import RIDGE, Array, batch_of, grams_of, leading, whitening
from .task import FIRST_SEED, Task


def probes_for(dim: int) -> int:
    """Return the default number of probes for a latent of `dim` axes."""
    return max(4096, 8 * dim)


def region_basis(
    generator: LinkedGenerator,
    *,
    probes: int | None = None,
    batch: int | None = None,
    seed: int = 0,
    ridge: float = RIDGE,
    progress: Callable[[range], Iterable[int]] | None = None,
) -> Basis:
    """Find a basis in which each link's axes change its region most and the rest of the image least.

    Links need not be trained. Swapping coordinates between samples keeps the covariance of the latents, up to FLOOR.
    The links' directions are orthonormal in u, by a symmetric (Loewdin) orthogonalisation that favours no link. A basis
    that the generator's spec has is not used. The global random state does not change.

    Args:
        generator: the network with its links, labels and truncation, as for every other measurement.
        probes: images rendered, each with one backward pass for every link and one for the other pixels; by default
            `probes_for` its axes.
        batch: images at a time; by default as many as fit a small GPU.
        seed: of the probes; images have the seeds from ``FIRST_SEED + seed`` on.
        ridge: eps as a share of the mean eigenvalue of T.
        progress: wraps the range of batches, as tqdm does.
    Returns:
        The basis: the rows at a link's axes are its directions, those at other axes span the complement.
    Raises:
        LinkGANError: fewer than 1 probe or batch, a ridge that is not positive, or gradients that are not finite.
    """
    spec = generator.spec
    probes = probes_for(spec.dim) if probes is None else probes
    if probes < 1 or (batch is not None and batch < 1) or not ridge > 0:
        raise LinkGANError(f"{probes} probes, batch {batch}, ridge {ridge:g}; expected at least 1, 1, and above 0")
    task = Task(generator)
    root = whitening(task)
    found = link_grams(generator, probes, batch or batch_of(task), seed, progress)
    # w = S^(1/2) u: the derivative by u is S^(1/2) times that by w, and a direction v of u is S^(1/2) v in w.
    return Basis.of(torch.from_numpy(directions_of(root @ found @ root, spec, ridge) @ root))


def link_grams(
    generator: LinkedGenerator,
    probes: int,
    batch: int,
    seed: int = 0,
    progress: Callable[[range], Iterable[int]] | None = None,
) -> Array:
    """Estimate E[J^T M J] / (H W), J the derivative of the image by the latent, for each link and the other pixels.

    Args:
        generator: the network with its links.
        probes: images rendered.
        batch: images at a time.
        seed: of images and probes.
        progress: wraps the range of batches.
    Returns:
        float64 [K + 1, D, D]; the last one is of the pixels in no link's region.
    Raises:
        LinkGANError: gradients that are not finite.
    """
    random = torch.Generator(device=generator.device).manual_seed(seed)
    seeds = range(FIRST_SEED + seed, FIRST_SEED + seed + probes)
    return grams_of(generator, partial(_weights, generator), seeds, random, batch, progress=progress)


def directions_of(grams: Array, spec: LinkSpec, ridge: float) -> Array:
    """Return an orthonormal basis of whitened latent space, float64 [D, D]; rows at a link's axes are its directions.

    Args:
        grams: [K + 1, D, D], E[J^T M J] by u of each link and of the other pixels.
        spec: the links.
        ridge: eps as a share of the mean eigenvalue of T.
    Raises:
        LinkGANError: no axis changes the image.
    """
    total = grams.sum(axis=0)  # = E[J^T J] where regions do not overlap
    own = []
    for gram, link in zip(grams, spec.links, strict=False):
        # Within a link only the span counts, and all directions weigh the same.
        own.append(np.linalg.qr(leading(gram, total, ridge, len(link.axes)))[0])
    return _placed(_loewdin(np.concatenate(own, axis=1)), spec)


def _loewdin(vectors: Array) -> Array:
    """Return V (V^T V)^(-1/2) for V [D, n]: the nearest orthonormal vectors, also where some of V are dependent."""
    left, _, right = np.linalg.svd(vectors, full_matrices=False)
    return left @ right


def _placed(own: Array, spec: LinkSpec) -> Array:
    """Return rows [D, D]: the columns of `own` [D, n] at the links' axes in order, the complement at the rest's."""
    rows = np.empty([spec.dim, spec.dim])
    rows[[axis for link in spec.links for axis in link.axes]] = own.T
    rows[list(spec.rest_axes)] = scipy.linalg.qr(own)[0][:, own.shape[1] :].T
    return rows


@torch.no_grad()
def _weights(generator: LinkedGenerator, rendering: Rendering, labels: Tensor) -> Tensor:
    """Return the masks of the links and of the other pixels, [K + 1, 1 or N, 1, H, W]."""
    spec = generator.spec
    own = spec.region_masks(generator.scene(rendering, labels))[: len(spec.links)].clamp(0, 1)
    return torch.cat([own, (1 - own.sum(dim=0, keepdim=True)).clamp(0, 1)])
