"""Steps: edits as plain data that can be stored, sent and repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from training_loops.formats.json_text import fields_of

from ..calls.random_state import check_seed
from ..consistent import Consistent
from ..errors import LinkGANError, suggest
from .checked import (
    ALL,
    checked_count,
    checked_layers,
    checked_name,
    checked_names,
    checked_number,
    checked_path,
    set_fields,
)
from .plain import tensor_from_json, tensor_to_json

JOIN = "+"  # between the names of blocks in one text


class Step:
    """One edit of one image. Steps are equal when their JSON is."""

    kind: ClassVar[str]

    @property
    def names(self) -> tuple[str, ...]:
        """The blocks that the step changes, as they were named."""
        raise NotImplementedError

    def only(self, names: Sequence[str]) -> Step:
        """Return the same step restricted to these blocks."""
        raise NotImplementedError

    def part(self, share: float) -> Step:
        """Return this step scaled by `share`; above 1 it is exaggerated.

        Raises:
            LinkGANError: a step that cannot be scaled.
        """
        raise LinkGANError(f"a {self.kind} step cannot be scaled; other kinds can")

    def to_json(self) -> dict[str, Any]:
        """Return the step as plain JSON-able data; `step_from_json` reads it."""
        values = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]
        return {"kind": self.kind, **values}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Step) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((self.kind, self.names))


class _OfRegions(Step):
    """A step that moves several blocks towards another image."""

    regions: Sequence[str]
    strength: float
    path: str
    layers: Sequence[int] | None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.regions)

    def only(self, names: Sequence[str]) -> Step:
        return replace(self, regions=tuple(names))  # type: ignore[type-var]

    def part(self, share: float) -> Step:
        return replace(self, strength=self.strength * share)  # type: ignore[type-var]

    def to_json(self) -> dict[str, Any]:
        """Return the step as plain JSON-able data; without `path` and `layers` where earlier versions can read it."""
        default = {"path": "linear", "layers": None}
        return {name: value for name, value in super().to_json().items() if value != default.get(name, ...)}

    def _check(self) -> None:
        set_fields(self, regions=checked_names(self.regions), strength=checked_number("strength", self.strength))
        set_fields(self, path=checked_path(self.path), layers=checked_layers(self.layers))


class _OfRegion(Step):
    """A step that changes one block."""

    region: str

    @property
    def names(self) -> tuple[str, ...]:
        return (self.region,)

    def only(self, names: Sequence[str]) -> Step:
        return replace(self, region=names[0])  # type: ignore[type-var]


@dataclass(frozen=True, eq=False)
class Resample(_OfRegions):
    """Redraw regions: move their axes to a new sample with the class or camera of this image.

    Attributes:
        regions: names of links, `rest`, or `all` (stored as a tuple); one name may be given as text.
        seed: of the new sample, 0 to 2**32 - 1.
        strength: share of the way: 0 changes nothing, 1 is the new sample, above 1 exaggerates.
        psi: truncation of the new sample; None for that of the generator.
        path: `linear`, or `spherical` for links in Z, whose samples lie near a sphere.
        layers: the layers that change (style mixing), numbers from 0; None for all.
    """

    regions: Sequence[str]
    seed: int
    strength: float = 1.0
    psi: float | None = None
    path: str = "linear"
    layers: Sequence[int] | None = None
    kind: ClassVar[str] = "resample"

    def __post_init__(self) -> None:
        self._check()
        set_fields(self, seed=check_seed(self.seed))
        if self.psi is not None:
            set_fields(self, psi=checked_number("psi", self.psi))


@dataclass(frozen=True, eq=False)
class Transplant(_OfRegions):
    """Take regions from another image.

    Attributes:
        regions: as for `Resample`.
        donor: the other image: its seed, or its latents [1, num_ws, w_dim] (in Z [1, 1, z_dim]) float32.
        strength: as for `Resample`; 1 is the other image's regions.
        path: as for `Resample`.
        layers: as for `Resample`.
    """

    regions: Sequence[str]
    donor: int | Tensor
    strength: float = 1.0
    path: str = "linear"
    layers: Sequence[int] | None = None
    kind: ClassVar[str] = "transplant"

    def __post_init__(self) -> None:
        donor = self.donor
        if isinstance(donor, Tensor):
            donor = donor.detach().to("cpu", torch.float32, copy=True)
            if donor.ndim != 3 or len(donor) != 1:
                raise LinkGANError(f"a donor has latents [1, num_ws, w_dim], not {list(donor.shape)}")
        else:
            donor = check_seed(donor)
        self._check()
        set_fields(self, donor=donor)


@dataclass(frozen=True, eq=False)
class DirectionEdit(_OfRegion):
    """Edit along a direction: one of a region's strongest ones (see directions.py), or of a set added to the editor.

    Attributes:
        region: a link's name or `rest`, whose directions they are. Of a set, the blocks that may change: names joined
            by `+`, or `all`.
        direction: its number; 0 is the strongest.
        std: the distance in standard deviations of the samples along that direction.
        of: the name of a set that `Edits.add_directions` was given; "" for the region's own directions.
    """

    region: str = ALL
    direction: int = 0
    std: float = 1.0
    of: str = ""
    kind: ClassVar[str] = "direction"

    @property
    def names(self) -> tuple[str, ...]:
        return checked_names([part.strip() for part in self.region.split(JOIN)]) if self.of else (self.region,)

    def only(self, names: Sequence[str]) -> Step:
        return replace(self, region=JOIN.join(names) if self.of else names[0])

    def part(self, share: float) -> Step:
        return replace(self, std=self.std * share)

    def to_json(self) -> dict[str, Any]:
        """Return the step as plain JSON-able data; without `of` where earlier versions can read it."""
        return {name: value for name, value in super().to_json().items() if name != "of" or value}

    def __post_init__(self) -> None:
        set_fields(self, region=checked_name(self.region), direction=checked_count("direction", self.direction))
        set_fields(self, std=checked_number("std", self.std))
        if not isinstance(self.of, str):
            raise LinkGANError(f"a set of directions is named by text, not {self.of!r:.60}")


Slide = DirectionEdit  # its name in version 0.1


@dataclass(frozen=True, eq=False)
class Restore(_OfRegion):
    """Return one region to an earlier version; other regions are unchanged.

    Attributes:
        region: a link's name or `rest`.
        version: index in `Editor.history(region)`; 0 is the start.
    """

    region: str
    version: int
    kind: ClassVar[str] = "restore"

    def __post_init__(self) -> None:
        set_fields(self, region=checked_name(self.region), version=checked_count("version", self.version))


KINDS: dict[str, type[Step]] = {kind.kind: kind for kind in (Resample, Transplant, DirectionEdit, Restore)}
# Names of version 0.1, which saved edits may contain.
_FORMER_KIND, _FORMER_FIELDS = "slide", {"amount": "std"}


def step_from_json(data: Any) -> Step:
    """Return the step of `Step.to_json` data, which is not trusted.

    Raises:
        LinkGANError: malformed data; the message names the field.
    """
    name = fields_of(data, "a step", {"kind": str}, extra=True)["kind"]
    values = {key: value for key, value in data.items() if key != "kind"}
    if name == _FORMER_KIND:
        name, values = DirectionEdit.kind, {_FORMER_FIELDS.get(key, key): value for key, value in values.items()}
    if name not in KINDS:
        raise LinkGANError(f"unknown kind of step '{name:.40}'; {suggest(name, KINDS)}")
    needed = {field.name: field.default is MISSING for field in fields(KINDS[name])}  # type: ignore[arg-type]
    required, optional = ({key: object for key in needed if needed[key] is needs} for needs in (True, False))
    values = fields_of(values, f"a {name} step", required, optional)  # the step itself checks the types
    if isinstance(values.get("donor"), Mapping):
        values["donor"] = tensor_from_json(values["donor"])
    return KINDS[name](**values)


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return tensor_to_json(value)
    return list(value) if isinstance(value, tuple) else value


def without_choice(data: Mapping[str, Any]) -> tuple[dict[str, Any], Consistent | None]:
    """Split the JSON of a step from its field `consistent`, the number of donors to choose from by the rest.

    Raises:
        LinkGANError: a bad number, or another step than `resample`.
    """
    step = {name: value for name, value in data.items() if name != "consistent"}
    if "consistent" not in data:
        return step, None
    if data.get("kind") != Resample.kind:
        raise LinkGANError(f"only {Resample.kind} steps choose a donor; leave consistent out of others")
    return step, Consistent(data["consistent"])
