"""Networks in files of torch.save from other projects: whole objects of hosts, and rosinality's layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from training_loops.errors import InputError
from training_loops.formats.budget import PICKLE, Budget
from training_loops.formats.kinds import Kind, kind_of_file
from training_loops.formats.pickles.archive import entries_of, read_archive, tensors_only
from training_loops.formats.pickles.source import PickleError
from training_loops.formats.pickles.stored import StoredTensor
from training_loops.formats.pickles.values import Allowed, Ordered
from training_loops.snapshots import FORMAT

from . import rosinality
from .allowed import AllowList
from .foreign import recognised
from .listing import outline
from .nodes import Node
from .reader import NETWORKS, HostSnapshot

TORCH = (Kind.ARCHIVE, Kind.ROW)
EXPECTED = "a network: a host's .pkl, a .pt of torch.save, or .safetensors, optionally gzip-compressed"
# Keys of the moving average, and of the network itself, in other projects.
_AVERAGES = ("g_ema", "G_ema", "ema", "params_ema", "generator_ema", "netG_ema", "ema_state_dict")
_GENERATORS = ("g", "G", "generator", "netG", "params", "state_dict", "model")
_AVERAGE = "latent_avg"
_DEEPEST = 3
_SEGMENTER_KEY = "linkgan_segmenter"  # as in segmentation.store
_SEGMENTER = "a segmentation network; links use it by --segmenter NAME=FILE"


def network_kind(path: Path) -> Kind:
    """Return the kind of a network file, by its content. Raises PickleError for other files, with their kind."""
    try:
        return kind_of_file(path, (Kind.PICKLE, *TORCH, Kind.TENSORS), EXPECTED)
    except InputError as error:
        raise PickleError(str(error)) from error


def is_embedded(path: Path) -> bool:
    """Return whether a file of torch.save is marked as a snapshot of the embedded host."""
    data = outline(path)
    return type(data) is dict and data.get("format") == FORMAT


def read_torch(path: Path) -> HostSnapshot:
    """Read the networks of a file of torch.save from another project; no code from it is run.

    Raises:
        PickleError: damaged, with a global that networks do not need, or without a supported network; says what it is
            and how to open it.
    """
    budget = Budget(str(path), PICKLE)
    allowed = AllowList(budget)
    try:
        data = _read(path, allowed, budget)
    except InputError:
        _check_program(path)
        raise
    try:
        with budget:
            snapshot = _objects(str(path), data) or _layouts(str(path), data)
    except PickleError as error:
        raise PickleError(f"{path}: {error}") from error
    if snapshot is None:
        raise PickleError(f"{path}: {recognised(data) or _described(data)}; it contains no supported network")
    snapshot.sources.extend(allowed.sources)
    return snapshot


def read_state(path: Path, state: rosinality.State, metadata: Mapping[str, str]) -> HostSnapshot:
    """Return the networks in a state dict of a .safetensors file. Raises PickleError as `read_torch` does."""
    snapshot = _layouts(str(path), dict(state))
    if snapshot is None:
        what = _SEGMENTER if _SEGMENTER_KEY in metadata else recognised(dict(state)) or "no tensors"
        raise PickleError(f"tensors without a description of networks ({what}); expected a file of `linkgan convert`")
    return snapshot


def read_data(path: Path) -> Any:
    """Return the content of a file of torch.save: plain data, tensors, inert nodes. Raises as `read_torch`."""
    budget = Budget(str(path), PICKLE)
    return _read(path, AllowList(budget), budget)


def _read(path: Path, allowed: AllowList, budget: Budget) -> Any:
    def lookup(module: str, name: str) -> Allowed | None:
        return tensors_only(module, name) or allowed(module, name)

    try:
        return read_archive(path, lookup, budget=budget)
    except PickleError as error:
        what = recognised(outline(path))
        hint = f"; the names in it suggest {what}" if what else ""
        raise PickleError(f"{error}{hint}", offset=error.offset, reference=error.reference) from error


def _objects(path: str, data: Any) -> HostSnapshot | None:
    """Return the networks that were saved as whole objects, such as those tuned by PTI; None where there are none."""
    found = data if type(data) in (dict, Ordered) else {"G_ema": data}
    networks = {name: found[name] for name in NETWORKS if type(found.get(name)) is Node}
    networks = {name: node for name, node in networks.items() if node.parameters or dict(node.modules())}
    return HostSnapshot(path, networks) if networks else None


def _layouts(path: str, data: Any) -> HostSnapshot | None:
    """Return the generators in rosinality's layout; None where there are none."""
    networks: dict[str, Node] = {}
    notes: list[str] = []
    for role, state in _states(data):
        if role not in networks:
            average = state.get(_AVERAGE) or data.get(_AVERAGE)
            weights = {name: tensor for name, tensor in state.items() if name != _AVERAGE}
            networks[role], said = rosinality.generator(weights, average if _is_tensor(average) else None)
            notes += [f"{role}: {note}" for note in said]
    return HostSnapshot(path, networks, notes=notes) if networks else None


def _states(data: Any) -> Iterator[tuple[str, rosinality.State]]:
    """Yield the state dicts in the layout, moving averages first, each with the role of its key."""
    if type(data) not in (dict, Ordered):
        return
    places = [(name, role) for role, names in (("G_ema", _AVERAGES), ("G", _GENERATORS)) for name in names]
    for name, role in places:
        yield from ((role, state) for state in _layouts_in(data.get(name), _DEEPEST))
    yield from (("G_ema", state) for state in _layouts_in(data, 0))


def _layouts_in(value: Any, depth: int) -> Iterator[rosinality.State]:
    if type(value) not in (dict, Ordered):
        return
    tensors = {name: item for name, item in value.items() if type(name) is str and _is_tensor(item)}
    for start in rosinality.prefixes(tensors):
        yield {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
    for item in value.values() if depth else ():
        yield from _layouts_in(item, depth - 1)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, StoredTensor)


def _check_program(path: Path) -> None:
    """Raise PickleError for archives not written by torch.save, saying what they are."""
    if kind_of_file(path, TORCH, EXPECTED) is Kind.ROW:
        return
    try:
        names = entries_of(path)
    except InputError as error:
        raise PickleError(f"{error}; the download may be incomplete") from error
    if any(name.endswith("/data.pkl") for name in names) and not any("/code/" in name for name in names):
        return
    if any("/code/" in name or name.endswith("models/model.json") for name in names):
        what = "a TorchScript or torch.export program, such as the networks of metrics, not a generator"
    elif names and all(name.endswith(".npy") for name in names):
        what = "NumPy arrays (.npz), such as projections; give it to `linkgan edit --projection`"
    else:
        what = f"a zip archive of {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}; unpack it first"
    raise PickleError(f"{path}: {what}; expected {EXPECTED}")


def _described(data: Any) -> str:
    name = data.class_name if type(data) is Node else type(data).__name__
    return f"one object of the class {name}"
