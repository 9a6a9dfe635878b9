"""Pairs whose metrics are known: of a linear generator, by formula, and of random images, by loops over pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace

import numpy as np
import torch
from torch import Tensor

from linkgan_plugin.metrics.base import AttributeReadings, Metric, PairBatch
from linkgan_plugin.metrics.estimate import Estimate
from linkgan_plugin.perturb import Perturbation, replace_axes, swap

SIZE, DIM, CHANNELS = 6, 5, 3
BLOCK = (0, 1)
REST = (2, 3, 4)
ALL = BLOCK + REST


class Planted:
    """image = sum_d w_d P_d, of normal axes w and fixed patterns P_d; a soft region in its upper left.

    A perturbation adds normal e_d of variance s^2 to some axes B (s^2 = 2 for swaps: donor minus original; alpha^2
    for Gaussian noise of strength alpha). The squared change, weighted by u_p, is then the quadratic form
        sum_p u_p mean_c (sum_B e_d P_dpc)^2 = e' M e,   M_de = sum_p u_p mean_c P_dpc P_epc for d, e in B, else 0
    whose mean is s^2 tr(M) and whose variance 2 s^4 tr(M^2).
    """

    def __init__(self, seed: int = 0) -> None:
        random = torch.Generator().manual_seed(seed)
        self.patterns = torch.randn(DIM, CHANNELS, SIZE, SIZE, generator=random)
        self.patterns[list(BLOCK), :, 3:, 3:] *= 0.2  # the block acts in the region more than elsewhere
        self.mask = torch.zeros(1, SIZE, SIZE)
        self.mask[:, :4, :4] = 0.75
        self.mask[:, :3, :3] = 1

    def form(self, weights: Tensor, axes: Sequence[int]) -> np.ndarray:
        """Return M [D, D] of pixel weights [1, H, W] and the axes that are perturbed, float64."""
        patterns = self.patterns.double().flatten(2).numpy()
        chosen = np.isin(range(DIM), axes)
        form = np.einsum("dcp,ecp,p->de", patterns, patterns, weights.double().flatten().numpy()) / CHANNELS
        return form * np.outer(chosen, chosen)

    def inside(self, axes: Sequence[int], *, mean: bool = False) -> np.ndarray:
        """Return M of the change in the region: the sum over its pixels, or their mean."""
        return self.form(self.mask / (self.mask.double().sum() if mean else 1), axes)

    def outside(self, axes: Sequence[int], *, mean: bool = False) -> np.ndarray:
        """Return M of the change outside the region."""
        weights = 1 - self.mask
        return self.form(weights / (weights.double().sum() if mean else 1), axes)

    def images(self, latents: Tensor) -> Tensor:
        """Render latents [N, 1, D]."""
        return torch.einsum("nd,dchw->nchw", latents[:, 0], self.patterns)

    def pairs(self, count: int, seed: int, perturb: Perturbation = swap, strength: float = 1.0) -> PairBatch:
        """Return pairs whose axes go where `perturb` says."""
        random = torch.Generator().manual_seed(seed)
        latents, donors = torch.randn(2, count, 1, DIM, generator=random)
        target = perturb(latents, donors, strength, random)
        block = torch.tensor([axis in BLOCK for axis in range(DIM)])
        return PairBatch(
            original=self.images(latents),
            donor=self.images(target),
            linked=self.images(replace_axes(latents, target, block)),
            others=self.images(replace_axes(latents, target, ~block)),
            mask=self.mask.expand(count, -1, -1, -1),
        )


def mean_by_formula(form: np.ndarray, variance: float, count: int) -> tuple[float, float]:
    """Return mean and standard error of e' M e over `count` pairs, of perturbations of variance s^2."""
    return variance * np.trace(form), variance * np.sqrt(2 * np.trace(form @ form) / count)


def ratio_by_formula(top: np.ndarray, bottom: np.ndarray, count: int) -> tuple[float, float]:
    """Return e' T e / e' B e over `count` pairs and its standard error; the perturbation's variance cancels.

    R = tr(T) / tr(B), and by the delta method var R = var(e' (T - R B) e) / n / (s^2 tr(B))^2.
    """
    value = np.trace(top) / np.trace(bottom)
    residual = top - value * bottom
    return value, np.sqrt(2 * np.trace(residual @ residual) / count) / np.trace(bottom)


def random_pairs(count: int, seed: int = 0, size: tuple[int, int] = (4, 5)) -> PairBatch:
    """Return unrelated images, masks that are soft and differ from pair to pair, and readings of 4 attributes."""
    random = torch.Generator().manual_seed(seed)
    images = torch.rand(4, count, CHANNELS, *size, generator=random) * 2 - 1
    values = np.random.default_rng(seed).normal(size=(4, count, 4))
    values[1:] += values[0]
    return PairBatch(
        *images,
        mask=torch.rand(count, 1, *size, generator=random),
        readings=AttributeReadings(*values, owned=np.array([True, False, True, False])),
    )


def rows_of(batch: PairBatch, rows: slice | Sequence[int]) -> PairBatch:
    """Return some pairs of a batch, in a given order."""
    reading = batch.readings
    if reading is not None:
        figures = {f.name: getattr(reading, f.name)[rows] for f in fields(reading) if f.name != "owned"}
        reading = replace(reading, **figures)
    tensors = {name: getattr(batch, name)[rows] for name in ("original", "donor", "linked", "others", "mask")}
    return PairBatch(**tensors, readings=reading)


def change_by_loops(batch: PairBatch, edited: Tensor) -> list[tuple[float, float]]:
    """Return (inside, outside) of each pair: squared change summed over pixels, in plain float64 loops."""
    changes = []
    count, channels, height, width = batch.original.shape
    for i in range(count):
        inside = outside = 0.0
        for y in range(height):
            for x in range(width):
                square = sum(
                    (float(edited[i, c, y, x]) - float(batch.original[i, c, y, x])) ** 2 for c in range(channels)
                )
                weight = float(batch.mask[i, 0, y, x])
                inside += weight * square / channels
                outside += (1 - weight) * square / channels
        changes.append((inside, outside))
    return changes


def areas_by_loops(batch: PairBatch) -> list[tuple[float, float]]:
    """Return the number of pixels (inside, outside) the region, of each pair."""
    pixels = [[float(value) for value in mask.flatten()] for mask in batch.mask]
    return [(sum(mask), sum(1 - value for value in mask)) for mask in pixels]


def measured(metric: type[Metric], *batches: PairBatch) -> Estimate:
    """Show a metric some batches and return its estimate."""
    instance = metric()
    for batch in batches:
        instance.update(batch)
    return instance.result()


def averaged(values: Iterable[float]) -> float:
    """Return the mean of numbers."""
    found = list(values)
    return sum(found) / len(found)
