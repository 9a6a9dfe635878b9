"""What an encoder is trained on besides images: known latents, a latent discriminator, pairs that share a region."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..links import LinkSpec
from ..perturb import replace_axes

_HIDDEN = 128
_LEAK = 0.2
_LEAST_DEVIATION = 1e-3  # of an axis, as a share of the root mean square over the axes
_LEAST_VARIANCE = 1e-3  # of a principal component, as a share of their mean


class LatentStatistics:
    """Mean, deviations and covariance of drawn latents.

    Args:
        drawn: [N, w_dim].
        spec: links whose coordinates are measured; None for the axes of W.
    Attributes:
        mean: [w_dim].
        deviation: [w_dim], of each axis, kept away from 0.
        coordinates: [w_dim], the deviation of each coordinate of the links.
    """

    def __init__(self, drawn: Tensor, spec: LinkSpec | None = None) -> None:
        self.mean = drawn.double().mean(dim=0).to(drawn)
        self.deviation = _deviation(drawn)
        self.coordinates = _deviation(coordinates(drawn, spec))
        centred = (drawn - self.mean).double().cpu()
        variances, self._directions = torch.linalg.eigh(centred.T @ centred / len(centred))
        self._variances = variances.clamp_min(float(variances.mean()) * _LEAST_VARIANCE)

    def mahalanobis(self, latents: Tensor) -> Tensor:
        """Return ``sqrt((w - mu)^T C^-1 (w - mu) / w_dim)``, about 1 for drawn latents, the mean over the rows: [N].

        Components of less than a thousandth of the mean variance count as having that much.

        Args:
            latents: [N, L, w_dim].
        """
        parts = (latents - self.mean).double().cpu() @ self._directions
        return (parts.square() / self._variances).mean(dim=2).sqrt().mean(dim=1).float()


def coordinates(latents: Tensor, spec: LinkSpec | None) -> Tensor:
    """Return the axes [..., D] that the links divide, of latents [..., D]."""
    return latents if spec is None or spec.basis is None else spec.basis.coordinates(latents)


def _deviation(rows: Tensor) -> Tensor:
    found = rows.double().std(dim=0)
    return found.clamp_min(max(1e-12, _LEAST_DEVIATION * float(found.square().mean().sqrt()))).to(rows)


class LatentDiscriminator(nn.Module):
    """Tells latents that the mapping network drew from those of the encoder: a small network on one row of W.

    Args:
        statistics: that normalise w.
        c_dim: numbers in a label.
    """

    def __init__(self, statistics: LatentStatistics, c_dim: int) -> None:
        super().__init__()
        self._statistics = statistics
        sizes = (len(statistics.mean) + c_dim, _HIDDEN, _HIDDEN, 1)
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(sizes))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Latents [N, L, w_dim] and labels [N, c_dim] -> logits [N, L], high for drawn ones."""
        rows = (latents - self._statistics.mean) / self._statistics.deviation
        found = torch.cat([rows, labels[:, None].expand(-1, rows.shape[1], -1)], dim=2)
        for layer in self.layers[:-1]:
            found = F.leaky_relu(layer(found), _LEAK)
        logits: Tensor = self.layers[-1](found)
        return logits.squeeze(2)


def discriminator_loss(
    discriminator: LatentDiscriminator, drawn: Tensor, encoded: Tensor, labels: Tensor, penalty: float
) -> Tensor:
    """Return ``softplus(D(w^)) + softplus(-D(w)) + penalty / 2 |grad D(w)|^2`` (R1, in deviations of W): a scalar.

    Args:
        discriminator: D.
        drawn: [N, 1, w_dim], w.
        encoded: [N, L, w_dim], w^, without gradients.
        labels: [N, c_dim].
        penalty: weight of R1.
    """
    drawn = drawn.detach().requires_grad_()
    real = discriminator(drawn, labels)
    (slope,) = torch.autograd.grad(real.sum(), drawn, create_graph=True)
    r1 = (slope * discriminator._statistics.deviation).square().sum(dim=(1, 2)).mean()
    return F.softplus(discriminator(encoded, labels)).mean() + F.softplus(-real).mean() + penalty / 2 * r1


class Pairs(NamedTuple):
    """Latents of images that share a block of axes.

    Attributes:
        first: [N, L, D].
        second: [N, L, D]; the same as `first` in the shared block, another sample's in all others.
        shared: bool [N, D], the block.
    """

    first: Tensor
    second: Tensor
    shared: Tensor


class LinkTerm:
    """The link term: images that share a region's axes must be encoded with the same coordinates on them.

    ``mean over pairs (a, b) and axes i in S of ((E(a)_i - E(b)_i) / sigma_i)^2``. The latents of b are those of a with
    all axes outside S replaced by another sample's. S is the axes of one link, or all others: then only that link's
    region differs.

    Args:
        spec: links in W.
        deviation: [D], sigma of each coordinate.
    """

    def __init__(self, spec: LinkSpec, deviation: Tensor) -> None:
        self.spec, self._deviation = spec, deviation
        links = spec.axis_masks(device=deviation.device)[: len(spec.links)]
        blocks = torch.cat([links, ~links])
        self.blocks = blocks[blocks.any(dim=1)]  # bool [up to 2 K, D]

    def pairs(self, latents: Tensor, donors: Tensor, chosen: Tensor) -> Pairs:
        """Return pairs of latents.

        Args:
            latents: [N, L, D].
            donors: [N, L, D], other samples.
            chosen: int [N], the rows of `blocks` that are shared.
        """
        shared = self.blocks[chosen]
        return Pairs(latents, replace_axes(latents, donors, ~shared, self.spec.basis), shared)

    def changes(self, first: Tensor, second: Tensor, shared: Tensor) -> Tensor:
        """Return the mean square change of the shared coordinates in deviations, [N].

        Args:
            first: [N, L, D], encoded latents.
            second: [N, L, D], those of the other images.
            shared: bool [N, D].
        """
        change = (coordinates(first, self.spec) - coordinates(second, self.spec)) / self._deviation
        mask = shared[:, None].to(change)
        return (change.square() * mask).sum(dim=2).mean(dim=1) / mask.sum(dim=2).mean(dim=1).clamp_min(1)
