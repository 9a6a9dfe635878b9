"""Reads a host's snapshot file (.pkl): networks as inert nodes with their tensors. No code from the file is run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from training_loops.formats.budget import PICKLE, Budget
from training_loops.formats.gzips import open_unpacked
from training_loops.formats.kinds import Kind, kind_of, looks_like
from training_loops.formats.pickles.machine import Machine, refuse
from training_loops.formats.pickles.source import PickleError, Source

from .allowed import AllowList
from .foreign import recognised
from .nodes import Node, plain

NETWORKS = ("G", "D", "G_ema", "augment_pipe")


@dataclass(frozen=True)
class HostSnapshot:
    """The content of a host's snapshot, or of a file converted from one.

    Attributes:
        path: the file's name, for messages.
        networks: those of `NETWORKS` that are in it.
        training_set_kwargs: the data set it was trained on, plain data.
        training_options: the other training options, if known.
        cur_nimg: the images seen in training, if known.
        globals: every global that a pickle refers to, with the byte of its first use.
        sources: class name and text of all source code in a pickle.
        notes: sentences for the user about how the file was read.
    """

    path: str
    networks: dict[str, Node]
    training_set_kwargs: dict[str, Any] = field(default_factory=dict)
    training_options: dict[str, Any] = field(default_factory=dict)
    cur_nimg: int = 0
    globals: dict[str, int] = field(default_factory=dict)
    sources: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def generator(self) -> Node:
        """The moving average G_ema, or G where there is none.

        Raises:
            PickleError: the file contains no generator.
        """
        for name in ("G_ema", "G"):
            if name in self.networks:
                return self.networks[name]
        raise PickleError(f"{self.path}: no generator in it; found {', '.join(self.networks)}")


def read_pickle(file: Path | str | BinaryIO) -> HostSnapshot:
    """Read a snapshot of stylegan2-ada-pytorch, stylegan3, eg3d or one of their forks.

    Args:
        file: its path, possibly gzip-compressed; or a seekable stream of bytes.
    Raises:
        PickleError: no such file, not a host's snapshot, damaged, or with a global that snapshots do not need; names
            the file and, where possible, the global and the byte.
    """
    if not isinstance(file, (str, Path)):
        return _named(getattr(file, "name", "stream"), file)
    try:
        return _named(str(file), open_unpacked(file), close=True)
    except OSError as error:
        raise PickleError(f"{file}: {error.strerror or error}") from error


def _named(path: str, stream: BinaryIO, close: bool = False) -> HostSnapshot:
    try:
        source = Source(stream, close=close)
        _check_start(stream)
        budget = Budget(path, PICKLE)
        allowed = AllowList(budget)
        machine = Machine(source, allowed, budget=budget, refuse=_refuse)
        data = machine.run()
        if source.left:
            raise PickleError(f"{source.left} unexpected bytes after the end of the pickle", offset=source.offset)
        names = {".".join(pair): offset for pair, offset in machine.globals.items()}
        with budget:
            return replace(_snapshot(path, data, budget), globals=names, sources=allowed.sources)
    except PickleError as error:
        raise PickleError(f"{path}: {error}", offset=error.offset, reference=error.reference) from error
    except MemoryError as error:
        raise PickleError(f"{path}: not enough memory to read it") from error


def _check_start(stream: BinaryIO) -> None:
    start = stream.tell()
    head = stream.read(512)
    stream.seek(start)
    if not head:
        raise PickleError("an empty file", offset=0)
    if kind_of(head) is not Kind.PICKLE:
        raise PickleError(f"not a pickle of protocol 2 or later: {looks_like(head)}", offset=0)


def _refuse(name: str, offset: int) -> PickleError:
    if name.startswith("dnnlib.tflib."):
        message = (
            f"TensorFlow networks ({name} at byte {offset}); convert the file first with legacy.py of "
            "stylegan2-ada-pytorch or stylegan3"
        )
        return PickleError(message, offset=offset, reference=name)
    return refuse(name, offset)


def _snapshot(path: str, data: Any, budget: Budget) -> HostSnapshot:
    if type(data) is Node:
        data = {"G_ema": data}
    if type(data) is not dict:
        raise PickleError(f"a {type(data).__name__}, expected a dict with {', '.join(NETWORKS[:3])}")
    networks = {name: data[name] for name in NETWORKS if type(data.get(name)) is Node}
    if not networks:
        what = recognised(data)
        raise PickleError(f"none of {', '.join(NETWORKS[:3])} in it{f'; it is {what}' if what else ''}")
    dataset = plain(data.get("training_set_kwargs") or {}, "training_set_kwargs", budget)
    if type(dataset) is not dict:
        raise PickleError(f"training_set_kwargs is a {type(dataset).__name__}, expected a dict")
    return HostSnapshot(path, networks, dataset)
