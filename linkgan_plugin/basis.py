"""A basis of latent space: axis i of a link spec is then the i-th coordinate in the basis instead of that of w."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training_loops.formats.budget import MOST_BASIS_AXES
from training_loops.formats.json_text import fields_of

from .errors import LinkGANError

MOST_CONDITION = 1e3  # float32 keeps 7 digits: coordinates of a basis of this condition keep 4 of them
_ORTHONORMAL = 1e-5  # largest entry of rows @ rows^T - I at which the inverse is the transpose
_FIELDS = {"dim": int, "data": str}


@dataclass(frozen=True)
class Basis:
    """An invertible change of coordinates of a latent space: latent = coordinates @ rows. Equal content is equal.

    Attributes:
        dim: number of axes D.
        data: the rows [D, D], the directions, as little-endian float32.
    Raises:
        LinkGANError: data of another size, more axes than `MOST_BASIS_AXES`, numbers that are not finite, or a
            condition number above `MOST_CONDITION`.
    """

    dim: int
    data: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _check_side(self.dim)
        if len(self.data) != 4 * self.dim**2:
            raise LinkGANError(
                f"a basis of {self.dim} axes has {len(self.data)} bytes, expected {4 * self.dim**2}: "
                f"float32 [{self.dim}, {self.dim}]"
            )
        rows = self._array
        if not np.isfinite(rows).all():
            raise LinkGANError(f"{int((~np.isfinite(rows)).sum())} numbers of the basis are not finite")
        singular_values = np.linalg.svd(rows, compute_uv=False)
        condition = singular_values[0] / singular_values[-1] if singular_values[-1] else np.inf
        if condition > MOST_CONDITION:
            raise LinkGANError(
                f"the basis has condition number {condition:.3g}, expected at most {MOST_CONDITION:g}: "
                "its directions are nearly dependent"
            )

    @classmethod
    def of(cls, rows: Tensor) -> Basis:
        """Return the basis whose directions are `rows`, float [D, D].

        Raises:
            LinkGANError: another shape, or as the class.
        """
        if rows.ndim != 2 or rows.shape[0] != rows.shape[1]:
            raise LinkGANError(f"a basis of shape {list(rows.shape)}, expected [D, D]")
        return cls(len(rows), np.ascontiguousarray(rows.detach().cpu().numpy(), dtype="<f4").tobytes())

    def to_json(self) -> dict[str, Any]:
        """Return the basis as plain JSON-able data, exact to the bit."""
        return {"dim": self.dim, "data": base64.b64encode(self.data).decode("ascii")}

    @classmethod
    def from_json(cls, data: Any) -> Basis:
        """Return the basis of `to_json` data, which may be untrusted: its size is checked before it is decoded.

        Raises:
            LinkGANError: malformed data, or as the class.
        """
        found = fields_of(data, "the basis", _FIELDS)
        dim, text = found["dim"], found["data"]
        _check_side(dim)
        expected = -(-4 * dim**2 // 3) * 4
        if len(text) != expected:
            raise LinkGANError(f"the basis of {dim} axes has {len(text)} letters of base64, expected {expected}")
        try:
            return cls(dim, base64.b64decode(text, validate=True))
        except ValueError as error:
            if isinstance(error, LinkGANError):
                raise
            raise LinkGANError(f"'data' of the basis is not base64 text: {error}") from error

    def described(self) -> dict[str, Any]:
        """Return the number of axes and the SHA-256 of the data, for records that need no 4 D^2 bytes of numbers."""
        return {"dim": self.dim, "sha256": hashlib.sha256(self.data).hexdigest()}

    @property
    def rows(self) -> Tensor:
        """The directions, float32 [D, D] on the CPU."""
        return self._matrices["cpu"][0]

    @property
    def inverse(self) -> Tensor:
        """The inverse of `rows`, float32 [D, D] on the CPU; their transpose where they are orthonormal."""
        return self._matrices["cpu"][1]

    def coordinates(self, latents: Tensor) -> Tensor:
        """Return the coordinates of latents [..., D]: latents @ inverse, float32 [..., D]."""
        with torch.autocast(latents.device.type, enabled=False):
            # Contiguous: the same numbers laid out otherwise may be summed in another order.
            return latents.float().contiguous() @ self._on(latents.device)[1]

    def latents(self, coordinates: Tensor) -> Tensor:
        """Return the latents of coordinates [..., D]: coordinates @ rows, float32 [..., D]."""
        with torch.autocast(coordinates.device.type, enabled=False):
            return coordinates.float().contiguous() @ self._on(coordinates.device)[0]

    def replace(self, ws: Tensor, target: Tensor, block: Tensor) -> Tensor:
        """Take the coordinates in `block` from `target` and all others from `ws`.

        Args:
            ws: [N, L, D] latents.
            target: [N, L, D] latents.
            block: bool [..., D], broadcast against the latents.
        Returns:
            ws + (((target - ws) @ inverse) * block) @ rows, [N, L, D] of the dtype of `ws`; computed in float32.
        """
        change = self.coordinates(target.float() - ws.float())
        return (ws + self.latents(change * block)).to(ws.dtype)

    @property
    def _array(self) -> np.ndarray:
        return np.frombuffer(self.data, dtype="<f4").reshape(self.dim, self.dim).astype(np.float64)

    @cached_property
    def _matrices(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Rows and inverse by device."""
        rows = self._array
        orthonormal = np.abs(rows @ rows.T - np.eye(self.dim)).max() <= _ORTHONORMAL
        inverse = rows.T if orthonormal else np.linalg.inv(rows)
        return {"cpu": (torch.from_numpy(rows).float(), torch.from_numpy(np.ascontiguousarray(inverse)).float())}

    def _on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        if str(device) not in self._matrices:
            rows, inverse = self._matrices["cpu"]
            self._matrices[str(device)] = (rows.to(device), inverse.to(device))
        return self._matrices[str(device)]


def basis_of_json(data: Mapping[str, Any] | None, dim: int) -> Basis | None:
    """Return the basis in the JSON of a spec of `dim` axes, None where it has none.

    Raises:
        LinkGANError: as `Basis.from_json`, or of another number of axes, which is refused before it is decoded.
    """
    if data is None:
        return None
    check_same_dim(fields_of(data, "the basis", _FIELDS)["dim"], dim)
    return Basis.from_json(data)


def check_same_dim(dim: int, expected: int) -> None:
    """Refuse a basis of another number of axes than the latent. Raises LinkGANError with both."""
    if dim != expected:
        raise LinkGANError(f"a basis of {dim} axes for a latent of {expected}; expected {expected}")


def _check_side(dim: int) -> None:
    if not 1 <= dim <= MOST_BASIS_AXES:
        raise LinkGANError(f"a basis of {dim} axes, expected 1 to {MOST_BASIS_AXES}")
