"""The regularizer: LinkGAN Eq. 3-6 and a scale-invariant form of it. Tensors in, scalars out; knows no host.

Data flow: spec -> `Perturbations` -> `assign_perturbations` -> (the caller perturbs latents and renders pairs) ->
`squared_change` -> `penalty`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .change import split_change
from .links import REST, LinkSpec

# A region that covers less than this many pixels of an image is absent from it.
MIN_PIXELS = 0.5

# Mean squared change per image value, far below one grey level (1/255)^2; keeps 0/0 of a dead block at 0.
EPS = 1e-7


@dataclass(frozen=True)
class Perturbations:
    """The M ways in which latents are perturbed, and where each may change the image.

    Attributes:
        names: name of each perturbation in the statistics.
        axes: bool [M, D], the axes that are perturbed.
        region: int64 [M], row of the spec's region masks that the perturbation is about.
        inverted: bool [M], True where the effect belongs *outside* that region.
        weights: float32 [M], lambda_1 (`lambda_in`) or lambda_2 (`lambda_out`) of Eq. 5.
        rest: bool [M], False for a link's own axes; True for those of no link, or for all but the link's.
    """

    names: tuple[str, ...]
    axes: Tensor
    region: Tensor
    inverted: Tensor
    weights: Tensor
    rest: Tensor

    def __len__(self) -> int:
        return len(self.names)

    def effect_masks(self, regions: Tensor, which: Tensor) -> Tensor:
        """Return the pixels that the perturbation of each image may change; memory does not depend on M.

        Args:
            regions: [B, N or 1, 1, H, W], the region masks of the N samples, or of all.
            which: int64 [F, N], the perturbations of each sample.
        Returns:
            [F, N, 1, H, W].
        """
        samples = which.shape[1]
        of_each = regions.expand(-1, samples, -1, -1, -1)
        masks = of_each[self.region[which], torch.arange(samples, device=which.device)]
        # 1 - m where inverted, else m: both are exact
        flip = self.inverted[which].to(masks.dtype)[..., None, None, None]
        return torch.addcmul(flip, masks, 1 - 2 * flip)

    def absent(self, regions: Tensor) -> Tensor:
        """Return where the region of a perturbation is not in the image: bool [M, N or 1]."""
        return regions.sum(dim=[2, 3, 4])[self.region] < MIN_PIXELS


def block_perturbations(
    spec: LinkSpec, *, lambda_in: float = 1.0, lambda_out: float = 1.0, device: torch.device | str = "cpu"
) -> Perturbations:
    """Perturb every block alone: each link's axes (lambda_out) and the rest (lambda_in). K + 1 perturbations.

    For one link this is Eq. 3 and Eq. 4; for K links it needs K + 1 renders where Eq. 6 needs 2K.

    Args:
        spec: the links.
        lambda_in: weight of the leak into regions, of the rest.
        lambda_out: weight of the leak out of a region, of its link.
        device: of the tensors.
    """
    names = spec.block_names
    rest = torch.tensor([name == REST for name in names], device=device)
    return Perturbations(
        names=names,
        axes=spec.axis_masks(device=device),
        region=torch.arange(len(names), device=device),
        inverted=torch.zeros(len(names), dtype=torch.bool, device=device),
        weights=torch.where(rest, float(lambda_in), float(lambda_out)),
        rest=rest,
    )


def complement_perturbations(
    spec: LinkSpec, *, lambda_in: float = 1.0, lambda_out: float = 1.0, device: torch.device | str = "cpu"
) -> Perturbations:
    """The paper's: for each link its own axes (Eq. 4, lambda_2) and all others (Eq. 3, lambda_1). 2K perturbations.

    Args:
        spec: the links.
        lambda_in: lambda_1, of the leak into a region.
        lambda_out: lambda_2, of the leak out of it.
        device: of the tensors.
    """
    k = len(spec.links)
    own = spec.axis_masks(device=device)[:k]
    others = torch.arange(2 * k, device=device) >= k
    return Perturbations(
        names=spec.names + tuple(f"{name}/others" for name in spec.names),
        axes=torch.cat([own, ~own]),
        region=torch.arange(k, device=device).repeat(2),
        inverted=others,
        weights=torch.where(others, float(lambda_in), float(lambda_out)),
        rest=others,
    )


def assign_perturbations(
    count: int,
    samples: int,
    per_sample: int,
    generator: torch.Generator | None,
    device: torch.device | str,
) -> Tensor:
    """Assign perturbations to samples: different ones to each sample, evenly over all perturbations, at random.

    Args:
        count: number of perturbations M.
        samples: batch size N.
        per_sample: perturbations of each sample; 0, or more than M, for all M.
        generator: source of the random order; None for PyTorch's own.
        device: of the result.
    Returns:
        int64 [F, N]: the perturbations of each sample, F = `per_sample` or M.
    """
    rows = min(per_sample or count, count)
    # Consecutive numbers from a random start cover the perturbations as evenly as N allows; the permutation keeps
    # neighbours in the batch from always being paired with neighbours in the spec.
    start = torch.randint(count, [], generator=generator, device=device)
    order = torch.randperm(count, generator=generator, device=device)
    numbers = torch.arange(samples * rows, device=device).view(samples, rows)
    return order[(numbers + start) % count].T


@dataclass(frozen=True)
class SquaredChange:
    """Squared change of each perturbed image, images in [-1, 1].

    Attributes:
        leak: float32 [..., N], sum over channels and the pixels that should not change.
        effect: float32 [..., N], sum over channels and the pixels that may change.
        values: C * H * W, which turns sums into means.
    """

    leak: Tensor
    effect: Tensor
    values: int


def squared_change(reference: Tensor, perturbed: Tensor, effect_mask: Tensor) -> SquaredChange:
    """Split || perturbed - reference ||_2^2 into effect and leak (Eq. 3-4).

    Args:
        reference: [N, C, H, W] images, float of any precision.
        perturbed: [..., N, C, H, W] images.
        effect_mask: [..., N, 1, H, W] in [0, 1], the pixels that may change.
    Returns:
        Sums in float32, or float64 for float64 images.
    """
    effect, leak = split_change(reference, perturbed, effect_mask)
    return SquaredChange(leak, effect, values=reference[0].numel())


def with_leaks(change: SquaredChange, others: Sequence[tuple[float, SquaredChange]]) -> SquaredChange:
    """Add the leaks of other renderings of the same scene, such as its depth, weighted per value of each.

    The effect stays that of the image alone: a change of depth that the image does not show must not count as one.
    """
    leaks = [weight * change.values / other.values * other.leak for weight, other in others]
    return SquaredChange(torch.stack([change.leak, *leaks]).sum(dim=0), change.effect, change.values)


@dataclass(frozen=True)
class Penalty:
    """The regularizer's value and what it is made of.

    Attributes:
        loss: scalar with gradient, before weight and gain.
        leak: [M] mean squared leak per image value of each perturbation, no gradient.
        effect: [M] mean squared effect per image value, no gradient.
        share: [M] leak / (leak + effect), no gradient.
        present: bool [M], perturbations assigned to some sample that shows their region.
        absent: [M] share of the samples of a perturbation that do not show its region; NaN where it has no samples.
        images: the number of perturbed images.
    """

    loss: Tensor
    leak: Tensor
    effect: Tensor
    share: Tensor
    present: Tensor
    absent: Tensor
    images: int


def penalty(
    change: SquaredChange,
    which: Tensor,
    perturbations: Perturbations,
    form: str,
    rest_floor: float = 0.0,
    absent: Tensor | None = None,
) -> Penalty:
    """Reduce squared changes to the regularizer's value.

    With F_m and Q_m the mean leak and mean effect of the samples of perturbation m, per image value::

        squared   sum_m  lambda_m F_m                         Eq. 3-6; lambda means the same at every resolution
        share     mean_m lambda_m F_m / (F_m + Q_m)           gradients through both F and Q
        log       mean_m lambda_m -log(Q_m / (F_m + Q_m))     = share where the share is small

    Sums and means are over the perturbations that are present; EPS is added to Q_m.
    `squared` is lowered by a region that stops changing; `share` and `log` are not, since they do not depend on scale.
    Where a region is small its share begins near 1. There a change of log F changes the share by share (1 - share),
    which is nearly nothing, but its log by share: `log` then trains faster.

    Args:
        change: of the perturbed images, [..., N] each.
        which: int64 [..., N], the perturbation of each image.
        perturbations: all M of them.
        form: `share`, `log` or `squared`.
        rest_floor: share that the perturbation of the rest may have at no cost (a hinge; `share` only).
        absent: bool [..., N], images without the perturbation's region, which carry no loss; None for none.
    """
    count, which = len(perturbations), which.flatten()
    zeros = change.leak.new_zeros(count)
    shown = zeros.new_ones(len(which)) if absent is None else (~absent).flatten().to(zeros.dtype)
    n, assigned = zeros.index_add(0, which, shown), zeros.index_add(0, which, torch.ones_like(shown))
    present = n > 0
    scale = change.values * n.clamp(min=1)
    leak = zeros.index_add(0, which, change.leak.flatten() * shown) / scale
    effect = zeros.index_add(0, which, change.effect.flatten() * shown) / scale
    share = leak / (leak + effect + EPS)
    weights = perturbations.weights.to(leak.dtype) * present
    if form == "squared":
        loss = (weights * leak).sum()
    else:
        # -log(Q / (F + Q)) = log(1 + F / Q)
        cost = torch.log1p(leak / (effect + EPS)) if form == "log" else share
        cost = torch.where(perturbations.rest, (cost - rest_floor).clamp(min=0), cost)
        loss = (weights * cost).sum() / present.sum().clamp(min=1)
    without = (assigned - n) / assigned  # 0 / 0 = NaN without samples
    return Penalty(loss, leak.detach(), effect.detach(), share.detach(), present, without, len(which))
