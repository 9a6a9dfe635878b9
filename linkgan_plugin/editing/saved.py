"""`Saved`: the edits of an image as JSON: start, steps, undone steps and locks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from training_loops.formats.json_text import fields_of

from ..directions.directions import Directions
from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..links import LinkSpec
from .plain import tensor_from_json, tensor_to_json
from .saved_directions import directions_from_json, directions_to_json
from .steps import Step, step_from_json

_VERSION, _DETAILED_VERSION = 1, 2  # programs that know no details refuse edits that were made with them
_FIELDS = {
    "link_spec": dict,
    "psi": float,
    "of_photograph": bool,
    "latents": dict,
    "labels": dict,
    "steps": list,
    "done": int,
    "locked": list,
    "directions": dict,
}


@dataclass(frozen=True)
class Saved:
    """The state of an editor without its network.

    Attributes:
        spec: the links of the generator.
        psi: the truncation of the generator.
        of_photograph: whether the latents are the inversion of a photograph.
        latents: at the start, [1, L, D] float32.
        labels: [1, c_dim] float32.
        steps: all steps that can be undone or redone.
        done: number of steps that are not undone.
        locked: locked regions.
        directions: of the direction edits, by region.
        sets: of the direction edits along added directions, by name.
        detailed: whether the images keep the details of the photograph.
    """

    spec: LinkSpec
    psi: float
    of_photograph: bool
    latents: Tensor
    labels: Tensor
    steps: tuple[Step, ...]
    done: int
    locked: tuple[str, ...]
    directions: dict[str, Directions]
    sets: dict[str, Directions]
    detailed: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the edits as plain JSON-able data."""
        return {
            "version": _DETAILED_VERSION if self.detailed else _VERSION,
            "link_spec": self.spec.to_json(),
            "psi": self.psi,
            "of_photograph": self.of_photograph,
            "latents": tensor_to_json(self.latents),
            "labels": tensor_to_json(self.labels),
            "steps": [step.to_json() for step in self.steps],
            "done": self.done,
            "locked": list(self.locked),
            "directions": {name: directions_to_json(found) for name, found in self.directions.items()},
            "sets": {name: directions_to_json(found) for name, found in self.sets.items()},
        }

    @classmethod
    def from_json(cls, data: Any) -> Saved:
        """Read `to_json` data, which is not trusted.

        Raises:
            LinkGANError: malformed data; the message names the field.
        """
        version = fields_of(data, "saved edits", {"version": int}, extra=True)["version"]
        if version not in (_VERSION, _DETAILED_VERSION):
            raise LinkGANError(
                f"edits of version {version}: this linkgan_plugin reads version {_DETAILED_VERSION}; upgrade it"
            )
        found = fields_of(data, "saved edits", _FIELDS, {"sets": dict}, extra=True)
        steps, done, locked = tuple(map(step_from_json, found["steps"])), found["done"], found["locked"]
        if not 0 <= done <= len(steps):
            raise LinkGANError(f"saved edits: {done} of {len(steps)} steps cannot be done")
        if not all(isinstance(name, str) for name in locked):
            raise LinkGANError("saved edits: 'locked' must be a list of names")
        spec = LinkSpec.from_json(found["link_spec"])
        return cls(
            spec=spec,
            psi=found["psi"],
            of_photograph=found["of_photograph"],
            latents=tensor_from_json(found["latents"]),
            labels=tensor_from_json(found["labels"]),
            steps=steps,
            done=done,
            locked=tuple(locked),
            directions=_directions(found["directions"], spec.space),
            sets=_directions(found.get("sets", {}), spec.space),
            detailed=version == _DETAILED_VERSION,
        )

    def check(self, generator: LinkedGenerator, has_photograph: bool) -> None:
        """Check that the edits belong to a network, and to a photograph if there is one.

        Raises:
            LinkGANError: another network, links or psi, or a missing photograph.
        """
        if self.spec != generator.spec:
            raise LinkGANError("these edits are of a network with other links; open the one that was edited")
        if self.psi != generator.truncation_psi:
            raise LinkGANError(f"these edits were made at psi {self.psi:g}; open the network with it")
        if self.of_photograph and not has_photograph:
            raise LinkGANError("these edits are of a photograph; give its inversion too")
        for name, found in self.directions.items():
            generator.block(name)
            if list(found.vectors.shape[1:]) != [1, generator.spec.dim]:
                raise LinkGANError(
                    f"saved directions of '{name}' have axes {list(found.vectors.shape[1:])}, expected "
                    f"{[1, generator.spec.dim]}"
                )


def _directions(data: dict[str, Any], space: str) -> dict[str, Directions]:
    return {str(name): directions_from_json(value, space) for name, value in data.items()}
