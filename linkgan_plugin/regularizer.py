"""The regularizer: LinkGAN Eq. 3-6 and our scale-invariant form. Pure tensors in, scalars out; knows no host.

Data flow: spec -> `Moves` -> `choose` -> (somebody moves latents and renders the pairs) -> `changes` -> `penalty`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .links import LinkSpec

# A region that covers less than this many pixels of an image is absent from it.
MIN_PIXELS = 0.5

# Mean squared change per image value, far below one grey level (1/255)^2; keeps 0/0 of a dead block at 0.
EPS = 1e-7


@dataclass(frozen=True)
class Moves:
    """The ways in which latents are moved, M of them, and the pixels that each may change.

    Attributes:
        names: what each move is called in the statistics.
        axes: bool [M, D], the axes that move.
        region: int64 [M], row of the spec's region masks that the move is about.
        inverted: bool [M], True where the allowed pixels are those *outside* that region.
        weights: float32 [M], lambda_1 or lambda_2 of Eq. 5.
        rest: bool [M], True for the move of the axes that no link owns.
    """

    names: tuple[str, ...]
    axes: Tensor
    region: Tensor
    inverted: Tensor
    weights: Tensor
    rest: Tensor

    def __len__(self) -> int:
        return len(self.names)

    def allowed(self, regions: Tensor) -> Tensor:
        """Return the pixels that each move may change: [B, N or 1, 1, H, W] masks -> [M, N or 1, 1, H, W]."""
        masks = regions[self.region]
        return torch.where(self.inverted.view(-1, 1, 1, 1, 1), 1 - masks, masks)

    def absent(self, regions: Tensor) -> Tensor:
        """Return where the region that a move is about is not in the image: bool [M, N or 1]."""
        return regions.sum(dim=[2, 3, 4])[self.region] < MIN_PIXELS


def block_moves(
    spec: LinkSpec, *, lambda_in: float = 1.0, lambda_out: float = 1.0, device: torch.device | str = "cpu"
) -> Moves:
    """Every block moves alone: each link's axes (lambda_out) and the rest (lambda_in). K + 1 moves.

    For one link this is Eq. 3 and Eq. 4; for K links it needs K + 1 renders where Eq. 6 needs 2K.
    """
    axes = spec.axis_masks(device=device)
    names = spec.block_names
    rest = torch.tensor([name == "rest" for name in names], device=device)
    return Moves(
        names=tuple(names),
        axes=axes,
        region=torch.arange(len(names), device=device),
        inverted=torch.zeros(len(names), dtype=torch.bool, device=device),
        weights=torch.where(rest, float(lambda_in), float(lambda_out)),
        rest=rest,
    )


def complement_moves(
    spec: LinkSpec, *, lambda_in: float = 1.0, lambda_out: float = 1.0, device: torch.device | str = "cpu"
) -> Moves:
    """The paper's moves: per link i its own axes (Eq. 4, lambda_2) and all others (Eq. 3, lambda_1). 2K moves."""
    own = spec.axis_masks(device=device)[: len(spec.links)]
    k = len(spec.links)
    return Moves(
        names=spec.names + tuple(f"{name}/others" for name in spec.names),
        axes=torch.cat([own, ~own]),
        region=torch.arange(k, device=device).repeat(2),
        inverted=torch.arange(2 * k, device=device) >= k,
        weights=torch.tensor([lambda_out] * k + [lambda_in] * k, dtype=torch.float32, device=device),
        rest=torch.arange(2 * k, device=device) >= k,
    )


def choose(
    count: int,
    samples: int,
    fan: int,
    generator: torch.Generator | None,
    device: torch.device | str,
) -> Tensor:
    """Give every sample some moves, all different, spread evenly over the moves and at random.

    Args:
        count: number of moves M. samples: batch size N. fan: moves per sample; 0, or more than M, = all M.
    Returns:
        int64 [F, N]: the moves of each sample, F = fan or M.
    """
    rows = min(fan or count, count)
    # Consecutive moves from a random start cover the moves as evenly as N allows; the permutation of the
    # moves keeps neighbours in the batch from always being paired with neighbours in the spec.
    start = torch.randint(count, [], generator=generator, device=device)
    order = torch.randperm(count, generator=generator, device=device)
    turns = torch.arange(samples * rows, device=device).view(samples, rows)
    return order[(turns + start) % count].T


@dataclass(frozen=True)
class Changes:
    """Squared change of each moved image: sums over channels and pixels, float32 [..., N], images in [-1, 1]."""

    forbidden: Tensor
    allowed: Tensor
    values: int  # channels * height * width, to turn sums into means


def changes(reference: Tensor, moved: Tensor, allowed: Tensor) -> Changes:
    """Split || moved - reference ||_2^2 into forbidden and allowed pixels.

    Eq. 3-4 multiply by a binary mask before squaring; a soft mask weighs the squared change by the covered share
    of the pixel, which is the same for binary masks and keeps forbidden + allowed = total.

    Args:
        reference: [N, C, H, W] images of any float dtype. moved: [..., N, C, H, W].
        allowed: [..., N, 1, H, W] float32 masks in [0, 1].
    Returns:
        Changes in float32, whatever the images' dtype (float64 stays float64): fp16 sums overflow.
    """
    dtype = torch.promote_types(torch.float32, moved.dtype)
    with torch.autocast(moved.device.type, enabled=False):
        square = (moved.to(dtype) - reference.to(dtype)).square().sum(dim=-3, keepdim=True)
        total = square.sum(dim=[-3, -2, -1])
        inside = (square * allowed.to(dtype)).sum(dim=[-3, -2, -1])
        return Changes(forbidden=total - inside, allowed=inside, values=reference[0].numel())


def with_leaks(change: Changes, others: Sequence[tuple[float, Changes]]) -> Changes:
    """Add to the forbidden change of an image those of other pictures of the scene, weighed per value of each.

    The allowed change stays the image's own: what is seen. Were depth counted there, a region could dig a hole instead
    of changing its looks, and would be praised for it.
    """
    leaks = [weight * change.values / other.values * other.forbidden for weight, other in others]
    return Changes(torch.stack([change.forbidden, *leaks]).sum(dim=0), change.allowed, change.values)


@dataclass(frozen=True)
class Penalty:
    """The regularizer's value and what it is made of.

    Attributes:
        loss: scalar with gradient, before weight and gain.
        forbidden, allowed: [M] mean squared change per image value of each move, no gradient.
        share: [M] forbidden / (forbidden + allowed), no gradient.
        present: bool [M], moves that some sample was paired with in which their region is.
        absent: [M] share of the samples paired with a move in which its region is not; not a number where none was.
    """

    loss: Tensor
    forbidden: Tensor
    allowed: Tensor
    share: Tensor
    present: Tensor
    absent: Tensor


def penalty(
    change: Changes, which: Tensor, moves: Moves, form: str, rest_floor: float = 0.0, absent: Tensor | None = None
) -> Penalty:
    """Reduce the changes to the regularizer's value.

    `squared` (Eq. 3-6): sum over moves of lambda_m * E[forbidden], E over the samples paired with the move, divided
    by the number of image values so that lambda means the same at every resolution.
    `share`: mean over moves of lambda_m * F / (F + Q), F and Q the batch means of forbidden and allowed change, with
    gradients through both. Shrinking a region's change does not lower it, so it cannot be won by collapse.
    `log`: mean over moves of lambda_m * -log(Q / (F + Q)), the same near 0. Where a region is small its share begins
    near 1, and there a change of log F moves the share by share * (1 - share), nearly nothing, and its log by share.

    Args:
        change: of some moved images. which: int64, of the same shape, the move of each. moves: the M moves.
        rest_floor: share that the move of the rest may have for free (hinge, `share` only).
        absent: bool, of the same shape, images without the move's region, which carry no loss; None = none.
    """
    count, which = len(moves), which.flatten()
    zeros = change.forbidden.new_zeros(count)
    there = zeros.new_ones(len(which)) if absent is None else (~absent).flatten().to(zeros.dtype)
    n, asked = zeros.index_add(0, which, there), zeros.index_add(0, which, torch.ones_like(there))
    present = n > 0
    scale = change.values * n.clamp(min=1)
    forbidden = zeros.index_add(0, which, change.forbidden.flatten() * there) / scale
    allowed = zeros.index_add(0, which, change.allowed.flatten() * there) / scale
    share = forbidden / (forbidden + allowed + EPS)
    weights = moves.weights.to(forbidden.dtype) * present
    if form == "squared":
        loss = (weights * forbidden).sum()
    else:
        cost = torch.log1p(forbidden / (allowed + EPS)) if form == "log" else share
        excess = torch.where(moves.rest, (cost - rest_floor).clamp(min=0), cost)
        loss = (weights * excess).sum() / present.sum().clamp(min=1)
    return Penalty(loss, forbidden.detach(), allowed.detach(), share.detach(), present, (asked - n) / asked)
