"""ReSeFa (Region-Based Semantic Factorization in GANs, ICML 2022): what changes a region most and the rest least.

The directions n of w maximise n^T J_in^T J_in n / n^T (J_out^T J_out + eps I) n, with J the derivative of the image by
w averaged over samples. They are generalised eigenvectors, found for w whitened by its covariance (see `jacobians`), so
that eps weighs a direction by how far latents spread along it; without eps, whitening changes nothing.
"""

from __future__ import annotations

import torch

from ..errors import LinkGANError
from .jacobians import RIDGE, leading, region_grams
from .task import Found, Method, Task


def resefa(task: Task, *, probes: int = 2048, ridge: float = RIDGE, layers: str = "all") -> Found:
    """Return the leading generalised eigenvectors.

    Args:
        task: the network and the region, in W or Z.
        probes: images rendered, with two backward passes each; several times the axes of a latent.
        ridge: eps as a share of the mean eigenvalue of J^T J.
        layers: of W that the directions move, as ranges such as `0:4`.
    Raises:
        LinkGANError: settings out of range, or a region that nothing changes.
    """
    if not ridge > 0:
        raise LinkGANError(f"ridge {ridge:g}; expected above 0")
    moved = task.layers(layers)
    root, (inside, outside) = region_grams(task, probes, moved)
    vectors = leading(inside, inside + outside, ridge, task.count)
    return Found(task.placed(torch.from_numpy(vectors.T @ root), moved))


RESEFA = Method(resefa, "Zhu et al., ICML 2022", local=True)
