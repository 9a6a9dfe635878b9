"""WarpedGANSpace: paths that bend, told apart by a reconstructor (Tzelepis, Tzimiropoulos, Patras, ICCV 2021).

    f_k(w) = sum_i b_i exp(-u_i |w - q_i|^2),   dw/de = grad f_k / |grad f_k|

f_k is a sum of dipoles: pairs q_i, b_i = 1 and q'_i, b'_i = -1. q and u are trained with the reconstructor of (k, e)
in `reconstructor`; a move of e follows the path in steps, as `fields.follow` does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import LinkGANError
from .fields import Warp
from .reconstructor import spread, train
from .task import Found, Method, Task

_STEPS = 4  # Euler steps of a move in training


def warped(
    task: Task,
    *,
    steps: int = 1000,
    dipoles: int = 8,
    reach: float = 3.0,
    weight: float = 0.25,
    rate: float = 2e-3,
) -> Found:
    """Train the supports and widths of the paths, and the reconstructor, together.

    Args:
        task: the network, in W or Z.
        steps: of training.
        dipoles: of each path.
        reach: largest |e|, in standard deviations.
        weight: lambda of |e - e^|.
        rate: learning rate.
    Raises:
        LinkGANError: impossible settings, or training that diverges.
    """
    if dipoles < 1:
        raise LinkGANError(f"dipoles={dipoles}; expected at least 1")
    unit, centre = spread(task), task.samples.float().mean(dim=0)
    random, device = task.random(), task.generator.device
    shape = [task.count, dipoles, task.dim]
    # In units of `unit` around `centre`, so that one rate suits every latent space: latents have length D^(1/2).
    ends = torch.randn([2, *shape], generator=random, device=device)
    supports = torch.cat([ends[0], ends[1]], dim=1).requires_grad_()
    signs = torch.ones([task.count, 2 * dipoles], device=device)
    signs[:, dipoles:] = -1
    logs = torch.zeros([task.count, 2 * dipoles], device=device).requires_grad_()  # of u D

    def warp(lengths: Tensor) -> Warp:
        return Warp(centre + unit * supports, signs, logs.exp() / (task.dim * unit**2), lengths)

    def shift(latents: Tensor, k: Tensor, e: Tensor) -> Tensor:
        field, there = warp(torch.full([task.count], unit, device=device)), latents
        for _ in range(_STEPS):
            there = there + (e / _STEPS)[:, None] * field.tangent(k, there)
        return there - latents

    accuracy = train(task, shift, [supports, logs], steps=steps, reach=reach, weight=weight, rate=rate)
    with torch.no_grad():
        vectors, lengths = _means(task, warp(torch.ones([task.count], device=device)))
        bend = Warp(*(part.cpu() for part in warp(lengths).tensors().values()))
    facts = {"reconstructor accuracy": accuracy, "by chance": 1 / task.count}
    return Found(lengths[:, None] * vectors, bend=bend, scaled=True, facts=facts)


def _means(task: Task, field: Warp) -> tuple[Tensor, Tensor]:
    """Return the mean velocities of paths of speed 1, [K, D], and the standard deviation of latents along them, [K]."""
    samples = task.samples[:1024].float()
    means = torch.stack([field.tangent(index, samples).mean(dim=0) for index in range(len(field))])
    along = means / means.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return means, (samples @ along.T).std(dim=0)


WARPED = Method(warped, "Tzelepis, Tzimiropoulos and Patras, ICCV 2021")
