"""How a factor depends on the position along its direction, and the field that moves by units of the factor."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.optimize
import torch
from torch import Tensor

from ..errors import LinkGANError
from .learned import Coordinates

Array = npt.NDArray[np.float64]

_PIECES = 8  # of g
_FLATTEST = 0.2  # least slope of g, of its mean: where nothing was learned, edits stay finite


def monotone(before: Array, after: Array, amounts: Array) -> tuple[Array, Array]:
    """Fit a piecewise linear, increasing g with g(after) - g(before) = amounts, by least squares.

    Args:
        before: positions <z_0, u>, float64 [N].
        after: positions <z_t, u>, float64 [N].
        amounts: t, float64 [N].
    Returns:
        Knots [P + 1], among which positions are spread evenly, and slopes [P] from _FLATTEST of their mean on.
    Raises:
        LinkGANError: g does not grow.
    """
    knots = np.quantile(np.concatenate([before, after]), np.linspace(0, 1, _PIECES + 1))
    inner = knots[1:-1]
    lower, upper = np.append(-np.inf, inner), np.append(inner, np.inf)

    def lengths(positions: Array) -> Array:
        # g(p) = sum_j slope_j (length of piece j from its end near 0 to p): only differences of g count
        clipped = np.clip(positions[:, None], lower, upper)
        return clipped - np.clip(0.0, lower, upper)

    slopes, _ = scipy.optimize.nnls(lengths(after) - lengths(before), amounts)
    if not slopes.max() > 0:
        raise LinkGANError("the factor does not grow along its direction: give more images, points or steps")
    return knots, np.maximum(slopes, _FLATTEST * slopes.mean())


def in_units(coordinates: Coordinates, unit: Tensor, knots: Array, slopes: Array) -> tuple[Tensor, ...]:
    """Return the tensors of one of `Perceptrons` with velocity u / g'(<z, u>); steps of g' are smoothed by tanh.

    Args:
        coordinates: of the latent space; z are latents in these.
        unit: u, float32 [D], of length 1 in these coordinates.
        knots: of g, float64 [P + 1].
        slopes: of g, float64 [P], above 0.
    Returns:
        U [P - 1, D], a [P - 1], V [D, P - 1] and c [D], for latents as they are.
    """
    speeds = 1 / slopes
    # a step at knot k from s_k to s_(k+1) is (s_(k+1) - s_k) / 2 tanh(sharp (p - knot)), around (first + last) / 2
    sharp = 2 * len(slopes) / max(float(knots[-1] - knots[0]), 1e-12)
    steps = torch.from_numpy(np.diff(speeds) / 2).to(unit)
    bias = torch.from_numpy(-sharp * knots[1:-1]).to(unit)
    toward, away = unit @ coordinates.root, coordinates.inverse @ unit
    hidden = sharp * away.expand(len(steps), -1)
    shift = bias - hidden @ coordinates.mean
    return hidden, shift, toward[:, None] * steps, toward * float(speeds[0] + speeds[-1]) / 2
