"""Reading a host's snapshot into inert nodes."""

from __future__ import annotations

import gzip
import io
import pickle
import tracemalloc
import zipfile

import pytest
import torch

from linkgan_plugin.pickles.nodes import digest
from linkgan_plugin.pickles.reader import read_pickle
from tests.pickles import checkouts
from training_loops.formats.pickles.source import PickleError


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_tensors_come_out_as_they_went_in(checkout, protocol):
    data, generator = checkouts.snapshot_bytes(checkout, protocol)
    found = read_pickle(io.BytesIO(data)).generator.state_dict()
    expected = generator.state_dict()
    assert list(found) == list(expected)
    for key, tensor in expected.items():
        assert torch.equal(found[key], tensor), key
        assert (found[key].dtype, found[key].stride()) == (tensor.dtype, tensor.stride()), key
        assert not found[key].requires_grad
    assert "dataset_label_std" in found
    assert "seen" not in found


def test_what_a_network_was_made_with_is_plain_data(checkout, made):
    data, _ = made
    snapshot = read_pickle(io.BytesIO(data))
    node = snapshot.networks["G_ema"]
    assert node.class_name == "Generator"
    assert node.init_args == ()
    assert node.init_kwargs == checkouts.KWARGS
    assert type(node.init_kwargs["settings"]) is dict
    assert node.attributes["rendering_resolution"] == 32
    assert node.attributes["gain"] == 0.5
    assert "filter" not in node.attributes
    assert node.state["filter"].value.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert snapshot.training_set_kwargs["path"] == "/data/faces.zip"
    assert set(snapshot.networks) == {"G", "G_ema"}
    assert dict(node.modules())["synthesis"].class_name == "torch.nn.modules.container.Sequential"


def test_the_source_in_the_file_is_text_that_nobody_runs(made):
    snapshot = read_pickle(io.BytesIO(made[0]))
    assert snapshot.generator.source_digest == digest(checkouts.NETWORKS)
    assert {text for _, text in snapshot.sources} == {checkouts.NETWORKS}


def test_a_source_has_one_digest_whatever_its_line_ends():
    assert digest("a\nb\n") == digest("a\r\nb\r\n") == digest("a\nb")


def test_every_global_is_reported_with_its_place(made):
    data, _ = made
    found = read_pickle(io.BytesIO(data)).globals
    assert "torch.storage._load_from_bytes" in found
    assert found["collections.OrderedDict"] == data.index(b"\x93", data.index(b"OrderedDict"))


def test_tensors_that_share_numbers_still_share_them(checkout):
    shared = torch.nn.Parameter(torch.arange(6.0))
    data, _ = checkouts.snapshot_bytes(checkout, tied=torch.nn.ParameterList([shared, shared]))
    found = read_pickle(io.BytesIO(data)).generator.state_dict()
    assert found["tied.0"].data_ptr() == found["tied.1"].data_ptr()


def test_memory_stays_near_the_size_of_the_tensors(checkout, tmp_path):
    data, _ = checkouts.snapshot_bytes(checkout, big=torch.nn.ParameterList([torch.rand(50_000) for _ in range(40)]))
    path = tmp_path / "network.pkl"
    path.write_bytes(data)
    tracemalloc.start()  # sees the bytes that are read, not the tensors made of them
    read_pickle(path)
    assert tracemalloc.get_traced_memory()[1] < 0.2 * len(data)
    tracemalloc.stop()


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("data.pkl", b"x")
    return file.getvalue()


FOREIGN = {
    "empty": (b"", "empty file"),
    "text": (b"hello, world", "not a pickle"),
    "zip": (zipped(), "zip archive"),
    "packed twice": (gzip.compress(gzip.compress(b"x")), "gzip-compressed twice"),
    "protocol 0": (pickle.dumps({"G": 1}, 0), "not a pickle of protocol 2"),
    "TensorFlow": (b"\x80\x03cdnnlib.tflib.network\nNetwork\nq\x00.", r"TensorFlow networks .* legacy.py"),
    "a number": (pickle.dumps(1), "a int, expected a dict with G, D, G_ema"),
    "no networks": (pickle.dumps({"a": 1}), "none of G, D, G_ema"),
    "a newer protocol": (b"\x80\x09.", "pickle protocol 9"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_named_with_what_it_is(name, tmp_path):
    path = tmp_path / "network.pkl"
    path.write_bytes(FOREIGN[name][0])
    with pytest.raises(PickleError, match=FOREIGN[name][1]) as caught:
        read_pickle(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(PickleError, match="No such file"):
        read_pickle(tmp_path / "network.pkl")


def test_a_snapshot_of_a_discriminator_has_no_generator(made):
    data = made[0].replace(b"\x8c\x01G\x94", b"\x8c\x01D\x94", 1).replace(b"\x8c\x05G_ema\x94", b"\x8c\x05other\x94", 1)
    with pytest.raises(PickleError, match="no generator in it; found D"):
        _ = read_pickle(io.BytesIO(data)).generator
