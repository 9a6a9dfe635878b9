"""Damaged and made-up files of every kind of network: an InputError or success, nothing else."""

from __future__ import annotations

import json
import pickle
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from linkgan_plugin.networks import load_network
from linkgan_plugin.pickles.convert import convert
from linkgan_plugin.pickles.describe import describe
from tests.pickles.test_native import DIMS, WIDTH, generator
from tests.pickles.written import snapshot_bytes, stored
from training_loops.errors import InputError
from training_loops.snapshots import save_snapshot
from training_loops.stylegan2.networks import Discriminator

ROUNDS = {"pkl": 120, "safetensors": 120, "pt": 40}  # a snapshot (.pt) takes longest: it holds three networks
OPCODES = sorted({value for name, value in vars(pickle).items() if name.isupper() and isinstance(value, bytes)})
SNIPPETS = [*OPCODES, b"\xff" * 8, b"\x00" * 8, b"K\x00\x85", b"h\x00", b"]", b"}", b"(", b"t", b"e", b"s", b"u", b"R"]
TEXTS = ["NaN", "1e999", "null", "[]", "{}", '"x"', "-1", "9" * 5000, "[" * 3000, "true", "1.5", '"\\u001b[2J"']


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One whole file of each kind."""
    folder = tmp_path_factory.mktemp("whole")
    G = generator()
    pkl = folder / "network.pkl"
    pkl.write_bytes(snapshot_bytes(G_ema=stored(G, {**DIMS, **WIDTH})))
    convert(pkl, folder / "network.safetensors")
    D = Discriminator(c_dim=G.c_dim, img_resolution=G.img_resolution, img_channels=3, **WIDTH)
    options = {"training_set_kwargs": {"path": "x.zip"}}
    save_snapshot(folder / "network.pt", G=G, D=D, G_ema=G, training_options=options, cur_nimg=1, link_spec=None)
    return {path.suffix[1:]: path.read_bytes() for path in folder.iterdir()}


def bytes_changed(data: bytes, draw: random.Random) -> bytes:
    made = bytearray(data)
    for _ in range(draw.choice((1, 2, 8, 40))):
        at = draw.randrange(len(made))
        made[at : at + draw.choice((0, 1, 1, 4))] = draw.choice(
            [bytes([draw.randrange(256)]), bytes([made[at] ^ 1 << draw.randrange(8)]), draw.choice(SNIPPETS)]
        )
    return bytes(made)


def cut(data: bytes, draw: random.Random) -> bytes:
    start, stop = sorted(draw.randrange(len(data)) for _ in range(2))
    return draw.choice([data[:start], data[:start] + data[stop:], data[:stop] + data[start:], data + data[start:stop]])


def made_up(data: bytes, draw: random.Random) -> bytes:
    """A pickle of random opcodes, before those of a whole one."""
    head = b"".join(draw.choice(SNIPPETS) for _ in range(draw.randrange(1, 40)))
    return b"\x80\x04" + head + draw.choice([data[2:], b"."])


def header_changed(data: bytes, draw: random.Random) -> bytes:
    """A .safetensors file with another value somewhere in its header or in its description."""
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    description = json.loads(header["__metadata__"]["linkgan"])
    target = draw.choice([header, description])
    for _ in range(draw.randrange(1, 8)):
        inner = target[draw.choice(list(target))] if isinstance(target, dict) and target else target
        if not isinstance(inner, dict) or not inner:
            break
        target = inner
    if isinstance(target, dict) and target:
        target[draw.choice(list(target))] = draw.choice([None, [], {}, "x", -1, 2**70, 1.5, True, "\x1b[2J", [[[]]]])
    if isinstance(header.get("__metadata__"), dict):
        header["__metadata__"]["linkgan"] = json.dumps(description)
    text = json.dumps(header).encode()
    if draw.random() < 0.3:
        at = draw.randrange(len(text))
        text = text[:at] + draw.choice(TEXTS).encode() + text[at + 1 :]
    return struct.pack("<Q", len(text)) + text + data[8 + size :]


def options_changed(data: bytes, draw: random.Random, path: Path) -> bytes:
    """A .pt file with another value somewhere in it."""
    path.write_bytes(data)
    target = whole = torch.load(path, weights_only=True)
    for _ in range(draw.randrange(0, 4)):
        inner = target[draw.choice(list(target))]
        if not isinstance(inner, dict) or not inner:
            break
        target = inner
    values = [None, [], "x", -1, 2**70, True, torch.zeros(2, device="meta"), torch.zeros(3), bytearray(9), *TEXTS]
    target[draw.choice(list(target))] = draw.choice(values)
    torch.save(whole, path, _use_new_zipfile_serialization=draw.random() < 0.8)
    return path.read_bytes()


Change = Callable[[bytes, random.Random], bytes]
CHANGES: dict[str, list[Change]] = {
    "pkl": [bytes_changed, cut, made_up],
    "safetensors": [bytes_changed, cut, header_changed, header_changed],
    "pt": [bytes_changed, cut],
}


def variants(kind: str, whole: bytes, folder: Path, rounds: int, seed: int = 0) -> Iterator[Path]:
    """Yield a file of the kind, again and again another."""
    draw = random.Random(f"{kind} {seed}")
    path = folder / f"network.{kind}"
    for _ in range(rounds):
        if kind == "pt" and draw.random() < 0.5:
            data = options_changed(whole, draw, folder / "changed.pt")
        else:
            data = draw.choice(CHANGES[kind])(whole, draw)
        path.write_bytes(data)
        yield path


def outcome(path: Path) -> str:
    """Read a file in all ways; return what became of it."""
    error = describe(path)["error"]
    assert error is None or error.isprintable()
    try:
        load_network(path)
    except InputError:
        return "refused" if error else "described"
    return "opened"


@pytest.mark.parametrize("kind", CHANGES)
def test_every_file_is_opened_or_refused(kind: str, files: dict[str, bytes], tmp_path: Path) -> None:
    outcomes = {outcome(path) for path in variants(kind, files[kind], tmp_path, ROUNDS[kind])}
    assert "refused" in outcomes
    assert outcome_of_whole(kind, files[kind], tmp_path) == "opened"


def outcome_of_whole(kind: str, data: bytes, folder: Path) -> str:
    path = folder / f"whole.{kind}"
    path.write_bytes(data)
    return outcome(path)
