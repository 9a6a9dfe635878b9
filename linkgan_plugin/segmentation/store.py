"""Files of segmentation networks: .safetensors with a declared architecture; they contain no code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from training_loops.formats.atomic import write_bytes
from training_loops.formats.json_text import fields_of, parse_json

from ..errors import LinkGANError
from . import tensors
from .architectures import build, check_arguments
from .segmenter import Card, NetworkSegmenter

KEY = "linkgan_segmenter"
_VERSION = 1
_FIELDS = {"version": int, "architecture": str, "arguments": dict, "card": dict}
_SHOWN = 10


def write_network(
    path: Path, architecture: str, arguments: Mapping[str, int], card: Card, state: Mapping[str, Tensor]
) -> None:
    """Write a network, atomically.

    Args:
        path: the file to write.
        architecture: argument of `architectures.build`.
        arguments: argument of `architectures.build`.
        card: the description of the network.
        state: tensors by name; exactly the network's.
    Raises:
        LinkGANError: they do not match; lists names and shapes.
    """
    _check_card(card, check_arguments(architecture, dict(arguments)))
    check_state(build(architecture, arguments), state)
    described = {name: value for name, value in json.loads(card.to_json()).items() if name != "sha256"}
    data = {"version": _VERSION, "architecture": architecture, "arguments": dict(arguments), "card": described}
    kept = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    write_bytes(path, safetensors.torch.save(kept, {"format": "pt", KEY: json.dumps(data)}))


def read_network(path: Path) -> NetworkSegmenter:
    """Open a network written by `write_network`. Its whole description is checked before the network is built.

    Raises:
        LinkGANError: damaged, written by another program, or tensors that do not match the architecture.
    """
    content = tensors.read_bytes(path)
    state, metadata = tensors.parse(content, path)
    try:
        architecture, arguments, card = _described(metadata, hashlib.sha256(content).hexdigest())
        network = build(architecture, arguments)
        check_state(network, state)
    except LinkGANError as error:
        raise LinkGANError(f"{path}: {error}") from error
    network.load_state_dict(state, assign=True)
    network.requires_grad_(False)
    return NetworkSegmenter(card, network, network.to)


def check_state(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Compare names, shapes and dtypes with those of a network.

    Raises:
        LinkGANError: they differ; lists the differences.
    """
    wanted = {name: _shown(tensor) for name, tensor in network.state_dict().items()}
    given = {name: _shown(tensor) for name, tensor in state.items()}
    problems = [f"{name} {what} is missing" for name, what in wanted.items() if name not in given]
    problems += [f"{name} {what} is unexpected" for name, what in given.items() if name not in wanted]
    problems += [
        f"{name} is {given[name]}, expected {what}"
        for name, what in wanted.items()
        if name in given and given[name] != what
    ]
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        shown = "; ".join([*problems[:_SHOWN], *more])
        raise LinkGANError(f"the tensors do not match the architecture: {shown}"[:3000])


def _described(metadata: Mapping[str, str], digest: str) -> tuple[str, Mapping[str, int], Card]:
    """Return the architecture, its arguments and the card in the metadata, all checked."""
    if KEY not in metadata:
        raise LinkGANError(
            "the file does not describe its network; write one that does with `linkgan segment export FILE "
            "--architecture NAME`"
        )
    unknown = [name for name in metadata if name not in ("format", KEY)]
    if unknown:
        raise LinkGANError(f"metadata has an unknown field {unknown[0]!r:.100}; expected only {KEY}")
    data = fields_of(parse_json(metadata[KEY], "the description"), "the description", _FIELDS)
    if data["version"] != _VERSION:
        raise LinkGANError(f"version {data['version']!r:.50}, this program reads {_VERSION}")
    arguments = check_arguments(data["architecture"], data["arguments"])
    if "sha256" in data["card"]:
        raise LinkGANError(f"invalid card: {data['card']!r:.200}")
    card = Card.from_json(json.dumps(data["card"]), sha256=digest)
    _check_card(card, arguments)
    return data["architecture"], arguments, card


def _check_card(card: Card, arguments: Mapping[str, Any]) -> None:
    if card.classes and len(card.classes) != arguments["classes"]:
        raise LinkGANError(f"{len(card.classes)} classes are named, but the network has {arguments['classes']}")


def _shown(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def as_float(tensor: Tensor) -> Tensor:
    """Return a tensor, its shape unchanged, in single precision if it is floating point."""
    return tensor.to(torch.float32) if tensor.is_floating_point() else tensor
