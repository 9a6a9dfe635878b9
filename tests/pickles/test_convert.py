"""Converting network files: every bit and argument stays, and hostile files stop at one message."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from linkgan_plugin import sidecar
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.networks import load_network
from linkgan_plugin.pickles import plain_json, tensor_file
from linkgan_plugin.pickles.convert import convert, read_networks
from linkgan_plugin.pickles.nodes import Node
from linkgan_plugin.pickles.reader import read_pickle
from tests.hosts.kinds import MINI
from tests.pickles import checkouts
from tests.pickles.test_hostile import HEAD, LOAD, TENSOR, blob, call, network, storage, text
from tests.pickles.test_native import ADA, D_KWARGS, DIMS, WIDTH, filled, generator
from tests.pickles.written import snapshot_bytes, stored
from tests.training_loops.eg3d.test_networks import NARROW
from tests.training_loops.eg3d.test_networks import small_generator as solid_generator
from training_loops.eg3d.networks import DualDiscriminator
from training_loops.formats.pickles.source import PickleError
from training_loops.snapshots import load_snapshot
from training_loops.stylegan2.networks import Discriminator
from training_loops.stylegan3.networks import Generator as StyleGAN3

HOSTS = Path(__file__).parents[1] / "hosts"
SPEC = LinkSpec.parse(["eyes=0:2@box(0,0,0.5,0.5)"], dim=8, space="w").to_json()


@pytest.fixture
def ada_pickle(tmp_path: Path) -> Path:
    """A snapshot of three networks in stylegan2-ada-pytorch's dialect, half of them with links."""
    kwargs = {**DIMS, "synthesis_kwargs": {**WIDTH, "resample_filter": (1, 3, 3, 1)}, "mapping_kwargs": {}}
    torch.manual_seed(0)
    D = filled(Discriminator(**D_KWARGS, **ADA))
    networks = {role: stored(generator(**ADA), kwargs, link_spec=SPEC) for role in ("G", "G_ema")}
    path = tmp_path / "in" / "network.pkl"
    path.parent.mkdir()
    path.write_bytes(snapshot_bytes(**networks, D=stored(D, D_KWARGS)))
    return path


def assert_same_networks(one: Path, other: Path, *, arguments: bool = True) -> None:
    first, second = read_networks(one), read_networks(other)
    assert first.networks.keys() == second.networks.keys()
    for role, node in first.networks.items():
        assert_same_network(node, second.networks[role], arguments=arguments)
    assert first.training_set_kwargs == second.training_set_kwargs


def assert_same_network(one: Node, other: Node, *, arguments: bool) -> None:
    tensors, found = one.state_dict(), other.state_dict()
    assert tensors.keys() == found.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype, name
        assert torch.equal(found[name], tensor), name
    assert other.attributes.get("link_spec") == one.attributes.get("link_spec")
    if arguments:
        assert other.init_kwargs == one.init_kwargs
        assert other.attributes == one.attributes
        assert other.buffers.keys() == one.buffers.keys()


def test_a_pickle_and_its_tensor_file_hold_the_same(ada_pickle: Path, tmp_path: Path) -> None:
    target = tmp_path / "network.safetensors"
    convert(ada_pickle, target)
    assert_same_networks(ada_pickle, target)
    assert read_networks(target).networks["G"].init_kwargs["synthesis_kwargs"]["resample_filter"] == (1, 3, 3, 1)
    again = tmp_path / "again.safetensors"
    convert(target, again)
    assert_same_networks(ada_pickle, again)


def test_other_programs_open_the_tensor_file(ada_pickle: Path, tmp_path: Path) -> None:
    target = tmp_path / "network.safetensors"
    convert(ada_pickle, target)
    tensors = load_file(target)
    expected = {
        f"{role}.{name}": tensor
        for role, node in read_networks(ada_pickle).networks.items()
        for name, tensor in node.state_dict().items()
    }
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], tensor) for name, tensor in expected.items())
    with safe_open(target, framework="pt") as file:
        description = json.loads(file.metadata()["linkgan"])
    assert description["source"]["file"] == "network.pkl"
    assert len(description["source"]["sha256"]) == 64
    assert description["networks"]["D"]["class_name"] == "Discriminator"


def test_the_embedded_host_opens_what_was_converted(ada_pickle: Path, tmp_path: Path) -> None:
    tensors, snapshot = tmp_path / "network.safetensors", tmp_path / "network.pt"
    convert(ada_pickle, tensors)
    convert(tensors, snapshot)
    assert_same_networks(ada_pickle, snapshot, arguments=False)
    opened = load_snapshot(snapshot)
    assert opened.link_spec == SPEC
    assert opened.training_options["training_set_kwargs"] == {"path": "/data/faces.zip"}
    z, c = torch.randn(2, 8), torch.eye(3)[:2]
    images = [load_network(path).generator(z, c, noise_mode="const") for path in (ada_pickle, tensors, snapshot)]
    assert torch.equal(images[0], images[1])
    assert torch.equal(images[0], images[2])
    assert load_network(tensors).linked().names == ("eyes",)
    assert torch.equal(load_network(tensors).discriminator.b4.fc.weight, opened.D.b4.fc.weight)
    back = tmp_path / "back.safetensors"
    convert(snapshot, back)
    assert_same_networks(snapshot, back)


def test_links_beside_a_snapshot_go_into_the_file(tmp_path: Path) -> None:
    path, target = tmp_path / "network.pkl", tmp_path / "network.safetensors"
    path.write_bytes(snapshot_bytes(G_ema=stored(generator(), {**DIMS, **WIDTH})))
    path.with_suffix(".links.json").write_text(json.dumps({"link_spec": SPEC}))
    convert(path, target)
    assert load_network(target).spec is not None


def test_special_numbers_types_and_layouts_keep_their_bits(checkout: Path, tmp_path: Path) -> None:
    odd = torch.tensor([float("nan"), -0.0, float("inf"), 1e-45])
    parts = [odd, torch.arange(3), torch.tensor([True, False]), torch.rand(3).bfloat16(), torch.zeros(0, 3)]
    data, original = checkouts.snapshot_bytes(
        checkout, odd=torch.nn.ParameterList([torch.nn.Parameter(part, requires_grad=False) for part in parts])
    )
    source, target = tmp_path / "network.pkl", tmp_path / "network.safetensors"
    source.write_bytes(data)
    convert(source, target)
    found = read_networks(target).generator.state_dict()
    for name, tensor in original.state_dict().items():
        assert found[name].dtype == tensor.dtype
        assert found[name].shape == tensor.shape
        assert torch.equal(found[name].reshape(-1).view(torch.uint8), tensor.contiguous().reshape(-1).view(torch.uint8))


def test_a_host_opens_the_pickle_without_this_package(tmp_path: Path) -> None:
    """The networks are made, opened and opened again after two conversions in a miniature host's own processes."""
    tree = tmp_path / "tree"
    for part in ("common", "ada"):
        shutil.copytree(MINI / part, tree, dirs_exist_ok=True)
    made, tensors, back = tmp_path / "made.pkl", tmp_path / "made.safetensors", tmp_path / "back.pkl"
    script = (
        "import pickle, sys; from training.networks import Generator, Discriminator\n"
        "dims = dict(c_dim=0, img_resolution=8, img_channels=3)\n"
        "G = Generator(z_dim=4, w_dim=4, synthesis_kwargs=dict(channel_base=32), **dims).eval()\n"
        f"G.link_spec = {SPEC!r}\n"
        "D = Discriminator(**dims).eval()\n"
        "data = dict(G=G, D=D, G_ema=G, augment_pipe=None, training_set_kwargs=dict(path='x.zip'))\n"
        "pickle.dump(data, open(sys.argv[1], 'wb'))\n"
    )
    subprocess.run([sys.executable, "-c", script, made], cwd=tree, check=True)
    try:
        convert(made, tensors)
        convert(tensors, back, tree)
    finally:
        checkouts.forget()
    assert_same_networks(made, back)
    out = tmp_path / "seen.pt"
    subprocess.run([sys.executable, HOSTS / "plain_host.py", tree, out, made, back], check=True)
    seen = torch.load(out, weights_only=True)
    before, after = seen[str(made)], seen[str(back)]
    assert before["links"] == after["links"] == {"G": SPEC, "D": None, "G_ema": SPEC}
    assert torch.equal(before["image"], after["image"])
    assert sidecar.read(back) == SPEC  # where the host's own training finds them when it resumes
    assert sidecar.read(tensors) is None


def test_links_of_an_earlier_pickle_do_not_outlive_it(checkout: Path, made: tuple[bytes, Any], tmp_path: Path) -> None:
    source, target = tmp_path / "made.pkl", tmp_path / "target.pkl"
    source.write_bytes(made[0])
    sidecar.write_spec(target, SPEC)
    try:
        convert(source, target, checkout)
    finally:
        checkouts.forget()
    assert sidecar.read(target) is None


REFUSED = {
    "a pickle without a host": ("network.pkl", r"the folder with the host's train.py by --host DIR"),
    "an unknown ending": ("network.onnx", r"expected a name that ends in .pkl, .pickle, .pt, .safetensors"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_written_is_said_before_anything_is(kind: str, ada_pickle: Path, tmp_path: Path) -> None:
    name, message = REFUSED[kind]
    with pytest.raises(LinkGANError, match=message):
        convert(ada_pickle, tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_snapshot_to_train_on_needs_all_three_networks_of_stylegan2(tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(snapshot_bytes(G_ema=stored(generator(), {**DIMS, **WIDTH})))
    with pytest.raises(LinkGANError, match="has no G, D, which training needs"):
        convert(path, tmp_path / "network.pt")


def test_a_3d_snapshot_becomes_one_to_train_on_and_comes_back(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        G, D = solid_generator(), DualDiscriminator(25, 16, 3, **NARROW).eval()
    G.neural_rendering_resolution = 8
    kept = stored(G, G.init_kwargs, link_spec=SPEC)
    made, snapshot, tensors = (tmp_path / f"network.{ending}" for ending in ("pkl", "pt", "safetensors"))
    made.write_bytes(snapshot_bytes(G=kept, D=stored(D, D.init_kwargs), G_ema=kept))
    convert(made, snapshot)
    convert(snapshot, tensors)
    for path in (snapshot, tensors):
        assert_same_networks(made, path, arguments=False)
        assert read_networks(path).generator.attributes["neural_rendering_resolution"] == 8
    assert type(load_snapshot(snapshot).D) is DualDiscriminator


def test_a_family_that_is_not_trained_here_becomes_no_snapshot(tmp_path: Path) -> None:
    kwargs = {**DIMS, **WIDTH, "num_layers": 3, "num_critical": 1, "margin_size": 2}
    with torch.random.fork_rng():
        kept = stored(StyleGAN3(**kwargs), kwargs)
    path = tmp_path / "network.pkl"
    path.write_bytes(snapshot_bytes(G=kept, D=stored(filled(Discriminator(**D_KWARGS)), D_KWARGS), G_ema=kept))
    with pytest.raises(
        LinkGANError, match="contains networks of stylegan3; the embedded host trains stylegan2, eg3d, stylemap"
    ):
        convert(path, tmp_path / "network.pt")
    assert not (tmp_path / "network.pt").exists()


def test_a_broken_snapshot_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(PickleError, match=r"a\.pt: not a readable zip .* the download may be incomplete"):
        convert(tmp_path / "a.pt", tmp_path / "b.safetensors")


@pytest.mark.parametrize(
    "data",
    [
        {"a": (1, [2.5, None, (True,)]), "$": 1, "b": {3: "x", None: -0.0}},
        [float("inf"), float("-inf"), 2**70, "é\n$", {}, (), [[]]],
    ],
)
def test_plain_data_comes_back_as_it_was(data: Any) -> None:
    assert repr(plain_json.loads(plain_json.dumps(data))) == repr(data)


# Hostile tensor files


def described(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Change the description in a tensor file."""
    with safe_open(path, framework="pt") as file:
        data = plain_json.loads(file.metadata()["linkgan"])
    change(data)
    save_file(load_file(path), path, {"linkgan": plain_json.dumps(data)})
    return path


def with_header(header: bytes, claimed: int | None = None, numbers: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header) if claimed is None else claimed) + header + numbers


def entry(**changes: Any) -> bytes:
    return json.dumps({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **changes}}).encode()


FILES = {
    "empty": b"",
    "a pickle": pickle.dumps({"G": 1}),
    "a header beyond the file": with_header(b"{}", 2**40),
    "a header of 2^64 - 1 bytes": with_header(b"{}", 2**64 - 1),
    "no JSON": with_header(b"{'a': 1}"),
    "deep JSON": with_header(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "numbers beyond the file": with_header(entry(shape=[2**40], data_offsets=[0, 2**42]), numbers=b"abcd"),
    "a size that overflows": with_header(entry(shape=[2**40, 2**40]), numbers=b"abcd"),
    "a negative size": with_header(entry(shape=[-1]), numbers=b"abcd"),
    "another type": with_header(entry(dtype="O"), numbers=b"abcd"),
    "offsets that run back": with_header(entry(data_offsets=[4, 0]), numbers=b"abcd"),
    "bytes that belong to nobody": with_header(entry(), numbers=b"abcdefgh"),
    "no description": with_header(entry(), numbers=b"abcd"),
    "a description that is none": with_header(b'{"__metadata__":{"linkgan":"[["}}'),
    "a deep description": with_header(b'{"__metadata__":{"linkgan":"' + b"[" * 90_000 + b'"}}'),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_hostile_tensor_file_is_one_message(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    path.write_bytes(FILES[kind])
    started = time.process_time()
    with pytest.raises(PickleError) as caught:
        load_network(path)
    assert time.process_time() - started < 2
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1


def g_ema(data: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = data["networks"]["G_ema"]
    return found


DESCRIPTIONS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no networks": (lambda d: d.pop("networks"), "the description has no 'networks'"),
    "no known network": (lambda d: d.update(networks={"X": {}}), "none of G, D, G_ema"),
    "a newer version": (lambda d: d.update(version=9), "version 9, this program reads 1"),
    "arguments that are text": (
        lambda d: g_ema(d).update(init_kwargs="x"),
        "'init_kwargs' must be of type dict, not 'x'",
    ),
    "modules that hang in the air": (lambda d: g_ema(d)["modules"].pop("synthesis"), "is in a module"),
    "a network that is not there": (lambda d: g_ema(d)["modules"].pop(""), "is not described"),
    "a module of text": (lambda d: g_ema(d)["modules"].update(synthesis="x"), "is not described"),
    "a very deep module": (
        lambda d: g_ema(d)["modules"].update({".".join("a" * n): ["A", {}] for n in range(1, 300)}),
        "nested too deeply",
    ),
    "a class of the machine": (lambda d: g_ema(d).update(class_name="os.system"), "os.system: no class with that name"),
    "a class of PyTorch": (lambda d: g_ema(d).update(class_name="torch.hub.load"), "torch.hub.load: no class"),
    "an absurd size": (lambda d: g_ema(d)["init_kwargs"].update(w_dim=2**60), "w_dim of 1.15e"),
    "an unknown argument": (lambda d: g_ema(d)["init_kwargs"].update(hook="os.system"), "hook"),
    "hidden attributes": (
        lambda d: g_ema(d)["modules"][""][1].update(_non_persistent_buffers_set=["x"]),
        "_non_persistent_buffers_set is a list",
    ),
    "data set of text": (
        lambda d: d.update(training_set_kwargs="/etc"),
        "'training_set_kwargs' must be of type dict, not '/etc'",
    ),
}


@pytest.mark.parametrize("kind", DESCRIPTIONS)
def test_a_hostile_description_is_one_message(kind: str, ada_pickle: Path, tmp_path: Path) -> None:
    change, message = DESCRIPTIONS[kind]
    path = tmp_path / "network.safetensors"
    convert(ada_pickle, path)
    described(path, change)
    started = time.process_time()
    with pytest.raises(LinkGANError, match=message) as caught:
        load_network(path)
    assert time.process_time() - started < 5
    assert len(str(caught.value).splitlines()) == 1


def test_tensors_of_the_same_numbers_do_not_multiply() -> None:
    view = call(TENSOR, b"h\x00", b"K\x00", b"K\x04\x85", b"K\x01\x85", b"\x89", b"N")
    views = b"".join(text(f"x{n}") + view for n in range(1000))
    data = HEAD + call(LOAD, blob(storage(torch.arange(4.0)))) + b"\x940"
    data += network(text("_parameters"), b"}(" + views + b"u") + b"."
    with pytest.raises(PickleError, match="too many tensors share the same numbers"):
        read_pickle(io.BytesIO(data)).generator.state_dict()


def test_a_description_longer_than_readers_take_is_not_written(
    ada_pickle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensor_file, "_LONGEST_HEADER", 1000)
    with pytest.raises(PickleError, match=r"a description of .* bytes, expected at most 1000"):
        convert(ada_pickle, tmp_path / "network.safetensors")
    assert not (tmp_path / "network.safetensors").exists()
