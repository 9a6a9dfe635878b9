"""What a projection is on disk: the hosts' format, and nothing else than this network's numbers."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.inversion.projected import Projected, latent_shape, load_projected, noise_names, save_projected
from tests.inversion.conftest import small_generator, with_broken_chunk
from tests.toys import ToyGenerator
from tests.training_loops.eg3d.test_networks import small_generator as solid_generator

NOISE = "synthesis.b16.conv1.noise_const"
TUNED = "synthesis.b8.conv0.weight"


@pytest.fixture
def projected(generator):
    random = torch.Generator().manual_seed(1)
    photograph = torch.randint(0, 256, [1, 3, 16, 16], generator=random) / 127.5 - 1
    noise = {NOISE: torch.randn([16, 16], generator=random)}
    tuned = {TUNED: generator.state_dict()[TUNED] + 0.5}
    return Projected(torch.randn([1, 6, 8], generator=random), torch.zeros([1, 0]), noise, tuned, photograph)


def test_a_projection_comes_back_from_its_folder(projected, generator, tmp_path):
    save_projected(tmp_path, projected, rendered=projected.photograph * 0.5, metadata={"seed": "7"})
    found = load_projected(tmp_path, generator)
    assert torch.equal(found.latents, projected.latents)
    assert torch.equal(found.label, projected.label)
    assert found.noise.keys() == {NOISE}
    assert torch.equal(found.noise[NOISE], projected.noise[NOISE])
    assert torch.equal(found.tuned[TUNED], projected.tuned[TUNED])
    assert torch.allclose(found.photograph, projected.photograph, atol=1e-6)
    assert {path.name for path in tmp_path.iterdir()} == {
        "projected_w.npz",
        "target.png",
        "proj.png",
        "tuned.safetensors",
    }
    assert Image.open(tmp_path / "proj.png").text["seed"] == "7"


def test_the_hosts_read_the_npz(projected, tmp_path):
    save_projected(tmp_path, projected)
    w = np.load(tmp_path / "projected_w.npz", allow_pickle=False)["w"]
    assert (w.dtype, w.shape) == (np.float32, (1, 6, 8))


def test_a_hosts_npz_is_read(generator, tmp_path):
    w = np.random.default_rng(0).standard_normal([1, 6, 8]).astype(np.float32)
    np.savez(tmp_path / "host.npz", w=w)
    found = load_projected(tmp_path / "host.npz", generator)
    assert np.array_equal(found.latents.numpy(), w)
    assert (found.noise, found.tuned, found.photograph) == ({}, {}, None)
    np.savez(tmp_path / "one.npz", w=w[:, :1].astype(np.float64))
    assert np.array_equal(load_projected(tmp_path / "one.npz", generator).latents.numpy(), w[:, :1].repeat(6, axis=1))


def test_a_projection_is_applied_to_a_copy(projected, generator):
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    changed = projected.applied(generator)
    state = changed.state_dict()
    assert torch.equal(state[NOISE], projected.noise[NOISE])
    assert torch.equal(state[TUNED], before[TUNED] + 0.5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())
    assert all(torch.equal(state[name], before[name]) for name in before if name not in (NOISE, TUNED))
    assert Projected(projected.latents, projected.label).applied(generator) is generator


def test_sizes_and_noise_are_found_in_the_network(generator):
    assert latent_shape(generator) == (6, 8)
    assert len(noise_names(generator)) == 5
    assert latent_shape(ToyGenerator(torch.zeros(16, 5), 4)) == (2, 5)


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


ONE = np.ones([1, 6, 8], np.float32)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no archive", "not a readable"),
        (npz(w=ONE)[:-40], "not a readable"),
        (npz(v=ONE), "holds v, expected latents called one of w, ws, latent, latents, arr_0"),
        (npz(ws=ONE, latent=ONE), "holds ws, latent, expected latents called one of"),
        (npz(w=ONE[0, :3]), r"latents \[3, 8\], this network takes .*\[6, 8\] or one row \[8\] for all layers"),
        (npz(w=ONE.repeat(2, axis=0)[:, :1]), r"latents \[2, 1, 8\].*these are of 2 images, give one of them"),
        (npz(w=ONE[None]), r"latents \[1, 1, 6, 8\], this network takes"),
        (npz(w=np.float32(1)), r"latents \[\], this network takes"),
        (npz(w=ONE[:, :, :7]), r"latents \[1, 6, 7\], this network takes \[1, 6, 8\]"),
        (npz(w=ONE.repeat(2, axis=0)), r"latents \[2, 6, 8\]"),
        (npz(w=ONE * np.nan), "not finite"),
        (npz(w=ONE.astype(int)), "expected floating point"),
        (npz(w=np.array([None, {}])), "not a readable"),  # a pickle
        (npz(w=ONE, **{"noise.b4": np.ones([4, 4])}), "'b4' is .* no tensor of that name"),
        (npz(w=ONE, label=np.ones([1, 3])), r"a label \[1, 3\], this network takes \[1, 0\]"),
    ],
)
def test_other_files_are_refused(content, message, generator, tmp_path):
    path = tmp_path / "projected_w.npz"
    path.write_bytes(content)
    with pytest.raises(LinkGANError, match=message):
        load_projected(tmp_path, generator)


def array_file(header: str, data: bytes = b"") -> bytes:
    """An npz of one array with a header of its own."""
    text = header.encode().ljust(118) + b"\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("w.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npz(w=ONE.astype(np.float64) * 1e300), "not finite, or too large for float32"),
        (array_file("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000)}"), "numbers in its header"),
        (array_file("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 6, 8)}"), "numbers in its header"),
        (array_file("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"cos\nsystem\n."), "objects, or not"),
        (array_file("[" * 100), "is not an array"),
        (array_file("__import__('os')"), "is not an array"),
        (b"\x80\x02}q\x00.", "a pickle, the format of the hosts' snapshots; expected .npz"),
    ],
)
def test_arrays_that_are_not_what_they_claim(content, message, generator, tmp_path):
    path = tmp_path / "projected_w.npz"
    path.write_bytes(content)
    with pytest.raises(LinkGANError, match=message):
        load_projected(tmp_path, generator)


def test_pixels_and_weights_beside_it_are_bounded(projected, generator, tmp_path):
    save_projected(tmp_path, projected)
    whole = (tmp_path / "target.png").read_bytes()
    (tmp_path / "target.png").write_bytes(whole[:16] + (60_000).to_bytes(4, "big") * 2 + whole[24:])
    with pytest.raises(LinkGANError, match=r"target\.png"):
        load_projected(tmp_path, generator)
    with open(tmp_path / "tuned.safetensors", "r+b") as file:
        file.truncate(100 << 20)
    with pytest.raises(LinkGANError, match="more than the whole network"):
        load_projected(tmp_path, generator)


ROWS = np.arange(48, dtype=np.float32).reshape(6, 8)
SHAPES = {
    "whole": (ROWS[None], ROWS),
    "layers": (ROWS, ROWS),
    "row": (ROWS[0], ROWS[:1].repeat(6, axis=0)),
    "one row": (ROWS[:1], ROWS[:1].repeat(6, axis=0)),
    "one row of one image": (ROWS[None, :1], ROWS[:1].repeat(6, axis=0)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_latents_of_other_programs_are_taken_in_every_clear_shape_and_name(shape, generator, tmp_path):
    array, expected = SHAPES[shape]
    np.save(tmp_path / "w.npy", array)
    np.savez(tmp_path / "unnamed.npz", array)
    for name in ("w", "ws", "latent"):
        np.savez(tmp_path / f"{name}.npz", **{name: array.astype(np.float64)})
    for path in tmp_path.iterdir():
        found = load_projected(path, generator).latents
        assert found.dtype == torch.float32
        assert np.array_equal(found.numpy(), expected[None]), path.name


def test_files_of_other_kinds_are_refused_in_a_line(generator, tmp_path):
    (tmp_path / "w.npz").write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(LinkGANError, match=r"w.npz is not a .* \(a web page; .*; expected .npz, .npy or latents"):
        load_projected(tmp_path / "w.npz", generator)
    np.save(tmp_path / "w.npy", np.ones([1 << 18]))
    with pytest.raises(LinkGANError, match="expands to 2097280 bytes, expected at most"):
        load_projected(tmp_path / "w.npy", generator)
    np.save(tmp_path / "w.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(LinkGANError, match=r"w.npy is not a readable"):
        load_projected(tmp_path / "w.npy", generator)


def test_an_archive_that_unpacks_to_much_more_than_the_network_needs_is_not_unpacked(generator, tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w.npy", bytes(8 << 20))
    with pytest.raises(LinkGANError, match="expands to 8388608 bytes, expected at most"):
        load_projected(path, generator)


def test_what_is_not_there_names_the_command_that_makes_it(generator, tmp_path):
    with pytest.raises(LinkGANError, match="linkgan project"):
        load_projected(tmp_path, generator)


def test_changes_of_another_network_are_refused(projected, generator, tmp_path):
    other = Projected(projected.latents, projected.label, tuned={TUNED: torch.zeros([3])})
    with pytest.raises(LinkGANError, match=rf"'{TUNED}' is \[3\], this network has \[8, 8, 3, 3\]"):
        other.applied(generator)
    save_projected(tmp_path, other)
    with pytest.raises(LinkGANError, match=r"tuned.safetensors: .* another network's"):
        load_projected(tmp_path, generator)


def test_the_photograph_must_be_of_the_networks_size(generator, tmp_path):
    save_projected(tmp_path, Projected(torch.from_numpy(ONE), torch.zeros([1, 0])))
    Image.new("RGB", (8, 8)).save(tmp_path / "target.png")
    with pytest.raises(LinkGANError, match="8 x 8, this network makes 16 x 16"):
        load_projected(tmp_path, generator)


def test_a_damaged_photograph_is_named(projected, generator, tmp_path):
    save_projected(tmp_path, projected)
    path = tmp_path / "target.png"
    path.write_bytes(with_broken_chunk(path.read_bytes()))
    with pytest.raises(LinkGANError, match=r"target.png is not a readable image \(broken PNG file"):
        load_projected(tmp_path, generator)


def test_a_class_must_be_known(tmp_path):
    generator = small_generator(c_dim=2)
    np.savez(tmp_path / "host.npz", w=ONE)
    with pytest.raises(LinkGANError, match="does not name the class of its photograph; give it with --class N"):
        load_projected(tmp_path / "host.npz", generator)
    label = torch.tensor([[0.0, 1.0]])
    assert torch.equal(load_projected(tmp_path / "host.npz", generator, label).label, label)


def test_a_camera_must_be_known(tmp_path):
    with torch.random.fork_rng():
        solid = solid_generator().requires_grad_(False)
    w = np.ones([1, *latent_shape(solid)], np.float32)
    np.savez(tmp_path / "host.npz", w=w)
    with pytest.raises(LinkGANError, match="does not name the camera of its photograph; give its label of 25 numbers"):
        load_projected(tmp_path / "host.npz", solid)
    label = torch.ones([1, 25])
    assert torch.equal(load_projected(tmp_path / "host.npz", solid, label).label, label)
