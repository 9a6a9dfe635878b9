"""Directions that bend: vector fields over a latent space, as plain tensors that a file can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from ..errors import LinkGANError, suggest

STEP = 0.25  # length of one Euler step, in the directions' own units


class Field(Protocol):
    """K vector fields. `kind` names the class in files; the tensors are its only state."""

    kind: ClassVar[str]

    @property
    def dim(self) -> int:
        """The number of axes D of the latents."""
        ...

    def __len__(self) -> int: ...

    def tangent(self, index: int, latents: Tensor) -> Tensor:
        """Return the velocity of direction `index` at latents [N, D]: [N, D]."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors that `from_tensors` reads: float32, of any shape, by name."""
        ...

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Field:
        """Return the field of the tensors [...] of `tensors()`, which are not trusted.

        Raises:
            LinkGANError: tensors that do not fit together.
        """
        ...


def follow(field: Field, index: int, latents: Tensor, amount: float) -> Tensor:
    """Move latents along a field by Euler steps of at most `STEP`.

    Args:
        field: the fields.
        index: which one.
        latents: [N, D].
        amount: how far, in the field's units; negative goes backwards.
    Returns:
        [N, D].
    """
    # w <- w + (amount / n) v(w), n times
    steps = max(1, -int(-abs(amount) // STEP))
    for _ in range(steps):
        latents = latents + amount / steps * field.tangent(index, latents)
    return latents


class Warp:
    """The normalised gradients of K sums of radial basis functions (WarpedGANSpace, ICCV 2021).

    f_k(w) = sum_i b_i exp(-u_i |w - q_i|^2);  velocity = length_k grad f_k / |grad f_k|

    Args:
        supports: q, float32 [K, M, D].
        weights: b, float32 [K, M].
        widths: u, float32 [K, M], above 0.
        lengths: float32 [K].
    """

    kind: ClassVar[str] = "warp"

    def __init__(self, supports: Tensor, weights: Tensor, widths: Tensor, lengths: Tensor) -> None:
        self.supports, self.weights, self.widths, self.lengths = supports, weights, widths, lengths
        if supports.ndim != 3 or weights.shape != supports.shape[:2] or widths.shape != supports.shape[:2]:
            raise LinkGANError(
                f"supports {list(supports.shape)}, weights {list(weights.shape)} and widths {list(widths.shape)} do "
                "not fit together; expected [K, M, D], [K, M] and [K, M]"
            )
        if lengths.shape != supports.shape[:1]:
            raise LinkGANError(f"{list(lengths.shape)} lengths for {len(supports)} directions")

    def __len__(self) -> int:
        return len(self.supports)

    @property
    def dim(self) -> int:
        """The number of axes D of the latents."""
        return self.supports.shape[2]

    def gradient(self, index: int | Tensor, latents: Tensor) -> Tensor:
        """Return grad f of direction `index` (one, or one for each row [N]) at latents [N, D]: [N, D]."""
        # grad f = -2 sum_i b_i u_i exp(-u_i |w - q_i|^2) (w - q_i)
        apart = latents[:, None] - self.supports[index].to(latents)  # [N, M, D]
        b, u = self.weights[index].to(latents), self.widths[index].to(latents)
        factor = -2 * b * u * torch.exp(-u * apart.square().sum(dim=2))
        return (factor[:, :, None] * apart).sum(dim=1)

    def tangent(self, index: int | Tensor, latents: Tensor) -> Tensor:
        """Return the velocity of direction `index` (one, or one for each row [N]) at latents [N, D]: [N, D]."""
        gradient = self.gradient(index, latents)
        lengths = self.lengths[index].to(latents).view(-1, 1)
        return lengths * gradient / gradient.norm(dim=1, keepdim=True).clamp(min=1e-12)

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors that `from_tensors` reads: supports [K, M, D], weights and widths [K, M], lengths [K]."""
        return {"supports": self.supports, "weights": self.weights, "widths": self.widths, "lengths": self.lengths}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Warp:
        """Return the field of `tensors()`, [K, ...] each. Raises LinkGANError if they do not fit together."""
        return cls(*_named(tensors, "supports", "weights", "widths", "lengths"))


class Perceptrons:
    """K networks of one hidden layer: velocity = V_k tanh(U_k w + a_k) + c_k.

    Args:
        hidden: U, float32 [K, H, D].
        hidden_bias: a, float32 [K, H].
        out: V, float32 [K, D, H].
        out_bias: c, float32 [K, D].
    """

    kind: ClassVar[str] = "perceptrons"

    def __init__(self, hidden: Tensor, hidden_bias: Tensor, out: Tensor, out_bias: Tensor) -> None:
        self.hidden, self.hidden_bias, self.out, self.out_bias = hidden, hidden_bias, out, out_bias
        shapes = [list(part.shape) for part in (hidden, hidden_bias, out, out_bias)]
        k, h, d = shapes[0] if len(shapes[0]) == 3 else (0, 0, 0)
        if shapes != [[k, h, d], [k, h], [k, d, h], [k, d]]:
            raise LinkGANError(f"weights of shapes {shapes} do not fit; expected [K, H, D], [K, H], [K, D, H], [K, D]")

    def __len__(self) -> int:
        return len(self.hidden)

    @property
    def dim(self) -> int:
        """The number of axes D of the latents."""
        return self.hidden.shape[2]

    def tangent(self, index: int, latents: Tensor) -> Tensor:
        """Return the velocity of direction `index` at latents [N, D]: [N, D]."""
        u, a, v, c = (part[index].to(latents) for part in (self.hidden, self.hidden_bias, self.out, self.out_bias))
        return torch.tanh(latents @ u.T + a) @ v.T + c

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors that `from_tensors` reads: [K, H, D], [K, H], [K, D, H] and [K, D]."""
        return {
            "hidden": self.hidden,
            "hidden_bias": self.hidden_bias,
            "out": self.out,
            "out_bias": self.out_bias,
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Perceptrons:
        """Return the field of `tensors()`, [K, ...] each. Raises LinkGANError if they do not fit together."""
        return cls(*_named(tensors, "hidden", "hidden_bias", "out", "out_bias"))


KINDS: dict[str, type[Warp] | type[Perceptrons]] = {kind.kind: kind for kind in (Warp, Perceptrons)}


def field_from(kind: str, tensors: Mapping[str, Tensor]) -> Field:
    """Return the field of a kind from its tensors [K, ...], which are not trusted.

    Raises:
        LinkGANError: an unknown kind, missing tensors, or tensors that do not fit together.
    """
    if kind not in KINDS:
        raise LinkGANError(f"unknown kind of directions '{kind:.40}'; {suggest(kind, KINDS)}")
    return KINDS[kind].from_tensors(tensors)


def _named(tensors: Mapping[str, Tensor], *names: str) -> list[Tensor]:
    missing = [name for name in names if name not in tensors]
    if missing:
        raise LinkGANError(f"the directions lack the tensors {', '.join(missing)}")
    return [tensors[name].float() for name in names]
