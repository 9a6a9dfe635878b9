"""GANSpace (GANSpace: Discovering Interpretable GAN Controls, NeurIPS 2020): principal components of latents.

In W, the directions are the principal components V of w, w' = w + V x. In Z, whose components are all alike, they are
those that change the principal components of early features most: with y = U^T (f(z) - mean) the leading components of
the first layer's outputs, the slopes of the least-squares fit y = A^T z + b. Regressing z on y, as the paper does, has
the same directions in the limit, as z and y are uncorrelated each; this way around they are exact for a linear layer.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..errors import LinkGANError
from .first import features, first_layer
from .task import Found, Method, Task

_BATCH = 1000  # latents drawn at a time
_VALUES = 1 << 30  # most numbers of features that are kept
_EXTRA, _PASSES = 8, 6  # of the randomised principal components


def ganspace(task: Task, *, samples: int = 10_000, layers: str = "all") -> Found:
    """Return the principal components, largest variance first.

    Args:
        task: the network, in W or Z.
        samples: latents drawn.
        layers: of W that the directions move, as ranges such as `0:4`.
    Raises:
        LinkGANError: fewer than 2 samples, or features that do not fit into memory.
    """
    if samples < 2:
        raise LinkGANError(f"ganspace of {samples} samples; expected at least 2")
    moved = task.layers(layers)
    vectors = _components(task, samples) if task.space == "w" else _regressed(task, samples)
    return Found(task.placed(vectors, moved))


def _components(task: Task, samples: int) -> Tensor:
    """Return the leading principal components of w, float64 [K, D]; memory does not grow with `samples`."""
    total, outer = np.zeros(task.dim), np.zeros([task.dim, task.dim])
    for start in task.progress(range(0, samples, _BATCH), "drawing latents"):
        rows = task.draw(start, min(_BATCH, samples - start))[0][:, 0].double().cpu().numpy()
        total += rows.sum(axis=0)
        outer += rows.T @ rows
    mean = total / samples
    _, vectors = np.linalg.eigh(outer / samples - np.outer(mean, mean))
    return torch.from_numpy(vectors[:, ::-1].T[: task.count].copy())


def _regressed(task: Task, samples: int) -> Tensor:
    """Return the directions of z along which the components of the first layer's outputs change, float64 [K, D]."""
    layer = first_layer(task)
    outputs, inputs = [], []
    for start in task.progress(range(0, samples, _BATCH), "reading features"):
        latents, labels = task.draw(start, min(_BATCH, samples - start))
        outputs.append(features(task, layer, latents, labels))
        inputs.append(latents[:, 0])
        if samples * outputs[0].shape[1] > _VALUES:
            most = _VALUES // outputs[0].shape[1]
            raise LinkGANError(
                f"{samples} samples of {outputs[0].shape[1]} features do not fit into memory; use at most {most}"
            )
    rows, z = torch.cat(outputs), torch.cat(inputs).double()
    scores = _scores(rows - rows.mean(dim=0), task.count, task.random())
    # y = A^T z + b by least squares
    centred = z - z.mean(dim=0)
    return torch.linalg.lstsq(centred, scores.double()).solution.T


def _scores(rows: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Return the leading principal components of rows [N, P], [N, count], by randomised subspace iteration."""
    count = min(count, *rows.shape)
    width = min(count + _EXTRA, *rows.shape)
    basis = torch.randn([rows.shape[1], width], generator=random, device=rows.device)
    for _ in range(_PASSES):
        basis = torch.linalg.qr(rows.T @ (rows @ basis))[0]
    projected = rows @ basis
    _, vectors = torch.linalg.eigh((projected.T @ projected).double())
    return projected @ vectors.flip(1)[:, :count].to(projected)


GANSPACE = Method(ganspace, "Härkönen et al., NeurIPS 2020")
