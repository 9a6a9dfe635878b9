"""Directions in files: one .safetensors that is complete by itself, with a .json beside it for people to read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from training_loops.errors import InputError
from training_loops.formats import strict_json
from training_loops.formats.atomic import replacing
from training_loops.formats.budget import DESCRIPTION, DIRECTIONS
from training_loops.formats.files import read_file
from training_loops.formats.gzips import first_bytes
from training_loops.formats.json_text import fields_of, parse_object
from training_loops.formats.kinds import Kind, kind_of
from training_loops.formats.text import printable

from ..errors import LinkGANError
from ..version import __version__
from .directions import Directions
from .fields import Field, field_from
from .foreign_files import Fit, directions_from, read_foreign

SUFFIX = ".safetensors"
_KEY = "linkgan_directions"
_VERSION = 1
_BEND = "bend."  # start of the names of a field's tensors
_FIELDS = {
    "version": int,
    "space": str,
    "names": list,
    "method": str,
    "settings": dict,
    "seed": int,
    "region": str,
    "network": str,
    "bend": str,
    "facts": dict,
}
_PLAIN = (int, float, bool, str)


def beside(path: Path) -> Path:
    """Return the name of the .json beside a file of directions."""
    return path.with_suffix(".json")


def save_directions(path: Path | str, directions: Directions, *, force: bool = False) -> list[Path]:
    """Write directions as .safetensors, and a .json beside it that lists them; both or none.

    Args:
        path: the file; its name ends in .safetensors.
        directions: on any device.
        force: overwrite files that exist.
    Returns:
        The files written.
    Raises:
        LinkGANError: another suffix, or a file that exists.
    """
    path = Path(path)
    check_target(path, force)
    description = _described(directions)
    tensors = {"vectors": directions.vectors}
    tensors |= {name: part for name in ("effect", "leak") if (part := getattr(directions, name)) is not None}
    if directions.bend is not None:
        tensors |= {_BEND + name: part for name, part in directions.bend.tensors().items()}
    # Copies: views of one tensor share its memory, which this format does not store.
    plain = {
        name: part.detach().float().cpu().clone(memory_format=torch.contiguous_format) for name, part in tensors.items()
    }
    data = safetensors.torch.save(plain, {_KEY: strict_json.dumps(description)})
    text = strict_json.dumps(description | _listed(directions), indent=2) + "\n"
    with replacing(path) as tensor_file, replacing(beside(path)) as list_file:
        tensor_file.write_bytes(data)
        list_file.write_text(text, encoding="utf-8")
    return [path, beside(path)]


def check_target(path: Path, force: bool) -> None:
    """Raise LinkGANError if `save_directions` cannot write to a path, before anything is computed."""
    if path.suffix != SUFFIX:
        raise LinkGANError(f"{path}: expected a name that ends in {SUFFIX}")
    for file in (path, beside(path)):
        if file.exists() and not force:
            raise LinkGANError(f"{file} exists; choose another name, or overwrite it with --force")


def load_directions(
    path: Path | str, num_ws: int | None = None, dim: int | None = None, *, space: str = "w"
) -> Directions:
    """Read directions, of this program or of others; the content decides, not the name. No code in the file is run.

    Other programs' files (InterFaceGAN, GANSpace, e4e, StyleRes) are .npy, .npz, .pt or .safetensors with vectors of
    shape [D], [1, D], [K, D], [L, D] or [K, L, D]; [L, D] with L == num_ws is one direction, layer by layer. Names in
    the file become names of directions. Such vectors have no unit: amount 1 adds the vector as it is.

    Args:
        path: the file.
        num_ws: layers of the network; None accepts any, and takes [N, D] for N directions.
        dim: axes of the network's latent space; None accepts any.
        space: the space of another program's vectors: w, z or s.
    Returns:
        The directions, on the CPU.
    Raises:
        LinkGANError: unreadable, damaged, numbers that are not finite, or shapes that do not fit the network.
    """
    path, fit = Path(path), Fit(num_ws if space == "w" else 1 if num_ws else None, dim)
    try:
        if kind_of(first_bytes(path)) is Kind.TENSORS:
            tensors, description = _read(path)
            if description is not None:
                return _fitting(_directions(tensors, description), fit)
            found = directions_from(tensors, fit, space)
        else:
            found = directions_from(read_foreign(path, DIRECTIONS), fit, space)
    except InputError as error:
        said = str(error)
        raise LinkGANError(said if said.startswith(str(path)) else printable(f"{path}: {said[:600]}")) from error
    return found


def _described(directions: Directions) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "linkgan_plugin": __version__,
        "space": directions.space,
        "names": list(directions.names),
        "method": directions.method,
        "settings": dict(directions.settings),
        "seed": directions.seed,
        "region": directions.region,
        "network": directions.network,
        "bend": "" if directions.bend is None else directions.bend.kind,
        "facts": dict(directions.facts),
    }


def _listed(directions: Directions) -> dict[str, Any]:
    """Return what only the .json holds: the shape, and the scores of each direction."""
    rows: list[dict[str, Any]] = [{"index": index, "name": name} for index, name in enumerate(directions.names)]
    for score in ("effect", "leak"):
        values = getattr(directions, score)
        for row, value in zip(rows, [] if values is None else values.tolist(), strict=False):
            row[score] = float(f"{value:.4g}")
    unit = "one standard deviation of what the network draws" if directions.method else "the vector as it is"
    return {"shape": list(directions.vectors.shape), "amount 1": unit, "directions": rows}


def _read(path: Path) -> tuple[dict[str, Tensor], str | None]:
    """Return the tensors of a .safetensors file, and our description of them, None in a file of another program."""
    data = read_file(path, DIRECTIONS)
    size = int.from_bytes(data[:8], "little")
    limit = min(len(data) - 8, DESCRIPTION.bytes)
    if size > limit:
        raise LinkGANError(f"a header of {size} bytes, expected at most {max(limit, 0)}: not a complete {SUFFIX} file")
    header = parse_object(data[8 : 8 + size], "its header")
    metadata = header.get("__metadata__")
    description = metadata.get(_KEY) if isinstance(metadata, dict) else None
    try:
        return safetensors.torch.load(data), description
    except (SafetensorError, KeyError) as error:  # KeyError: a dtype that this version does not know
        raise LinkGANError(f"not a complete {SUFFIX} file ({str(error)[:200]})") from error


def _directions(tensors: Mapping[str, Tensor], text: str) -> Directions:
    data = parse_object(text, "its description")
    version = fields_of(data, "its description", {"version": int}, extra=True)["version"]
    if version != _VERSION:
        raise LinkGANError(f"directions of version {version}; this program reads version {_VERSION}: upgrade it")
    found = fields_of(data, "its description", _FIELDS, extra=True)
    if "vectors" not in tensors:
        raise LinkGANError("no tensor 'vectors' in it")
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not bool(torch.isfinite(tensor.float()).all()):
            raise LinkGANError(f"'{name:.80}' holds {tensor.dtype} or numbers that are not finite")
    bend = {name.removeprefix(_BEND): tensor for name, tensor in tensors.items() if name.startswith(_BEND)}
    return Directions(
        tensors["vectors"].float(),
        found["space"],
        effect=_scores(tensors, "effect"),
        leak=_scores(tensors, "leak"),
        names=_names(found["names"]),
        method=printable(found["method"]),
        settings=_settings(found["settings"]),
        seed=found["seed"],
        region=printable(found["region"]),
        network=printable(found["network"]),
        bend=_bend(found["bend"], bend, tensors["vectors"]) if found["bend"] else None,
        facts=_facts(found["facts"]),
    )


def _bend(kind: str, tensors: Mapping[str, Tensor], vectors: Tensor) -> Field:
    bend, here = field_from(kind, tensors), torch.zeros_like(vectors[0, :1], dtype=torch.float32)
    try:
        if bend.tangent(0, here).shape == here.shape:
            return bend
    except (RuntimeError, IndexError):  # tensors of another number of axes, or none at all
        pass
    raise LinkGANError(f"its field '{kind}' does not fit vectors {list(vectors.shape)}")


def _scores(tensors: Mapping[str, Tensor], name: str) -> Tensor | None:
    return tensors[name].float() if name in tensors else None


def _names(names: list[Any]) -> tuple[str, ...]:
    if not all(isinstance(name, str) for name in names):
        raise LinkGANError(f"'names' must be a list of texts, not {json.dumps(names)[:80]}")
    return tuple(map(printable, names))


def _settings(settings: dict[str, Any]) -> dict[str, Any]:
    wrong = next((name for name, value in settings.items() if not isinstance(value, _PLAIN)), None)
    if wrong is not None:
        raise LinkGANError(
            f"the setting '{wrong:.80}' is a {type(settings[wrong]).__name__}, expected text or a number"
        )
    return settings


def _facts(facts: dict[str, Any]) -> dict[str, float]:
    wrong = next((name for name, value in facts.items() if not isinstance(value, int | float)), None)
    if wrong is not None:
        raise LinkGANError(f"'{wrong:.80}' is a {type(facts[wrong]).__name__}, expected a number")
    return {printable(name): float(value) for name, value in facts.items()}


def _fitting(directions: Directions, fit: Fit) -> Directions:
    """Return directions of W or Z if they fit the network; the style space is checked where styles are shifted."""
    layers, dim = directions.vectors.shape[1:]
    if directions.space != "s" and not fit.accepts(layers, dim):
        raise LinkGANError(f"directions [K, {layers}, {dim}] of another network; {fit}")
    return directions
