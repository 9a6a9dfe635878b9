"""Our own files of networks: they give back what was written, and anything else is refused before it is built."""

from __future__ import annotations

import io
import json
import struct
import zipfile

import pytest
import safetensors.torch
import torch

from linkgan_plugin.checksum import file_digest
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.segmentation import architectures, store, tensors
from linkgan_plugin.segmentation.architectures.small_unet import SmallUNet
from linkgan_plugin.segmentation.files import open_segmenter
from linkgan_plugin.segmentation.segmenter import Card

ARGUMENTS = {"classes": 2, "width": 2, "depth": 1}
CARD = {"classes": ["dark", "light"], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "size": None}
DESCRIPTION = {"version": 1, "architecture": "small_unet", "arguments": ARGUMENTS, "card": CARD}


@pytest.fixture
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return SmallUNet(**ARGUMENTS).eval()


def written(path, network, metadata=None, **changes):
    """Write a file as a forger could: any metadata, any description."""
    description = {**DESCRIPTION, **changes}
    given = {"format": "pt", store.KEY: json.dumps(description)} if metadata is None else metadata
    path.write_bytes(safetensors.torch.save(network.state_dict(), given))
    return path


def test_a_network_computes_what_it_did_before_it_was_written(tmp_path, network):
    path = tmp_path / "a.safetensors"
    card = Card(("dark", "light"), "", (0.1, 0.2, 0.3), (1.0, 2.0, 3.0), (6, 8))
    store.write_network(path, "small_unet", ARGUMENTS, card, network.state_dict())
    state = torch.get_rng_state()
    segmenter = open_segmenter(path)
    assert torch.equal(torch.get_rng_state(), state)
    assert segmenter.card == Card(card.classes, file_digest(path), card.mean, card.std, card.size)
    images = torch.rand(2, 3, 6, 8) * 2 - 1
    mean, std = (torch.tensor(values)[:, None, None] for values in (card.mean, card.std))
    assert torch.equal(segmenter.scores(images), network(((images + 1) / 2 - mean) / std))


def test_the_name_of_the_file_does_not_matter(tmp_path, network):
    assert open_segmenter(written(tmp_path / "a.pt", network)).card.classes == ("dark", "light")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "version 2, this program reads 1"),
        ({"version": True}, "'version' must be of type int, not True"),
        ({"architecture": "os.system"}, "no architecture 'os.system'; .*small_unet"),
        ({"architecture": ["small_unet"]}, "'architecture' must be of type str"),
        ({"arguments": {"classes": 2, "width": 2}}, "small_unet has the arguments classes, width, depth, not"),
        ({"arguments": {**ARGUMENTS, "device": 1}}, "small_unet has the arguments classes, width, depth, not"),
        ({"arguments": {**ARGUMENTS, "width": 10**9}}, "width 1000000000, expected an integer from 1 to 128"),
        ({"arguments": {**ARGUMENTS, "width": 2.0}}, r"width 2\.0, expected an integer"),
        ({"arguments": {**ARGUMENTS, "width": True}}, "width True, expected an integer"),
        ({"arguments": {**ARGUMENTS, "depth": -1}}, "depth -1, expected an integer from 1 to 5"),
        ({"arguments": [2, 2, 1]}, "'arguments' must be of type dict"),
        ({"arguments": {**ARGUMENTS, "width": 3}}, r"do not match .*down\.0\.0\.weight is float32 \[2, 3, 3, 3\]"),
        ({"arguments": {**ARGUMENTS, "depth": 2}}, r"down\.2\.0\.weight float32 \[8, 4, 3, 3\] is missing"),
        ({"arguments": {**ARGUMENTS, "classes": 3}}, "2 classes are named, but the network has 3"),
        ({"card": {**CARD, "sha256": "0"}}, "invalid card"),
        ({"card": []}, "'card' must be of type dict"),
        ({"card": {**CARD, "path": "x"}}, "an unknown field 'path'"),
        ({"source": "x"}, "the description has an unknown field 'source'"),
    ],
)
def test_a_description_that_is_none_is_refused_before_anything_is_built(
    tmp_path, network, monkeypatch, changes, message
):
    path = written(tmp_path / "a.safetensors", network, **changes)
    if "float32" not in message:  # those of tensors are about a network that was built without memory
        monkeypatch.setattr(SmallUNet, "__init__", lambda *args, **kwargs: pytest.fail("built"))
    with pytest.raises(LinkGANError, match=message):
        store.read_network(path)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "the file does not describe its network; .*segment export"),
        ({store.KEY: json.dumps(DESCRIPTION), "linkgan": "{}"}, "an unknown field 'linkgan'"),
        ({store.KEY: "{"}, "the description: not valid JSON"),
        ({store.KEY: "[" * 100_000}, "the description: (not valid JSON|more than)"),
        ({store.KEY: "[]"}, "the description must be a JSON object, not list"),
    ],
)
def test_other_metadata_is_refused(tmp_path, network, metadata, message):
    with pytest.raises(LinkGANError, match=message):
        store.read_network(written(tmp_path / "a.safetensors", network, metadata))


def test_other_types_are_refused(tmp_path, network):
    network.head.double()
    path = written(tmp_path / "a.safetensors", network)
    with pytest.raises(LinkGANError, match=r"head\.weight is float64 \[2, 2, 1, 1\], expected float32"):
        store.read_network(path)


def header_of(content):
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def with_header(header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"cos\nsystem\n.")
    return buffer.getvalue()


def forged(content, kind):
    header, data = header_of(content)
    first, second = (name for name in list(header)[1:3])
    if kind == "a zip at its end":
        return content + zipped()
    if kind == "a zip in a tensor":
        more = zipped()
        header["x"] = {"dtype": "U8", "shape": [len(more)], "data_offsets": [len(data), len(data) + len(more)]}
        return with_header(header, data + more)
    if kind == "a gap":
        return with_header(header, data + b"\0")
    if kind == "too short":
        return content[:-1]
    if kind == "shared bytes":
        header[first] = header[second]
        return with_header(header, data)
    if kind == "a name that comes twice":
        text = json.dumps(header)
        return with_header((text[:-1] + f', "{first}": {json.dumps(header[first])}}}').encode(), data)
    if kind == "a huge shape":
        header[first] = {**header[first], "shape": [2**40, 2**40]}
        return with_header(header, data)
    if kind == "a huge header":
        return struct.pack("<Q", 2**62) + content[8:]
    if kind == "deep":
        return with_header(b'{"a":' + b"[" * 100_000, b"")
    raise AssertionError(kind)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("a zip at its end", "do not cover the file exactly"),
        ("a zip in a tensor", "it is also a zip archive"),
        ("a gap", "do not cover the file exactly"),
        ("too short", "do not cover the file exactly"),
        ("shared bytes", "do not cover the file exactly"),
        ("a name that comes twice", "occurs twice"),
        ("a huge shape", "offsets that do not match its size"),
        ("a huge header", "does not begin with a header"),
        ("deep", "not a readable .safetensors file"),
    ],
)
def test_a_file_that_means_two_things_or_none_is_refused(tmp_path, network, kind, message):
    path = written(tmp_path / "a.safetensors", network)
    path.write_bytes(forged(path.read_bytes(), kind))
    with pytest.raises(LinkGANError, match=message):
        store.read_network(path)


def test_a_header_is_bounded(monkeypatch, tmp_path, network):
    content = written(tmp_path / "a.safetensors", network).read_bytes()
    assert tensors.looks_like_tensors(content[:9])
    monkeypatch.setattr(tensors, "_LONGEST_HEADER", 100)
    assert not tensors.looks_like_tensors(content[:9])


def test_every_architecture_is_built_without_memory():
    for name, architecture in architectures.ARCHITECTURES.items():
        built = architectures.build(name, {argument: most for argument, (_, most) in architecture.limits.items()})
        assert {tensor.device.type for tensor in built.state_dict().values()} == {"meta"}
        assert not built.training
