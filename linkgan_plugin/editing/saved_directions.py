"""Directions as JSON: those of saved edits, which hold every number that the edits depend on."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from training_loops.formats.json_text import fields_of

from ..directions.directions import Directions
from ..directions.fields import Field, field_from
from ..errors import LinkGANError
from .plain import tensor_from_json, tensor_to_json

_TEXTS = {"space": str, "names": list, "method": str, "settings": dict, "seed": int, "region": str, "network": str}
_FIELDS = {"vectors": dict, **_TEXTS}
_OPTIONAL = {"effect": dict, "leak": dict, "bend": dict}


def directions_to_json(directions: Directions) -> dict[str, Any]:
    """Return directions as plain JSON-able data, exact to the bit."""
    data = {name: getattr(directions, name) for name in _TEXTS}
    data |= {"names": list(directions.names), "settings": dict(directions.settings)}
    for name in ("vectors", "effect", "leak"):
        if (tensor := getattr(directions, name)) is not None:
            data[name] = tensor_to_json(tensor)
    if (bend := directions.bend) is not None:
        data["bend"] = {"kind": bend.kind, **{name: tensor_to_json(part) for name, part in bend.tensors().items()}}
    return data


def directions_from_json(data: Any, space: str) -> Directions:
    """Return the directions of `directions_to_json` data, which is not trusted.

    Args:
        data: also the form of earlier versions, unit vectors [K, D] with their scales and changes [K].
        space: of that form, which does not store it.
    Raises:
        LinkGANError: the data is malformed.
    """
    if isinstance(data, dict) and "scales" in data:
        return _earlier(data, space)
    found = fields_of(data, "directions", _FIELDS, _OPTIONAL)
    if not all(isinstance(name, str) for name in found["names"]):
        raise LinkGANError("directions: 'names' must be a list of texts")
    tensors: dict[str, Any] = {
        name: tensor_from_json(found[name]) for name in ("vectors", "effect", "leak") if name in found
    }
    bend = _bend(found["bend"]) if "bend" in found else None
    texts = {name: found[name] for name in _TEXTS if name != "names"}
    return Directions(**tensors, **texts, names=tuple(found["names"]), bend=bend)


def _bend(data: dict[str, Any]) -> Field:
    kind = fields_of(data, "directions that bend", {"kind": str}, extra=True)["kind"]
    tensors: dict[str, Tensor] = {str(name): tensor_from_json(part) for name, part in data.items() if name != "kind"}
    return field_from(kind, tensors)


def _earlier(data: dict[str, Any], space: str) -> Directions:
    """Return directions as they were saved before: std = 1 was scales[k] * vectors[k]."""
    found = fields_of(data, "directions", {"vectors": dict, "scales": dict, "changes": dict})
    vectors, scales, changes = map(tensor_from_json, found.values())
    if vectors.ndim != 2 or not scales.shape == changes.shape == vectors.shape[:1]:
        raise LinkGANError(f"directions {list(vectors.shape)} with {list(scales.shape)} scales do not fit together")
    # Their changes are of the region alone, so they are no effect, which is of the whole image.
    return Directions((scales[:, None] * vectors).unsqueeze(1), space, method="block")
