"""Training phases: the optimizer steps of G and D, and how often each is run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from training_loops import processes, training_stats, util
from training_loops.settings import set_settings, settings_of

# Endings of the names of moving averages: of our own modules, and of PyTorch's batch normalization.
_AVERAGES = ("_avg", "running_mean", "running_var")


@dataclass
class Phase:
    """One kind of optimizer step, run every `interval` iterations; `seconds`: duration of the last run, None before."""

    name: str
    module: torch.nn.Module
    opt: torch.optim.Optimizer
    interval: int
    seconds: float | None = field(default=None)


def setup_phases(
    name: str, module: torch.nn.Module, opt_kwargs: dict[str, Any], reg_interval: int | None
) -> list[Phase]:
    """Return the phases of a network: ``<name>both``, or ``<name>main`` and ``<name>reg`` with lazy regularization.

    Lazy regularization makes 1 + 1/interval optimizer steps per iteration; learning rate and betas are adjusted
    so that they mean the same per iteration (StyleGAN2, appendix B).
    """
    kwargs = dict(opt_kwargs)
    if reg_interval is not None:
        # c = k / (k + 1); lr' = c lr; beta' = beta^c
        ratio = reg_interval / (reg_interval + 1)
        kwargs["lr"] = kwargs["lr"] * ratio
        if "betas" in kwargs:
            kwargs["betas"] = [beta**ratio for beta in kwargs["betas"]]
    if "betas" in kwargs:  # torch expects two floats; options read from JSON may contain [0, 0.99]
        kwargs["betas"] = tuple(float(beta) for beta in kwargs["betas"])
    opt = _construct_optimizer(list(module.parameters()), kwargs)
    for group in opt.param_groups:
        group["initial_lr"] = group["lr"]
    if reg_interval is None:
        return [Phase(f"{name}both", module, opt, 1)]
    return [Phase(f"{name}main", module, opt, 1), Phase(f"{name}reg", module, opt, reg_interval)]


def _construct_optimizer(parameters: list[torch.nn.Parameter], kwargs: dict[str, Any]) -> torch.optim.Optimizer:
    """Return the optimizer, fused where this version of torch supports it for these parameters."""
    if kwargs["class_name"] in ("torch.optim.Adam", "torch.optim.AdamW") and not {"fused", "foreach"} & kwargs.keys():
        with contextlib.suppress(RuntimeError):
            return util.construct_class_by_name(parameters, fused=True, **kwargs)
    return util.construct_class_by_name(parameters, **kwargs)


def optimizers(phases: Iterable[Phase]) -> dict[str, torch.optim.Optimizer]:
    """Return the distinct optimizers by network name: ``{"G": ..., "D": ...}``."""
    return {phase.name[0]: phase.opt for phase in phases}


def set_learning_rate(phases: Iterable[Phase], fraction: float) -> None:
    """Set every learning rate to `fraction` of its initial value."""
    for opt in optimizers(phases).values():
        for group in opt.param_groups:
            group["lr"] = group["initial_lr"] * fraction


def run_phase(
    phase: Phase,
    loss: Any,
    rounds: list[dict[str, Tensor]],
    *,
    cur_nimg: int,
    num_gpus: int = 1,
    averages: Sequence[Tensor] = (),
) -> None:
    """Accumulate the gradients of all `rounds` (microbatches, kwargs for the loss) and take one optimizer step.

    Each round's loss is a mean over its samples; the gradient is the mean over rounds and processes, so it does not
    depend on how the batch is split. Neither do the moving `averages`, of any shape, that the loss updates: each round
    starts from the same values, and their changes are averaged too.

    Reports ``Gradients/<phase>/dropped``: the number of gradient entries that were NaN or infinite.
    """
    started = time.perf_counter()
    phase.opt.zero_grad(set_to_none=True)
    phase.module.requires_grad_(True)
    starts = [average.clone() for average in averages]
    moves = [torch.zeros_like(average) for average in averages]
    for inputs in rounds:
        loss.accumulate_gradients(phase=phase.name, gain=phase.interval, cur_nimg=cur_nimg, **inputs)
        for average, start, move in zip(averages, starts, moves, strict=True):
            move.add_(average - start)
            average.copy_(start)
    phase.module.requires_grad_(False)
    # g = 1 / (rounds processes) sum_r grad_r, and each average changes by the mean of its changes in the rounds.
    gradients = [p.grad for p in phase.module.parameters() if p.grad is not None]
    if gradients:
        _average([*gradients, *moves], rounds=len(rounds), num_gpus=num_gpus)
        training_stats.report0(f"Gradients/{phase.name}/dropped", _drop_non_finite([*gradients, *moves]))
        phase.opt.step()
    for average, move in zip(averages, moves, strict=True):
        average.add_(move)
    phase.seconds = time.perf_counter() - started


def _average(values: list[Tensor], *, rounds: int, num_gpus: int) -> None:
    """Average over rounds and processes, in place."""
    if num_gpus > 1:
        flat = torch.cat([value.flatten() for value in values])
        processes.add_up(flat)
        for value, part in zip(values, flat.split([value.numel() for value in values]), strict=True):
            value.copy_(part.view_as(value))
    if rounds * num_gpus > 1:
        for value in values:
            value.div_(rounds * num_gpus)


def _drop_non_finite(values: list[Tensor]) -> Tensor | int:
    """Replace NaN by 0 and infinities by +-1e5, in place; return how many there were, on the device of the values.

    Called on means over processes: non-finite values of one are replaced in all, so that their weights stay equal.
    """
    # A sum is finite only if its terms are, and counting takes five times as long; but a GPU would have to be asked.
    if values[0].device.type == "cpu" and bool(torch.stack([value.sum() for value in values]).isfinite().all()):
        return 0
    flat = torch.cat([value.flatten() for value in values])
    kept = torch.nan_to_num(flat, nan=0.0, posinf=1e5, neginf=-1e5)
    for value, part in zip(values, kept.split([value.numel() for value in values]), strict=True):
        value.copy_(part.view_as(value))
    return (~flat.isfinite()).sum()


def moving_averages(*modules: torch.nn.Module) -> list[Tensor]:
    """Return the buffers of `modules` that are moving averages, such as ``w_avg``, of shape [w_dim]."""
    names = [pair for module in modules for pair in module.named_buffers()]
    return [buffer for name, buffer in names if name.endswith(_AVERAGES)]


@torch.no_grad()
def update_ema(
    G_ema: torch.nn.Module, G: torch.nn.Module, *, cur_nimg: int, batch_size: int, ema_kimg: float, rampup: float | None
) -> None:
    """Update G_ema towards G with half-life `ema_kimg`, limited to `rampup` times the images seen.

    Buffers and settings are copied from G.
    """
    # theta_ema <- beta theta_ema + (1 - beta) theta, with beta = 2^(-batch / half-life)
    half_life = ema_kimg * 1000
    if rampup is not None:
        half_life = min(half_life, cur_nimg * rampup)
    beta = 0.5 ** (batch_size / max(half_life, 1e-8))
    for average, parameter in zip(G_ema.parameters(), G.parameters(), strict=True):
        average.lerp_(parameter, 1 - beta)
    for kept, buffer in zip(G_ema.buffers(), G.buffers(), strict=True):
        kept.copy_(buffer)
    set_settings(G_ema, settings_of(G))
