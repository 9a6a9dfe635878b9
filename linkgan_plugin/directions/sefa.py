"""SeFa: closed-form factorization of a generator's first weights (Shen and Zhou, CVPR 2021).

With A the weights of the affine maps of the chosen layers, their rows normalised and stacked [S, D], the directions are

    n_k = the k-th eigenvector of A^T A,   largest eigenvalue first:

|A n|^2 is how much a step along n changes what the layers receive. Nothing is sampled. In W, A are the layers' style
affines; in Z, the first linear or (transposed) convolution layer that acts on z.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import LinkGANError
from .first import first_layer
from .task import Found, Method, Task


def sefa(task: Task, *, layers: str = "all") -> Found:
    """Return the leading eigenvectors of A^T A.

    Args:
        task: the network, in W or Z.
        layers: affine maps to use, as ranges such as `0:4`; in W only.
    """
    rows = _affine_rows(task, layers) if task.space == "w" else first_weight(first_layer(task), task.dim)
    rows = rows.double()
    rows = rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)
    _, vectors = np.linalg.eigh((rows.T @ rows).cpu().numpy())
    return Found(torch.from_numpy(vectors[:, ::-1][:, : task.count].T.copy()).float())


def _affine_rows(task: Task, layers: str) -> Tensor:
    """Return the weights of the affine maps in `layers`, float32 [S, D]."""
    weights = [weight for weight in task.styles.weights if weight.shape[1] == task.dim]
    chosen = range(len(weights)) if layers == "all" else task.numbers(layers, len(weights), "affine maps")
    return torch.cat([weights[number] for number in chosen])


def first_weight(network: nn.Module, dim: int) -> Tensor:
    """Return the first weight that acts on z, float32 [outputs, D].

    Raises:
        LinkGANError: no linear or convolution layer takes D channels or, where hosts append labels to z, more.
    """
    for module in network.modules():
        weight = getattr(module, "weight", None)
        if not isinstance(weight, Tensor):
            continue
        weight = weight.detach().float()
        if isinstance(module, nn.ConvTranspose2d) and len(weight) >= dim:
            return weight[:dim].flatten(1).T
        if weight.ndim >= 2 and weight.shape[1] >= dim and not isinstance(module, nn.ConvTranspose2d):
            return weight[:, :dim].transpose(1, -1).reshape(-1, dim)
    raise LinkGANError(f"{type(network).__name__} has no linear or convolution layer that takes z of {dim} numbers")


SEFA = Method(sefa, "Shen and Zhou, CVPR 2021")
