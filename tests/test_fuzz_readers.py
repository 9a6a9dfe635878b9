"""Damaged and odd files in every reader: an InputError or success, nothing else. The same files in every run."""

from __future__ import annotations

import contextlib
import io
import json
import random
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from linkgan_plugin import sidecar
from linkgan_plugin.directions.directions import Directions
from linkgan_plugin.directions.fields import Warp
from linkgan_plugin.directions.files import load_directions, save_directions
from linkgan_plugin.inversion.projected import load_projected
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.networks import _beside
from tests.toys import ToyGenerator
from training_loops.errors import InputError
from training_loops.formats.folder import ImageFolderDataset
from training_loops.formats.png import decode

ROUNDS = 150
ODD = [None, True, -1, 0, 1.5, 1e300, 10**25, "", "x", "\x1b[2J", [], [[]], {}, {"a": [1]}, 2**31, "0:8", [0, 8]]


def damaged(data: bytes, dice: random.Random) -> bytes:
    """Bytes changed, cut out, doubled or cut off."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(changed) + 1)
        match dice.randrange(4):
            case 0 if at < len(changed):
                changed[at] = dice.choice([0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)])
            case 1:
                del changed[at : at + dice.randint(1, 8)]
            case 2:
                changed[at:at] = changed[at : at + dice.randint(1, 40)]
            case _ if dice.random() < 0.2:
                del changed[at:]
    return bytes(changed)


def odd(data: object, dice: random.Random) -> object:
    """JSON in which one value is another one."""
    if isinstance(data, dict | list) and data and dice.random() < 0.85:
        copy = dict(data) if isinstance(data, dict) else list(data)
        key = dice.choice(list(copy) if isinstance(copy, dict) else range(len(copy)))
        copy[key] = odd(copy[key], dice)
        return copy
    return dice.choice(ODD)


def mutated(data: object, dice: random.Random) -> bytes:
    text = json.dumps(odd(data, dice)).encode()
    return damaged(text, dice) if dice.random() < 0.5 else text


def files_of(kind: str) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def archive_of(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


SPEC = LinkSpec.parse(
    ["a=0:4@eyes+polygon(0,0.6,1,0.6,0.5,0.7)", "b=2@box(0,0.8,1,1)&box(0,0.8,1,1)"], dim=16
).to_json()
LABELS = {"labels": [["a.png", [0.5, 1]], ["b.png", [1, 2]]]}
LINK = "eyes=0:8,9:12@(box(0.25,0.35,0.75,0.5)+polygon(0,0.6,1,0.6,0.5,0.7))&box(0,0,1,1)+chin"


def read_labels(dice, folder):
    table = mutated(LABELS, dice)
    (folder / "data.zip").write_bytes(archive_of(**{"a.png": PNG, "b.png": PNG, "dataset.json": table}))
    ImageFolderDataset(folder / "data.zip", use_labels=True).batch([0])


def read_archive(dice, folder):
    (folder / "data.zip").write_bytes(damaged(ARCHIVE, dice))
    ImageFolderDataset(folder / "data.zip", use_labels=True).batch([0])


def read_image(dice, folder):
    decode(damaged(files_of(dice.choice(["png", "jpeg", "webp", "bmp", "gif"])), dice))


def read_spec(dice, folder):
    LinkSpec.from_json(odd(SPEC, dice))  # type: ignore[arg-type]


def read_link(dice, folder):
    LinkSpec.parse([damaged(LINK.encode(), dice).decode("utf-8", "replace")], dim=64)


def read_projection(dice, folder):
    (folder / "w.npz").write_bytes(damaged(NPZ, dice))
    load_projected(folder / "w.npz", GENERATOR)


def read_sidecar(dice, folder):
    (folder / "net.links.json").write_bytes(mutated({"link_spec": SPEC}, dice))
    found = sidecar.read(folder / "net.pkl")
    if found is not None:
        LinkSpec.from_json(found)


def read_options(dice, folder):
    (folder / "training_options.json").write_bytes(mutated({"G_kwargs": {"a": 1}, "training_set_kwargs": {}}, dice))
    _beside(folder / "training_options.json")


def read_directions(dice, folder):
    data, name = dice.choice([(WARPS, "warps.safetensors"), (NPZ, "w.npz"), (TENSORS, "w.pt")])
    (folder / name).write_bytes(damaged(data, dice))
    load_directions(folder / name)


def files_of_directions() -> tuple[bytes, bytes]:
    warp = Warp(torch.ones(2, 3, 5), torch.ones(2, 3), torch.ones(2, 3), torch.ones(2))
    with tempfile.TemporaryDirectory() as folder:
        save_directions(Path(folder) / "a.safetensors", Directions(torch.ones(2, 1, 5), names=("a", "b"), bend=warp))
        torch.save({"a": torch.ones(2, 5)}, Path(folder) / "a.pt")
        return (Path(folder) / "a.safetensors").read_bytes(), (Path(folder) / "a.pt").read_bytes()


PNG = files_of("png")
ARCHIVE = archive_of(**{"a.png": PNG, "b.png": PNG, "dataset.json": json.dumps(LABELS).encode()})
_buffer = io.BytesIO()
np.savez(_buffer, w=np.ones([1, 2, 5], np.float32))
NPZ = _buffer.getvalue()
WARPS, TENSORS = files_of_directions()
GENERATOR = ToyGenerator(torch.zeros(16, 5), 4)
READERS = [
    *(read_labels, read_archive, read_image, read_spec, read_link, read_projection, read_sidecar, read_options),
    read_directions,
]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.filterwarnings("ignore")
def test_an_input_error_or_success_and_nothing_else(reader, tmp_path):
    refused = 0
    for seed in range(ROUNDS):
        with contextlib.suppress(InputError):
            reader(random.Random(seed), tmp_path)
            continue
        refused += 1
    assert 5 < refused <= ROUNDS
