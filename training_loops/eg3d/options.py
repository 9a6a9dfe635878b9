"""Options of the volume renderer, read from `rendering_kwargs` as stored in public snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from training_loops.errors import OptionError

MAX_SAMPLES = 4096  # along a ray; far above any real model, so that a damaged file cannot request a billion

_T = TypeVar("_T", int, float)


@dataclass(frozen=True)
class RenderOptions:
    """Options of sampling and integration along rays.

    Attributes:
        coarse: samples of the first pass, at even distances with jitter.
        fine: samples of the second pass, drawn by the weights of the first; 0 for one pass.
        start: smallest sampled depth; None for the cube of the tri-planes.
        end: largest sampled depth; None for the cube of the tri-planes.
        box_warp: side of that cube.
        disparity: even steps of 1 / depth instead of depth.
        white_back: the background is white instead of black.
        density_noise: standard deviation of noise on the densities.
    """

    coarse: int
    fine: int
    start: float | None
    end: float | None
    box_warp: float
    disparity: bool = False
    white_back: bool = False
    density_noise: float = 0.0

    @classmethod
    def read(cls, kwargs: Mapping[str, Any]) -> RenderOptions:
        """Return the options in `kwargs`.

        Raises:
            OptionError: an option is missing or out of range.
        """
        clamp_mode(kwargs)
        fine = _number(kwargs, "depth_resolution_importance", int, 0, MAX_SAMPLES)
        # The second pass draws from the intervals between the midpoints of the first pass's segments.
        least = 4 if fine else 2
        start, end = _limits(kwargs)
        disparity = bool(_get(kwargs, "disparity_space_sampling"))
        if disparity and start is not None and start <= 0:
            raise OptionError(f"rendering_kwargs: ray_start={start}: expected more than 0 to sample even disparities")
        return cls(
            coarse=_number(kwargs, "depth_resolution", int, least, MAX_SAMPLES),
            fine=fine,
            start=start,
            end=end,
            box_warp=box_warp(kwargs),
            disparity=disparity,
            white_back=bool(kwargs.get("white_back", False)),
            density_noise=density_noise(kwargs),
        )


def clamp_mode(kwargs: Mapping[str, Any]) -> None:
    """Raise OptionError unless densities are made positive by a softplus, as in all public snapshots."""
    mode = _get(kwargs, "clamp_mode")
    if mode != "softplus":
        raise OptionError(f"rendering_kwargs: clamp_mode={mode!r}: expected 'softplus', the only known mode")


def box_warp(kwargs: Mapping[str, Any]) -> float:
    """Return the side of the cube that the tri-planes cover; raises OptionError unless it is above 0."""
    value = _number(kwargs, "box_warp", float, 0, float("inf"))
    if value == 0:
        raise OptionError("rendering_kwargs: box_warp=0: expected the side of a cube, more than 0")
    return value


def density_noise(kwargs: Mapping[str, Any]) -> float:
    """Return the standard deviation of noise on the densities, by default 0."""
    return _number({"density_noise": 0.0, **kwargs}, "density_noise", float, 0, float("inf"))


def _limits(kwargs: Mapping[str, Any]) -> tuple[float | None, float | None]:
    start, end = _get(kwargs, "ray_start"), _get(kwargs, "ray_end")
    if (start == "auto") != (end == "auto"):
        raise OptionError(
            f"rendering_kwargs: ray_start={start!r}, ray_end={end!r}: expected 'auto' for both or numbers"
        )
    if start == "auto":
        return None, None
    none, far = float("-inf"), float("inf")
    return _number(kwargs, "ray_start", float, none, far), _number(kwargs, "ray_end", float, none, far)


def _number(kwargs: Mapping[str, Any], name: str, kind: type[_T], low: float, high: float) -> _T:
    value = _get(kwargs, name)
    known = isinstance(value, (int, kind)) and not isinstance(value, bool)
    if not known or not low <= value <= high:
        raise OptionError(f"rendering_kwargs: {name}={value!r}: expected {kind.__name__} from {low:g} to {high:g}")
    return kind(value)


def _get(kwargs: Mapping[str, Any], name: str) -> Any:
    if name not in kwargs:
        raise OptionError(f"rendering_kwargs: {name} is missing; given are {', '.join(map(str, kwargs)) or 'none'}")
    return kwargs[name]
