"""The file next to a snapshot that stores its link spec, for hosts that drop the attribute when training resumes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training_loops.formats.atomic import write_json
from training_loops.formats.budget import DESCRIPTION
from training_loops.formats.files import read_file
from training_loops.formats.json_text import fields_of, parse_json

from .errors import LinkGANError
from .version import __version__

SUFFIX = ".links.json"


def path_of(snapshot: Path) -> Path:
    """Return the file for the links of a snapshot: ``network-snapshot-000100.links.json`` next to the .pkl."""
    return snapshot.with_suffix(SUFFIX)


def write(snapshot: Path, loss_kwargs: Mapping[str, Any]) -> None:
    """Write spec and recipe next to a snapshot: a plain host that resumes from it drops the network's attribute."""
    data = {
        "linkgan_plugin": __version__,
        "link_spec": loss_kwargs["link_spec"],
        "recipe": loss_kwargs["recipe"],
        "base_loss": loss_kwargs["base_class_name"],
    }
    write_json(path_of(snapshot), data)


def write_spec(network: Path, spec: Mapping[str, Any]) -> Path:
    """Write a spec, as ``LinkSpec.to_json()`` gives it, next to a network file; return the file written."""
    place = path_of(network)
    write_json(place, {"linkgan_plugin": __version__, "link_spec": dict(spec)})
    return place


def read_named(file: Path) -> dict[str, Any]:
    """Return the spec in a .links.json file, or in the one next to a network file, as ``LinkSpec.to_json()`` gives it.

    Raises:
        LinkGANError: no such file, or it cannot be read.
    """
    place = file if file.name.endswith(SUFFIX) else path_of(file)
    if not place.exists():
        raise LinkGANError(f"no file {place}, which holds the links of a network; `linkgan link` writes it")
    return _spec_in(place)


def read(snapshot: Path) -> dict[str, Any] | None:
    """Return the spec stored next to a snapshot, as from ``LinkSpec.to_json()``, or None.

    Raises:
        LinkGANError: the file exists and cannot be read.
    """
    path = path_of(snapshot)
    return _spec_in(path) if path.exists() else None


def _spec_in(path: Path) -> dict[str, Any]:
    try:
        data = parse_json(read_file(path, DESCRIPTION.bytes), str(path))
        spec: dict[str, Any] = fields_of(data, str(path), {"link_spec": dict}, extra=True)["link_spec"]
    except LinkGANError as error:
        raise LinkGANError(f"{error}; delete it, or give the links with --link") from error
    return spec
