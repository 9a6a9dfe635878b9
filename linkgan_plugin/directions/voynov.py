"""Directions that a reconstructor can tell apart (Voynov and Babenko, ICML 2020).

    w -> w + e A_k,   A [K, D]: orthonormal rows, or rows of length 1,

trained with the reconstructor of (k, e) in `reconstructor`. e is in standard deviations of the drawn latents.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import LinkGANError
from .reconstructor import spread, train
from .task import Found, Method, Task


def voynov(
    task: Task,
    *,
    steps: int = 1000,
    reach: float = 3.0,
    weight: float = 0.25,
    rate: float = 2e-3,
    orthonormal: bool = True,
) -> Found:
    """Train directions A and the reconstructor together.

    Args:
        task: the network, in W or Z.
        steps: of training; the paper takes 100,000 of a smaller rate.
        reach: largest |e|, in standard deviations.
        weight: lambda of |e - e^|.
        rate: learning rate.
        orthonormal: keep the directions orthonormal; without, only of length 1.
    Raises:
        LinkGANError: more orthonormal directions than axes, impossible settings, or training that diverges.
    """
    if orthonormal and task.count > task.dim:
        raise LinkGANError(
            f"{task.count} orthonormal directions in {task.dim} axes; ask for at most {task.dim}, or give "
            "--set orthonormal=false"
        )
    constraint = _orthonormal if orthonormal else _unit
    random = task.random()
    start = torch.randn([task.count, task.dim], generator=random, device=task.generator.device)
    rows = constraint(start).requires_grad_()
    unit = spread(task)

    def shift(latents: Tensor, k: Tensor, e: Tensor) -> Tensor:
        return unit * e[:, None] * rows[k]

    accuracy = train(
        task,
        shift,
        [rows],
        steps=steps,
        reach=reach,
        weight=weight,
        rate=rate,
        project=lambda: rows.copy_(constraint(rows)),  # type: ignore[arg-type]
    )
    return Found(rows.detach(), facts={"reconstructor accuracy": accuracy, "by chance": 1 / task.count})


def _orthonormal(rows: Tensor) -> Tensor:
    """Return the nearest orthonormal rows to [K, D], by their polar decomposition."""
    left, _, right = torch.linalg.svd(rows, full_matrices=False)
    return left @ right


def _unit(rows: Tensor) -> Tensor:
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)


VOYNOV = Method(voynov, "Voynov and Babenko, ICML 2020")
