"""Converts network files: hosts' pickles, snapshots of the embedded host, .safetensors."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from training_loops.formats.atomic import replacing
from training_loops.formats.kinds import Kind
from training_loops.snapshots import ROLES, load_snapshot, save_snapshot

from .. import sidecar
from ..checksum import file_digest
from ..errors import LinkGANError
from ..network_links import SPEC_ATTRIBUTE
from . import native
from .own import node_of
from .reader import HostSnapshot, read_pickle
from .tensor_file import SUFFIX, read_tensor_file, write_tensor_file
from .torch_files import is_embedded, network_kind, read_torch

PICKLES = (".pkl", ".pickle")
SNAPSHOT = ".pt"
KINDS = (*PICKLES, SNAPSHOT, SUFFIX)
TRAINED = ("stylegan2", "eg3d", "stylemap", "families")  # families that the embedded host trains


def read_networks(path: Path) -> HostSnapshot:
    """Read the networks of a file; its kind is detected from its content, and no code from it is run.

    Raises:
        PickleError, SnapshotError: damaged, or of a project whose networks are not supported.
        LinkGANError: no such file, or one of another kind; says what it looks like.
    """
    kind = network_kind(path)
    if kind is Kind.PICKLE:
        return read_pickle(path)
    if kind is Kind.TENSORS:
        return read_tensor_file(path)
    return _read_snapshot(path) if is_embedded(path) else read_torch(path)


def convert(source: Path, target: Path, host: Path | None = None) -> HostSnapshot:
    """Write the networks of `source` to `target`, whose suffix selects the format; return them.

    The links of a pickle are also written next to it, where a host that resumes from it finds them.

    Args:
        host: for a pickle, the folder with the train.py of the host that will open it; its code runs.
    Raises:
        LinkGANError: networks that the format does not support, or no `host` for a pickle; also as `read_networks`.
    """
    suffix = target.suffix.lower()
    if suffix not in KINDS:
        raise LinkGANError(f"{target}: expected a name that ends in {', '.join(KINDS)}")
    if suffix in PICKLES and host is None:
        raise LinkGANError(
            f"{target}: a pickle contains the source of the host's classes; give the folder with the host's train.py "
            "by --host DIR"
        )
    snapshot = read_networks(source)
    _take_links(snapshot, source)
    write_networks(target, snapshot, source, host)
    if suffix in PICKLES:
        _write_links(target, snapshot)
    return snapshot


def write_networks(target: Path, snapshot: HostSnapshot, source: Path, host: Path | None) -> None:
    """Write networks to a file of the kind that its name says; `source` is the file that they come from.

    Raises:
        LinkGANError: as `convert`.
    """
    if target.suffix.lower() in PICKLES:
        assert host is not None
        _write_pickle(target, snapshot, host)
    elif target.suffix.lower() == SNAPSHOT:
        _write_snapshot(target, snapshot)
    else:
        write_tensor_file(target, snapshot, {"file": source.name, "sha256": file_digest(source)})


def _write_links(path: Path, snapshot: HostSnapshot) -> None:
    """Write the links of a network next to its file; without links, remove those of an earlier file of the name."""
    specs = [node.attributes.get(SPEC_ATTRIBUTE) for node in snapshot.networks.values()]
    spec = next(filter(None, specs), None)
    if spec is None:
        sidecar.path_of(path).unlink(missing_ok=True)
    else:
        sidecar.write_spec(path, spec)


def _take_links(snapshot: HostSnapshot, path: Path) -> None:
    """Set the links stored next to the file on generators without links."""
    spec = sidecar.read(path)
    for role in ("G", "G_ema"):
        node = snapshot.networks.get(role)
        if spec is not None and node is not None and node.state.get(SPEC_ATTRIBUTE) is None:
            node.put(SPEC_ATTRIBUTE, spec)


def _read_snapshot(path: Path) -> HostSnapshot:
    snapshot = load_snapshot(path)
    options = snapshot.training_options
    networks = {role: node_of(net) for role in ROLES if (net := getattr(snapshot, role)) is not None}
    return HostSnapshot(
        str(path),
        networks,
        training_set_kwargs=options.get("training_set_kwargs") or {},
        training_options=options,
        cur_nimg=snapshot.cur_nimg,
    )


def check_trainable(snapshot: HostSnapshot) -> None:
    """Check that the embedded host can train the networks, which a .pt of it needs.

    Raises:
        LinkGANError: one of `ROLES` is missing, or of a family that it does not train.
    """
    families = {role: native.check(snapshot.networks[role]) for role in ROLES if role in snapshot.networks}
    alone = "D" not in families and any(not family.adversarial for family in families.values())
    missing = [role for role in ROLES if role not in families and not (role == "D" and alone)]
    if missing:
        raise LinkGANError(f"{snapshot.path} has no {', '.join(missing)}, which training needs")
    foreign = {family.name for family in families.values()}.difference(TRAINED)
    if foreign:
        raise LinkGANError(
            f"{snapshot.path} contains networks of {', '.join(sorted(foreign))}; the embedded host trains "
            f"{', '.join(TRAINED)}: convert to {SUFFIX} or, with --host DIR, to .pkl"
        )


def _write_snapshot(path: Path, snapshot: HostSnapshot) -> None:
    check_trainable(snapshot)
    options = {**snapshot.training_options}
    options.setdefault("training_set_kwargs", snapshot.training_set_kwargs)
    save_snapshot(
        path,
        **{role: native.build(snapshot.networks[role]) if role in snapshot.networks else None for role in ROLES},
        training_options=options,
        cur_nimg=snapshot.cur_nimg,
        link_spec=snapshot.networks["G_ema"].attributes.get(SPEC_ATTRIBUTE),
    )


def _write_pickle(path: Path, snapshot: HostSnapshot, host: Path) -> None:
    """Pickle instances of the host's own classes, so that an unpatched host can open the file."""
    from .checkout import importing, rebuild  # only this needs the compatibility fixes

    state = torch.get_rng_state()
    data: dict[str, Any] = {role: rebuild(node, host) for role, node in snapshot.networks.items()}
    torch.set_rng_state(state)
    data.setdefault("augment_pipe", None)
    data["training_set_kwargs"] = snapshot.training_set_kwargs
    with importing(host.resolve()), replacing(path) as temporary, open(temporary, "wb") as file:
        pickle.dump(data, file)
