"""`region_basis`: a basis of latent space whose directions change the regions of any generator, found from gradients.

With S the covariance of drawn latents and w = S^(1/2) u, let J be the derivative of the image by u and M_k the mask of
region k. The directions of region k are the leading solutions v of

    A_k v = lambda (T + eps I) v,    A_k = E[J^T M_k J],  T = E[J^T J]:

lambda is the share of the change along v that is inside the region. J is never formed: for r ~ N(0, I) in image space,
E_r[(J^T M^(1/2) r) (J^T M^(1/2) r)^T] = J^T M J, and J^T M^(1/2) r is one backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg
import torch
from torch import Tensor

from ..basis import Basis
from ..calls.rendering import Rendering
from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..links import LinkSpec

Array = npt.NDArray[np.float64]

SPREAD = 10_000  # latents that S is estimated from; they are not rendered
FIRST_SEED = 1 << 22  # away from the seeds that users look at and that metrics measure
FLOOR = 1e-2  # least eigenvalue of S, of their mean
RIDGE = 1e-2  # eps, of the mean eigenvalue of T: directions that hardly change the image are no region's
_PIXELS, _MOST = 4 * 256 * 256, 16  # images rendered at a time: as many pixels as 4 of 256 x 256, within bounds
_VALUES = 1 << 24  # numbers of the outer products that wait to be summed


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
    root = whitening(generator)
    grams = region_grams(generator, probes, batch or _batch(generator), seed, progress)
    # w = S^(1/2) u: the derivative by u is S^(1/2) times that by w, and a direction v of u is S^(1/2) v in w.
    return Basis.of(torch.from_numpy(directions_of(root @ grams @ root, spec, ridge) @ root))


def whitening(generator: LinkedGenerator) -> Array:
    """Return S^(1/2), float64 [D, D]; the identity in Z, whose axes are independent N(0, 1).

    Eigenvalues of S below FLOOR of their mean are raised to it.

    Raises:
        LinkGANError: all samples have the same latents.
    """
    dim = generator.spec.dim
    if generator.spec.space == "z":
        return np.eye(dim)
    latents = np.concatenate(
        [
            generator.draw(range(start, min(start + 1000, FIRST_SEED + SPREAD)))[:, 0].double().cpu().numpy()
            for start in range(FIRST_SEED, FIRST_SEED + SPREAD, 1000)
        ]
    )
    variances, axes = np.linalg.eigh(np.cov(latents.T).reshape(dim, dim))
    if not variances[-1] > 0:
        raise LinkGANError("the latents of all samples are the same, so they have no directions")
    deviations = np.sqrt(np.maximum(variances, FLOOR * variances.mean()))
    found: Array = (axes * deviations) @ axes.T
    return found


def region_grams(
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
    sums = [_Gram(generator.spec.dim) for _ in range(len(generator.spec.links) + 1)]
    starts = range(0, probes, batch)
    for start in progress(starts) if progress else starts:
        seeds = range(FIRST_SEED + seed + start, FIRST_SEED + seed + min(start + batch, probes))
        for gram, gradients in zip(sums, _gradients(generator, seeds, random), strict=True):
            gram.add(gradients)
    return np.stack([gram.sum() for gram in sums]) / probes


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
    scale = np.trace(total) / spec.dim
    if not scale > 0:
        raise LinkGANError("no latent axis changes the image, so no direction can be found")
    eased = total + ridge * scale * np.eye(spec.dim)
    own = []
    for gram, link in zip(grams, spec.links, strict=False):
        last = spec.dim - 1
        _, vectors = scipy.linalg.eigh(gram, eased, subset_by_index=[last + 1 - len(link.axes), last])
        # eigh scales v by v^T (T + eps) v = 1: within a link only the span counts, and all directions weigh the same.
        own.append(np.linalg.qr(vectors[:, ::-1])[0])
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


def _batch(generator: LinkedGenerator) -> int:
    side = generator.calls.resolution or 256
    return max(1, min(_MOST, _PIXELS // side**2))


def _gradients(generator: LinkedGenerator, seeds: range, random: torch.Generator) -> list[Tensor]:
    """Return J^T M^(1/2) r / (H W)^(1/2) of the images of seeds, [N, D] for each link and for the other pixels."""
    labels = generator.labels(seeds)
    with torch.enable_grad():
        latents = generator.draw(seeds, labels).detach().clone().requires_grad_()
        rendering = generator.rendering_with_gradients(latents, labels)
        image = rendering.image
        weights = _weights(generator, rendering.each(Tensor.detach), labels).sqrt()
        found = []
        for number, weight in enumerate(weights):
            noise = torch.randn(image.shape, generator=random, device=image.device)
            # Divided by the side, so that sums over pixels stay within half precision.
            probe = (noise * weight / (image.shape[2] * image.shape[3]) ** 0.5).to(image.dtype)
            (gradient,) = torch.autograd.grad(image, latents, probe, retain_graph=number + 1 < len(weights))
            found.append(gradient.float().sum(dim=1))  # a direction moves all layers alike
    if not all(bool(torch.isfinite(gradient).all()) for gradient in found):
        raise LinkGANError("the gradients of these images are not finite; render them in float32, as a CPU does")
    return found


@torch.no_grad()
def _weights(generator: LinkedGenerator, rendering: Rendering, labels: Tensor) -> Tensor:
    """Return the masks of the links and of the other pixels, [K + 1, 1 or N, 1, H, W]."""
    spec = generator.spec
    own = spec.region_masks(generator.scene(rendering, labels))[: len(spec.links)].clamp(0, 1)
    return torch.cat([own, (1 - own.sum(dim=0, keepdim=True)).clamp(0, 1)])
