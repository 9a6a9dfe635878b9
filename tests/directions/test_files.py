"""Files of directions: complete by themselves, untrusted, and those of other programs in their shapes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import safetensors.torch
import torch

from linkgan_plugin.directions.directions import Directions
from linkgan_plugin.directions.fields import Perceptrons, Warp
from linkgan_plugin.directions.files import load_directions, save_directions
from linkgan_plugin.errors import LinkGANError

L, D = 6, 8
EVERYTHING = Directions(
    torch.arange(2.0 * L * D).view(2, L, D),
    effect=torch.tensor([0.5, 0.25]),
    leak=torch.tensor([0.1, 0.0]),
    names=("smile", ""),
    method="resefa",
    settings={"ridge": 0.5, "layers": "0:4", "steps": 3, "unit": True},
    seed=7,
    region="box(0,0,0.5,1)",
    network="ab" * 32,
    facts={"accuracy": 0.75},
)
PLAIN = ("space", "names", "method", "settings", "seed", "region", "network", "facts")


def test_everything_comes_back_from_the_safetensors_file_alone(tmp_path):
    path = tmp_path / "eyes.safetensors"
    assert save_directions(path, EVERYTHING) == [path, tmp_path / "eyes.json"]
    (tmp_path / "eyes.json").unlink()
    again = load_directions(path, L, D)
    assert {name: getattr(again, name) for name in PLAIN} == {name: getattr(EVERYTHING, name) for name in PLAIN}
    for name in ("vectors", "effect", "leak"):
        assert torch.equal(getattr(again, name), getattr(EVERYTHING, name))
    assert again.bend is None


def test_the_json_lists_each_direction_with_its_scores(tmp_path):
    save_directions(tmp_path / "eyes.safetensors", EVERYTHING)
    data = json.loads((tmp_path / "eyes.json").read_text())
    assert data["directions"] == [
        {"index": 0, "name": "smile", "effect": 0.5, "leak": 0.1},
        {"index": 1, "name": "", "effect": 0.25, "leak": 0.0},
    ]
    assert data["shape"] == [2, L, D]
    assert data["method"] == "resefa"


@pytest.mark.parametrize(
    "bend",
    [
        Warp(torch.randn(2, 3, D), torch.randn(2, 3), torch.rand(2, 3), torch.ones(2)),
        Perceptrons(torch.randn(2, 3, D), torch.randn(2, 3), torch.randn(2, D, 3), torch.randn(2, D)),
    ],
)
def test_directions_that_bend_move_latents_as_before(tmp_path, bend):
    directions = Directions(torch.randn(2, 1, D), "z", bend=bend)
    save_directions(tmp_path / "a.safetensors", directions)
    again = load_directions(tmp_path / "a.safetensors", 1, D)
    latents = torch.randn(3, 1, D)
    assert torch.equal(again.moved(latents, 1, 1.5), directions.moved(latents, 1, 1.5))
    assert type(again.bend) is type(bend)


def test_views_of_one_tensor_are_stored(tmp_path):
    rows = torch.randn(4, 1, D)
    save_directions(tmp_path / "a.safetensors", Directions(rows[1:3].expand(2, 2, D), effect=rows[:2, 0, 0]))
    again = load_directions(tmp_path / "a.safetensors")
    assert torch.equal(again.vectors, rows[1:3].expand(2, 2, D))


@pytest.mark.parametrize("taken", ["a.safetensors", "a.json"])
def test_files_that_exist_are_kept_unless_forced(tmp_path, taken):
    (tmp_path / taken).write_text("mine")
    with pytest.raises(LinkGANError, match=f"{taken} exists; choose another name, or overwrite it with --force"):
        save_directions(tmp_path / "a.safetensors", EVERYTHING)
    assert [file.name for file in tmp_path.iterdir()] == [taken]
    assert (tmp_path / taken).read_text() == "mine"
    save_directions(tmp_path / "a.safetensors", EVERYTHING, force=True)
    assert len(load_directions(tmp_path / "a.safetensors")) == 2


@pytest.mark.parametrize("size", [640, 648, 896])
def test_headers_whose_sizes_begin_like_a_pickle_are_recognised(tmp_path, size):
    path = tmp_path / "a.safetensors"

    def header_with(name: str) -> int:
        save_directions(path, Directions(torch.ones(1, 1, D), names=(name,)), force=True)
        return int.from_bytes(path.read_bytes()[:8], "little")

    name = "x" * (size - header_with(""))
    assert header_with(name) == size
    assert load_directions(path).names == (name,)


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(LinkGANError, match=r"a\.pt: expected a name that ends in \.safetensors"):
        save_directions(tmp_path / "a.pt", EVERYTHING)


def test_directions_of_another_network_are_refused_with_what_fits(tmp_path):
    save_directions(tmp_path / "a.safetensors", EVERYTHING)
    with pytest.raises(LinkGANError, match=r"directions \[K, 6, 8\] of another network; .* \[18, 512\] for one"):
        load_directions(tmp_path / "a.safetensors", 18, 512)


BEND_OF_ANOTHER_SIZE = {
    "vectors": torch.ones(2, 1, D),
    **{
        f"bend.{name}": part
        for name, part in Warp(torch.ones(2, 3, 5), torch.ones(2, 3), torch.ones(2, 3), torch.ones(2)).tensors().items()
    },
}


def altered(path, tensors=None, **fields):
    """Write a file of directions with other fields or tensors."""
    save_directions(path, EVERYTHING, force=True)
    header, rows = path.read_bytes(), safetensors.torch.load_file(path)
    size = int.from_bytes(header[:8], "little")
    description = json.loads(json.loads(header[8 : 8 + size])["__metadata__"]["linkgan_directions"])
    text = json.dumps({**description, **fields})
    safetensors.torch.save_file({**rows, **(tensors or {})}, path, {"linkgan_directions": text})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "version 2; this program reads version 1"),
        ({"version": True}, "'version'"),
        ({"names": [1, 2]}, "'names' must be a list of texts"),
        ({"names": ["a"]}, "1 names for 2 directions"),
        ({"settings": {"a": [1]}}, "the setting 'a' is a list"),
        ({"facts": {"a": "b"}}, "'a' is a str, expected a number"),
        ({"bend": "os.system"}, "unknown kind of directions 'os.system'"),
        ({"bend": "warp"}, "lack the tensors supports, weights, widths, lengths"),
        ({"bend": "warp", "tensors": BEND_OF_ANOTHER_SIZE}, r"its field 'warp' does not fit vectors \[2, 1, 8\]"),
        ({"space": "x"}, "directions in space 'x'"),
        ({"tensors": {"effect": torch.tensor([1.0, float("nan")])}}, "'effect' holds .* numbers that are not finite"),
        ({"tensors": {"leak": torch.tensor([1.0])}}, "1 numbers of leak|\\[1\\] numbers of leak"),
        ({"tensors": {"vectors": torch.ones(2, 2, 2, dtype=torch.int32)}}, "'vectors' holds torch.int32"),
    ],
)
def test_fields_that_are_wrong_are_named(tmp_path, changes, message):
    altered(tmp_path / "a.safetensors", **changes)
    with pytest.raises(LinkGANError, match=message) as raised:
        load_directions(tmp_path / "a.safetensors")
    assert str(raised.value).startswith(str(tmp_path / "a.safetensors"))


def test_text_from_a_file_cannot_control_a_terminal(tmp_path):
    altered(tmp_path / "a.safetensors", names=["\x1b[2J", "b"], method="a\nb")
    found = load_directions(tmp_path / "a.safetensors")
    assert found.names == ("\N{REPLACEMENT CHARACTER}[2J", "b")
    assert found.method == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("keep", [4, 60, -4])
def test_a_truncated_file_is_refused(tmp_path, keep):
    path = tmp_path / "a.safetensors"
    save_directions(path, EVERYTHING)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(LinkGANError, match=r"a\.safetensors"):
        load_directions(path)


def test_a_header_that_claims_more_than_the_file_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes((1 << 40).to_bytes(8, "little") + b'{"a":1}')
    with pytest.raises(LinkGANError, match="a header of 1099511627776 bytes, expected at most 7"):
        load_directions(path)


VECTORS = torch.randn([3, L, D], generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("vectors", "shape"),
    [
        (VECTORS[0, 0], [1, 1, D]),  # [D]
        (VECTORS[0, :1], [1, 1, D]),  # [1, D]
        (VECTORS[0], [1, L, D]),  # [L, D]: one direction, layer by layer
        (VECTORS[:, 0], [3, 1, D]),  # [K, D]
        (VECTORS[:, :1], [3, 1, D]),  # [K, 1, D]
        (VECTORS, [3, L, D]),
    ],
)
@pytest.mark.parametrize("kind", ["npy", "npz", "pt", "safetensors", "float64", "half"])
def test_vectors_of_other_programs_open_in_every_shape(tmp_path, vectors, shape, kind):
    path = tmp_path / "smile"  # the content decides
    tolerance = 1e-2 if kind == "half" else 0
    if kind in ("npy", "float64"):
        with open(path, "wb") as file:
            np.save(file, vectors.numpy().astype(np.float64 if kind == "float64" else np.float32))
    elif kind == "npz":
        with open(path, "wb") as file:
            np.savez(file, smile=vectors.numpy())
    elif kind == "safetensors":
        safetensors.torch.save_file({"smile": vectors.contiguous()}, path)
    else:
        torch.save(vectors.half() if kind == "half" else vectors, path)
    found = load_directions(path, L, D)
    assert list(found.vectors.shape) == shape
    assert torch.allclose(found.vectors, vectors.reshape(shape), rtol=0, atol=tolerance)
    assert found.names == (("smile",) if shape[0] == 1 else ("",) * 3)
    assert found.method == ""
    latents = torch.zeros(1, L, D)
    assert torch.allclose(found.moved(latents, 0, 2.0)[0], 2 * vectors.reshape(shape)[0].expand(L, D), atol=0.05)


@pytest.mark.parametrize("kind", ["npz", "pt"])
def test_names_in_a_file_become_names_of_directions(tmp_path, kind):
    path = tmp_path / f"edits.{kind}"
    vectors = {"age": VECTORS[0], "pose": VECTORS[1, 0], "pair": VECTORS[:2, 0]}
    if kind == "npz":
        np.savez(path, **{name: part.numpy() for name, part in vectors.items()})
    else:
        torch.save(vectors, path)
    found = load_directions(path, L, D)
    assert found.names == ("age", "pose", "pair 0", "pair 1")
    assert torch.equal(found.vectors[0], VECTORS[0])
    assert torch.equal(found.vectors[3], VECTORS[1, 0].expand(L, D))


def test_components_of_ganspace_open_without_their_statistics(tmp_path):
    numbers = {"act_comp": VECTORS.numpy(), "lat_comp": VECTORS[:, :1].numpy(), "lat_mean": np.zeros([1, D], "float32")}
    np.savez(tmp_path / "a.npz", **numbers, lat_stdev=np.ones(3, "float32"))
    assert torch.equal(load_directions(tmp_path / "a.npz", L, D).vectors, VECTORS[:, :1])
    torch.save({"comp": VECTORS[:, 0], "mean": torch.zeros(D), "std": torch.ones(3)}, tmp_path / "a.pt")
    assert torch.equal(load_directions(tmp_path / "a.pt", L, D).vectors, VECTORS[:, :1])


@pytest.mark.parametrize("shape", [[D + 1], [2, L + 1, D], [2, 2, L, D], [0, D], []])
def test_shapes_that_do_not_fit_say_which_do(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.zeros(shape, "float32"))
    with pytest.raises(LinkGANError) as raised:
        load_directions(tmp_path / "a.npy", L, D)
    assert f"'a' has shape {shape}; this network takes [8] or [1, 8], [K, 8]" in str(raised.value)
    assert "[6, 8] for one direction layer by layer, [K, 6, 8] for many" in str(raised.value)


def test_in_z_there_are_no_layers(tmp_path):
    np.save(tmp_path / "a.npy", VECTORS[0].numpy())
    assert load_directions(tmp_path / "a.npy", L, D, space="z").vectors.shape == (L, 1, D)
    np.save(tmp_path / "b.npy", VECTORS.numpy())
    with pytest.raises(LinkGANError, match=r"takes \[8\] or \[1, 8\], \[K, 8\] or \[K, 1, 8\] for K directions$"):
        load_directions(tmp_path / "b.npy", L, D, space="z")


def test_objects_and_other_numbers_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(LinkGANError, match="'a' is not an array"):
        load_directions(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.array([1, 2]))
    with pytest.raises(LinkGANError, match="'b' holds int64, expected floating point"):
        load_directions(tmp_path / "b.npy")
    np.save(tmp_path / "c.npy", np.array([1.0, 1e300]))
    with pytest.raises(LinkGANError, match=r"c\.npy: the directions have numbers that are not finite"):
        load_directions(tmp_path / "c.npy")
    torch.save({"lr": 0.1}, tmp_path / "d.pt")
    with pytest.raises(LinkGANError, match="'lr' is a float; expected directions as"):
        load_directions(tmp_path / "d.pt")
    (tmp_path / "e.txt").write_text("no")
    with pytest.raises(LinkGANError, match=r"e\.txt: .*; expected directions as \.safetensors"):
        load_directions(tmp_path / "e.txt")
    with pytest.raises(LinkGANError, match=r"none\.npy: no such file"):
        load_directions(tmp_path / "none.npy")
