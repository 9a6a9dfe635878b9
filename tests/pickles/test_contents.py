"""What a network file holds decides how it is opened, never what it is called; gzip may have packed it."""

from __future__ import annotations

import gzip
import io
import pickle
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from linkgan_plugin.networks import load_network
from linkgan_plugin.pickles.convert import convert, read_networks
from linkgan_plugin.pickles.describe import describe
from tests.pickles.layouts import network, rosinality
from tests.pickles.test_native import ADA, D_KWARGS, DIMS, WIDTH, filled, generator
from tests.pickles.written import reconstructing, snapshot_bytes, stored
from training_loops.errors import InputError
from training_loops.formats.budget import PICKLE, BudgetError
from training_loops.snapshots import save_snapshot
from training_loops.stylegan2.networks import Discriminator

KWARGS = {**DIMS, "synthesis_kwargs": WIDTH}


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes of one network in files of every kind."""
    folder = tmp_path_factory.mktemp("in")
    made = stored(generator(**ADA), KWARGS)
    (folder / "a.pkl").write_bytes(snapshot_bytes(G_ema=made))
    convert(folder / "a.pkl", folder / "a.safetensors")
    G, D = network(), filled(Discriminator(**D_KWARGS))
    save_snapshot(folder / "a.pt", G=G, D=D, G_ema=G, training_options={}, cur_nimg=0, link_spec=None)
    with reconstructing():
        torch.save(made, folder / "object.pt")
    torch.save({"g_ema": rosinality(network())}, folder / "old.pt", _use_new_zipfile_serialization=False)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


NAMES = ["a.PKL", "a.Pkl", "a.pkl", "a.pt", "a.pth", "a.bin", "a.safetensors", "a", "a.zip"]


@pytest.mark.parametrize("kind", ["a.pkl", "a.safetensors", "a.pt", "object.pt", "old.pt"])
def test_every_kind_opens_under_every_name(kind: str, contents: dict[str, bytes], tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).write_bytes(contents[kind])
        assert load_network(tmp_path / name).generator.w_dim == 8
        assert describe(tmp_path / name)["error"] is None


@pytest.mark.parametrize("kind", ["a.pkl", "a.pt", "object.pt", "old.pt"])
def test_what_gzip_packed_opens_as_what_is_in_it(kind: str, contents: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(contents[kind])
    (tmp_path / "a.pkl.gz").write_bytes(gzip.compress(contents[kind]))
    expected = load_network(tmp_path / "plain").generator.state_dict()
    found = load_network(tmp_path / "a.pkl.gz").generator.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    told = describe(tmp_path / "a.pkl.gz")
    assert told["kind"].endswith(", gzip-compressed")
    assert told["globals"] == describe(tmp_path / "plain")["globals"]


def test_a_packed_file_of_several_members_opens(contents: dict[str, bytes], tmp_path: Path) -> None:
    data = contents["a.pkl"]
    (tmp_path / "a.pkl.gz").write_bytes(gzip.compress(data[:1000]) + gzip.compress(data[1000:]) + bytes(512))
    assert load_network(tmp_path / "a.pkl.gz").generator.w_dim == 8


def test_a_packed_tensor_file_says_to_unpack_it(contents: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "a.safetensors.gz").write_bytes(gzip.compress(contents["a.safetensors"]))
    with pytest.raises(InputError, match=r"a\.safetensors\.gz: .safetensors compressed by gzip; decompress it first"):
        load_network(tmp_path / "a.safetensors.gz")
    assert "decompress it first" in describe(tmp_path / "a.safetensors.gz")["error"]


def test_a_whole_object_as_pivotal_tuning_saves_it_opens(contents: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "model_ABCD_face.pt"
    path.write_bytes(contents["object.pt"])
    found = load_network(path).generator.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in generator(**ADA).state_dict().items())
    told = describe(path)
    assert told["code"]  # the source of its classes lies in it
    assert told["safe_in_host"] is False
    assert {item["name"] for item in told["globals"]} >= {"torch_utils.persistence._reconstruct_persistent_obj"}


def test_a_generator_alone_in_a_pickle_opens(tmp_path: Path) -> None:
    with reconstructing():
        (tmp_path / "G.pkl").write_bytes(pickle.dumps(stored(generator(**ADA), KWARGS)))
    found = load_network(tmp_path / "G.pkl").generator.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in generator(**ADA).state_dict().items())


def test_weights_that_pickle_wrote_are_named(tmp_path: Path) -> None:
    (tmp_path / "G.pkl").write_bytes(pickle.dumps(dict(generator(**ADA).state_dict())))
    with pytest.raises(InputError, match="none of G, D, G_ema in it; it is only the weights of a StyleGAN2"):
        load_network(tmp_path / "G.pkl")


def test_tensor_files_of_other_programs_are_named(tmp_path: Path) -> None:
    save_file({"unet.weight": torch.zeros(2)}, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=r"weights of an unknown network \(1 tensors: unet.weight\)"):
        load_network(tmp_path / "a.safetensors")
    save_file({"x": torch.zeros(2)}, tmp_path / "a.safetensors", {"linkgan_segmenter": "{}"})
    with pytest.raises(InputError, match="a segmentation network; links use it by --segmenter NAME=FILE"):
        load_network(tmp_path / "a.safetensors")


def bomb(size: int) -> bytes:
    """Return a pickle's first bytes and zeros behind, packed to a thousandth."""
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb") as packed:
        packed.write(b"\x80\x04")
        for _ in range(size >> 20):
            packed.write(bytes(1 << 20))
    return file.getvalue()


def test_a_file_that_unpacks_to_far_more_is_refused_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    real = zlib.decompressobj

    class Counted:
        def __init__(self, *args: Any) -> None:
            self._made = real(*args)

        def decompress(self, *args: Any) -> bytes:
            data = self._made.decompress(*args)
            made.append(len(data))
            return data

        def __getattr__(self, name: str) -> Any:
            return getattr(self._made, name)

    path = tmp_path / "a.pkl.gz"
    path.write_bytes(bomb(256 << 20))
    monkeypatch.setattr(zlib, "decompressobj", Counted)
    with pytest.raises(BudgetError, match=r"a\.pkl\.gz: expands to more than \d+ MB"):
        read_networks(path)
    assert sum(made) < PICKLE.bytes + 8 * path.stat().st_size + (1 << 20)
    assert max(made) <= 1 << 18


DAMAGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut off": (lambda data: data[: len(data) // 2], "gzip data is truncated; download it again"),
    "without its checksum": (lambda data: data[:-8], "gzip data is truncated"),
    "a wrong checksum": (lambda data: data[:-8] + bytes(4) + data[-4:], "gzip data is damaged"),
    "a flipped bit": (lambda data: data[:5000] + bytes([data[5000] ^ 64]) + data[5001:], "damaged|truncated"),
    "the first bytes alone": (lambda data: data[:2], "gzip-compressed twice, or damaged"),
    "text behind it": (lambda data: data + b"hello", "gzip data is damaged"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_packed_file_is_one_message(kind: str, contents: dict[str, bytes], tmp_path: Path) -> None:
    change, message = DAMAGED[kind]
    path = tmp_path / "a.pkl.gz"
    path.write_bytes(change(gzip.compress(contents["a.pkl"])))
    for read in (load_network, read_networks):
        with pytest.raises(InputError, match=message) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: ")
    assert re.search(message, describe(path)["error"])


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return file.getvalue()


OTHERS = {
    "nothing": (b"", "an empty file"),
    "a page": (b"\n<!DOCTYPE html><html>", "a web page; the download link leads to a page"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
    "bzip2": (b"BZh91AY&SY", "compressed by bzip2; decompress it first"),
    "xz": (b"\xfd7zXZ\0\0\4", "compressed by xz"),
    "zstd": (b"\x28\xb5\x2f\xfd\0", "compressed by zstd"),
    "tar": (bytes(257) + b"ustar\0", "a tar archive"),
    "HDF5": (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    "PNG": (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    "JSON": (b'{"a": 1}', "JSON text"),
    "a list in JSON": (b'[1, 20, {"a": 1}]', "JSON text"),
    "NumPy": (b"\x93NUMPY\1\0", "a NumPy array"),
    "zeros": (bytes(600), "a file of zeros"),
    "text": (b"hello, world", r"an unknown kind of file \(it begins with b'hello, world'\)"),
    "images": (zipped("a/1.png", "a/2.png"), "a zip archive of a/1.png, a/2.png; unpack it first"),
    "npz": (zipped("w.npy"), r"NumPy arrays \(.npz\), such as projections"),
    "a zip that is cut off": (zipped("a/data.pkl")[:-9], "the download may be incomplete"),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("name", ["a.pkl", "a.pt", "a.safetensors", "a"])
def test_another_file_is_named_for_what_it_is(kind: str, name: str, tmp_path: Path) -> None:
    data, message = OTHERS[kind]
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        load_network(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1
    assert describe(path)["error"] == str(caught.value)


def test_a_script_is_told_from_weights(tmp_path: Path) -> None:
    path = tmp_path / "lpips.pt"
    torch.jit.script(nn.Linear(2, 2)).save(path)
    with pytest.raises(InputError, match=r"a TorchScript or torch\.export program"):
        load_network(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a file"):
        load_network(tmp_path)
