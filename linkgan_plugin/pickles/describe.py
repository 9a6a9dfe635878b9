"""Describes a network file as plain data: networks, links, data set and the names it refers to."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training_loops.errors import InputError
from training_loops.formats.gzips import first_bytes, is_packed
from training_loops.formats.kinds import Kind, kind_of
from training_loops.formats.pickles.source import PickleError

from .. import sidecar
from ..checksum import file_digest
from ..errors import LinkGANError
from ..images.pixels import check_channels
from ..links import LinkSpec
from ..network_links import SPEC_ATTRIBUTE
from . import native
from .allowed import Kind as NameKind
from .convert import read_networks
from .known_sources import identified
from .listing import list_globals
from .nodes import Node
from .reader import HostSnapshot
from .tensor_file import read_source
from .torch_files import TORCH, is_embedded

_SIZES = ("img_resolution", "img_channels", "z_dim", "w_dim", "c_dim", "num_ws")


def describe(path: Path) -> dict[str, Any]:
    """Return a description of a network file. No code from it is run, and almost no tensors are read.

    The result has always: file, kind, bytes, sha256, globals (name, offset, kind and allowed of each), safe_here, and
    error, None where the file is whole and has nothing in it that networks do not need. With no error also: networks by
    role, link_spec, links, basis (whether their axes are those of a basis), training_set_kwargs, augment_p, cur_nimg,
    source, notes, code (what source it carries: class_name, sha256, text, and origin, None where it is not known),
    safe_in_host (None for files that no host opens).
    """
    kind = kind_of(first_bytes(path))
    known = list_globals(path) if kind is not Kind.TENSORS else []
    found: dict[str, Any] = {
        "file": str(path),
        "kind": _kind(path, kind),
        "bytes": path.stat().st_size,
        "sha256": file_digest(path),
        "globals": [{**asdict(item), "allowed": item.kind is NameKind.ALLOWED} for item in known],
        "error": None,
        "safe_here": True,
    }
    try:
        found |= _contents(path, kind)
    except InputError as error:
        return found | _failure(error)
    if kind is Kind.PICKLE or found["code"]:
        dangerous = any(item.kind is NameKind.DANGEROUS for item in known)
        found["safe_in_host"] = not dangerous and all(code["origin"] for code in found["code"])
    return found


def _failure(error: InputError) -> dict[str, Any]:
    reference, offset = (error.reference, error.offset) if isinstance(error, PickleError) else (None, None)
    return {"error": str(error), "refused": reference, "offset": offset, "safe_here": False, "safe_in_host": False}


def _kind(path: Path, kind: Kind | None) -> str:
    """Return the kind of the file in words, from its first bytes and its outline."""
    packed = ", gzip-compressed" if is_packed(path) else ""
    if kind is Kind.PICKLE:
        return f"a host's pickle{packed}"
    if kind is Kind.TENSORS:
        return f"tensors with a description{packed}"
    if kind in TORCH:
        return f"{'a snapshot of the embedded host' if is_embedded(path) else 'a file of torch.save'}{packed}"
    return f"unknown kind{packed}"


def _contents(path: Path, kind: Kind | None) -> dict[str, Any]:
    snapshot = read_networks(path)
    spec, place = _links(snapshot, path)
    return {
        "networks": {role: _network(node) for role, node in snapshot.networks.items() if role != "augment_pipe"},
        "link_spec": spec,
        "link_spec_in": place,
        "links": _shown(spec),
        "basis": isinstance(spec, dict) and spec.get("basis") is not None,
        "training_set_kwargs": snapshot.training_set_kwargs,
        "augment_p": _augment_p(snapshot),
        "cur_nimg": snapshot.cur_nimg or None,
        "source": (read_source(path) or None) if kind is Kind.TENSORS else None,
        "notes": snapshot.notes,
        "code": [asdict(code) for code in identified(snapshot.sources)],
        "safe_in_host": None,
    }


def _links(snapshot: HostSnapshot, path: Path) -> tuple[dict[str, Any] | None, str | None]:
    for role in ("G_ema", "G"):
        node = snapshot.networks.get(role)
        spec = node.attributes.get(SPEC_ATTRIBUTE) if node is not None else None
        if isinstance(spec, dict):
            return spec, role
    spec = sidecar.read(path)
    return (spec, sidecar.path_of(path).name) if spec is not None else (None, None)


def _shown(spec: dict[str, Any] | None) -> list[str]:
    try:
        return [str(link) for link in LinkSpec.from_json(spec).links] if spec is not None else []
    except LinkGANError as error:
        return [f"not readable: {error}"]


def _network(node: Node) -> dict[str, Any]:
    tensors = node.tensors()
    learned = {name for path, module in node.tree() for name in _parameter_names(path, module)}
    count = {name: tensor.nbytes // tensor.dtype.itemsize for name, tensor in tensors.items()}
    attributes = node.attributes
    return {
        "class_name": node.class_name,
        "source_digest": node.source_digest,
        **{name: attributes.get(name) for name in _SIZES if attributes.get(name) is not None},
        "parameters": sum(count[name] for name in learned),
        "buffers": sum(n for name, n in count.items() if name not in learned),
        "types": dict(Counter(str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values())),
        **_precision(node),
        "init_kwargs": node.init_kwargs,
        **_openable(node),
        "shown_error": _shown_error(attributes.get("img_channels")),
    }


def _parameter_names(path: str, module: Node) -> list[str]:
    return [f"{path}.{name}" if path else name for name in module.parameters]


def _precision(node: Node) -> dict[str, Any]:
    halves = [module.attributes["use_fp16"] for _, module in node.tree() if "use_fp16" in module.attributes]
    resolutions = [
        module.attributes.get("resolution", module.attributes.get("out_size"))
        for _, module in node.tree()
        if module.attributes.get("use_fp16")
    ]
    stages = [module.attributes["DataType"] for _, module in node.tree() if "DataType" in module.attributes]  # R3GAN
    return {
        "fp16_layers": sum(map(bool, halves)) + stages.count("torch.bfloat16"),
        "layers": len(halves) + len(stages),
        "layers_are": "stages" if stages else "layers",
        "fp16_from": _smallest(resolutions),
        "half": "bf16" if stages or _says_bfloat16(node.init_kwargs) else "fp16",
    }


def _says_bfloat16(kwargs: Any) -> bool:
    return isinstance(kwargs, dict) and (
        kwargs.get("half") == "bfloat16" or any(_says_bfloat16(value) for value in kwargs.values())
    )


def _smallest(sizes: list[Any]) -> int | None:
    sides = [side for size in sizes for side in (size if isinstance(size, list) else [size])]
    return min((side for side in sides if type(side) is int), default=None)


def _openable(node: Node) -> dict[str, Any]:
    try:
        return {"native": native.check(node).name, "native_error": None}
    except LinkGANError as error:
        return {"native": None, "native_error": str(error)}


def _shown_error(channels: Any) -> str | None:
    """Return why images cannot be shown by `linkgan edit`, `project` and `ui`, None where they can."""
    try:
        check_channels(channels if type(channels) is int else 3)
    except LinkGANError as error:
        return str(error)
    return None


def _augment_p(snapshot: HostSnapshot) -> float | None:
    node = snapshot.networks.get("augment_pipe")
    p = node.buffers.get("p") if node is not None else None
    return float(p.read({}).item()) if p is not None and p.shape == () else None
