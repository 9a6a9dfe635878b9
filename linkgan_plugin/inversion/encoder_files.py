"""Encoders in files: one .safetensors with the numbers of the architecture in its header; it contains no code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import torch
from torch import Tensor, nn

from training_loops.formats import strict_json
from training_loops.formats.atomic import write_bytes
from training_loops.formats.budget import ENCODER
from training_loops.formats.json_text import fields_of, parse_object
from training_loops.formats.text import printable
from training_loops.shapes import shapes_only

from ..errors import LinkGANError
from ..segmentation import tensors
from ..segmentation.store import check_state
from ..version import __version__
from .consultation import DetailsNetwork, DetailsShape
from .details import Details
from .encoder import Encoder
from .encoder_network import EncoderNetwork, EncoderShape

SUFFIX = ".safetensors"
_KEY = "linkgan_encoder"
_PLAIN_VERSION, _VERSION = 1, 2  # of files without details, which older programs read too, and with them
_DETAILS = "details."  # before the names of the details' tensors
_FIELDS = {"version": int, "network": str, "architecture": dict, "settings": dict, "facts": dict}
_DETAILS_FIELDS = {"architecture": dict, "settings": dict, "facts": dict}
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PLAIN = int | float | bool | str | None


def save_encoder(path: Path | str, encoder: Encoder) -> None:
    """Write an encoder, atomically.

    Raises:
        LinkGANError: a name that does not end in .safetensors.
    """
    path = Path(path)
    check_name(path)
    details = encoder.details
    description: dict[str, Any] = {
        "version": _PLAIN_VERSION if details is None else _VERSION,
        "linkgan_plugin": __version__,
        "network": encoder.digest,
        "architecture": vars(encoder.network.shape),
        "settings": dict(encoder.settings),
        "facts": dict(encoder.facts),
    }
    state = encoder.network.state_dict()
    if details is not None:
        description["details"] = {
            "architecture": vars(details.network.shape),
            "settings": dict(details.settings),
            "facts": dict(details.facts),
        }
        state |= {_DETAILS + name: tensor for name, tensor in details.network.state_dict().items()}
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    write_bytes(path, safetensors.torch.save(state, {_KEY: strict_json.dumps(description)}))


def check_name(path: Path) -> None:
    """Raise LinkGANError unless a name ends in .safetensors."""
    if path.suffix != SUFFIX:
        raise LinkGANError(f"{path}: expected a name that ends in {SUFFIX}")


def load_encoder(path: Path | str, device: torch.device | str = "cpu") -> Encoder:
    """Open an encoder, in eval mode and without gradients. Its sizes are checked before its network is built.

    Args:
        path: a file of `linkgan encoder train`; it may be untrusted.
        device: of its network.
    Raises:
        LinkGANError: damaged, of another program, or tensors that do not match the architecture.
    """
    path = Path(path)
    state, metadata = tensors.parse(tensors.read_bytes(path, ENCODER), path)
    try:
        if _KEY not in metadata:
            raise LinkGANError("it describes no encoder; make one with `linkgan encoder train`")
        found = _described(metadata[_KEY])
        shape, about = EncoderShape.from_json(found["architecture"]), found.get("details")
        own = {name: tensor for name, tensor in state.items() if about is None or not name.startswith(_DETAILS)}
        network = _network(lambda: EncoderNetwork(shape), own, "deviation")
        details = None
        if about is not None:
            others = {name.removeprefix(_DETAILS): tensor for name, tensor in state.items() if name not in own}
            details = _details(about, shape, others)
    except LinkGANError as error:
        raise LinkGANError(printable(f"{path}: {str(error)[:600]}")) from error
    network.to(device)
    if details is not None:
        details.network.to(device)
    return Encoder(network, found["network"], found["settings"], found["facts"], details)


N = TypeVar("N", bound=nn.Module)


def _network(build: Callable[[], N], state: dict[str, Tensor], deviation: str) -> N:
    """Return a network with checked tensors, in eval mode and without gradients."""
    # On the meta device the network costs no memory, whatever sizes the file claims.
    with shapes_only():
        network = build()
    check_state(network, state)
    for name, tensor in state.items():
        if not bool(tensor.isfinite().all()):
            raise LinkGANError(f"'{name}' holds numbers that are not finite")
    if not bool((state[deviation] > 0).all()):
        raise LinkGANError(f"'{deviation}' holds numbers that are not above 0")
    network.load_state_dict(state, assign=True)
    network.eval().requires_grad_(False)
    return network


def _details(about: dict[str, Any], encoder: EncoderShape, state: dict[str, Tensor]) -> Details:
    """Return the details of a description, with their tensors."""
    shape = DetailsShape.from_json(about["architecture"])
    for name in ("resolution", "channels"):
        if getattr(shape, name) != getattr(encoder, name):
            raise LinkGANError(
                f"details of {name} {getattr(shape, name)} beside an encoder of {getattr(encoder, name)}"
            )
    network = _network(lambda: DetailsNetwork(shape), state, "consultation.deviation")
    return Details(network, about["settings"], about["facts"])


def _described(text: str) -> dict[str, Any]:
    """Return the checked fields of the description."""
    data = parse_object(text, "its description")
    version = fields_of(data, "its description", {"version": int}, extra=True)["version"]
    if version not in (_PLAIN_VERSION, _VERSION):
        raise LinkGANError(f"an encoder of version {version}; this program reads version {_VERSION}: upgrade it")
    found = fields_of(data, "its description", _FIELDS, {"details": dict}, extra=True)
    if not _DIGEST.fullmatch(found["network"]):
        raise LinkGANError(f"'network' is {found['network']!r:.80}, expected a SHA-256 of 64 letters")
    _check_plain(found)
    if "details" in found:
        found["details"] = fields_of(found["details"], "the description of its details", _DETAILS_FIELDS)
        _check_plain(found["details"])
    return found


def _check_plain(found: dict[str, Any]) -> None:
    """Check the settings and the facts of a description, and make the facts printable."""
    for name, kinds in (("settings", _PLAIN), ("facts", int | float)):
        wrong = next((key for key, value in found[name].items() if not isinstance(value, kinds)), None)
        if wrong is not None:
            raise LinkGANError(f"'{name}' holds '{wrong:.80}' of {json.dumps(found[name][wrong])[:80]}")
    try:
        found["facts"] = {printable(name): float(value) for name, value in found["facts"].items()}
    except OverflowError as error:
        raise LinkGANError("'facts' holds a number that is too large") from error
