"""StyleGAN2 in rosinality's layout: the same images as the public code makes, wherever the state dict lies."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from linkgan_plugin.networks import load_network
from linkgan_plugin.pickles import native
from linkgan_plugin.pickles.convert import convert, read_networks
from linkgan_plugin.pickles.describe import describe
from linkgan_plugin.pickles.rosinality import generator
from tests.pickles.layouts import SIZES, golden_state, network, numbers, prefixed, rosinality
from training_loops.formats.pickles.source import PickleError
from training_loops.formats.pickles.stored import HeldTensor
from training_loops.stylegan2.networks import Generator

HERE = Path(__file__).parent


def saved(path: Path, data: Any, **how: Any) -> Path:
    torch.save(data, path, **how)
    return path


def images(network: Any, psi: float = 1.0) -> Tensor:
    z = torch.randn([2, network.z_dim], generator=torch.Generator().manual_seed(1))
    result: Tensor = network(z, None, truncation_psi=psi, noise_mode="const")
    return result


def test_images_are_those_of_the_public_code(tmp_path: Path) -> None:
    shapes = json.loads((HERE / "rosinality_names.json").read_text())
    data = {"g_ema": golden_state(shapes), "latent_avg": numbers("latent_avg", (1, 512))[0]}
    opened = load_network(saved(tmp_path / "public.pt", data)).generator
    z = numbers("z", (2, 512))
    with np.load(HERE / "golden_rosinality.npz") as golden:
        for name, psi in (("full", 1.0), ("truncated", 0.6)):
            made = opened(z, None, truncation_psi=psi, noise_mode="const")
            assert abs(made - torch.from_numpy(golden[name])).max() <= 1e-4  # of numbers up to 15


G = network()
STATE, AVERAGE = rosinality(G), G.mapping.w_avg
PLACES: dict[str, Any] = {
    "g_ema": {
        "g": rosinality(network(z_dim=8)),
        "g_ema": STATE,
        "d": {},
        "latent_avg": AVERAGE,
        "args": argparse.Namespace(size=32),
    },
    "g alone": {"g": STATE, "latent_avg": AVERAGE},
    "a bare state dict": {**STATE, "latent_avg": AVERAGE},
    "of several GPUs": {"g_ema": prefixed("module.", STATE), "latent_avg": AVERAGE},
    "ema": {"ema": STATE, "latent_avg": AVERAGE},
    "params_ema": {"params_ema": STATE, "latent_avg": AVERAGE},
    "e4e": {
        "state_dict": {"encoder.body.weight": torch.zeros(3), **prefixed("decoder.", STATE)},
        "latent_avg": AVERAGE.repeat(8, 1),
        "opts": {"dataset_type": "ffhq_encode", "best": np.float64(3)},
    },
    "pSp": {
        "state_dict": {**prefixed("decoder.", STATE), "encoder.body.weight": torch.zeros(3)},
        "latent_avg": AVERAGE,
        "opts": argparse.Namespace(output_size=32),
    },
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", PLACES)
def test_a_generator_is_found_where_projects_keep_it(place: str, zipped: bool, tmp_path: Path) -> None:
    path = saved(tmp_path / "any.pt", PLACES[place], _use_new_zipfile_serialization=zipped)
    found = load_network(path).generator
    assert found.init_kwargs["img_resolution"] == 32
    for psi in (1.0, 0.5):
        assert torch.allclose(images(found, psi), images(G, psi), atol=1e-5)


@pytest.mark.parametrize("start", ["", "g_ema."])
def test_a_generator_is_found_in_a_tensor_file(start: str, tmp_path: Path) -> None:
    path = tmp_path / "public.safetensors"
    save_file({name: t.clone() for name, t in prefixed(start, {**STATE, "latent_avg": AVERAGE}).items()}, path)
    assert torch.allclose(images(load_network(path).generator, 0.5), images(G, 0.5), atol=1e-5)
    assert describe(path)["error"] is None


def test_what_lies_beside_the_weights_is_passed_over(tmp_path: Path) -> None:
    beside: dict[str, Any] = {
        "g_optim": {
            "state": {140_234_567_890_123: {"step": 3, "exp_avg": torch.zeros(2)}},
            "param_groups": [{"lr": 0.1}],
        },
        "opts": argparse.Namespace(exp_dir=Path("/a/b"), device=torch.device("cuda", 0), best=np.float64(0.5)),
        "ada_aug_p": 0.0,
    }
    path = saved(tmp_path / "run.pt", {"g_ema": STATE, "latent_avg": AVERAGE, **beside})
    assert torch.allclose(images(load_network(path).generator), images(G), atol=1e-5)


def test_the_moving_average_comes_before_the_network_itself(tmp_path: Path) -> None:
    other = {name: tensor + 1 if name == "input.input" else tensor for name, tensor in STATE.items()}
    path = saved(tmp_path / "both.pt", {"g": other, "g_ema": STATE, "latent_avg": AVERAGE})
    networks = read_networks(path).networks
    assert set(networks) == {"G", "G_ema"}
    const = {role: node.state_dict()["synthesis.b4.const"] for role, node in networks.items()}
    assert torch.equal(const["G"], const["G_ema"] + 1)


def test_every_number_is_kept_when_it_is_converted(tmp_path: Path) -> None:
    path = saved(tmp_path / "in.pt", {"g_ema": STATE, "latent_avg": AVERAGE})
    convert(path, tmp_path / "out.safetensors")
    found = load_file(tmp_path / "out.safetensors")
    expected = {f"G_ema.{name}": tensor for name, tensor in G.state_dict().items()}
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert torch.equal(images(load_network(tmp_path / "out.safetensors").generator), images(G))


def test_an_average_that_is_not_there_is_drawn_and_said(tmp_path: Path) -> None:
    path = saved(tmp_path / "in.pt", {"g_ema": STATE})
    found = load_network(path).generator.mapping.w_avg
    z = torch.randn([40_000, 8], generator=torch.Generator().manual_seed(9))
    w = G.mapping(z, None)[:, 0]
    assert (abs(found - w.mean(dim=0)) < 5 * w.std(dim=0) / 10_000**0.5).all()
    assert torch.equal(found, load_network(path).generator.mapping.w_avg)
    (note,) = read_networks(path).notes
    assert note == "G_ema: the file has no latent_avg; w_avg is the mean w of 10,000 latents drawn with seed 0"


def test_rows_of_the_average_are_averaged_and_noise_that_is_not_there_is_drawn(tmp_path: Path) -> None:
    rows = torch.arange(8.0)[:, None] + AVERAGE
    state = {name: tensor for name, tensor in STATE.items() if not name.startswith("noises.")}
    snapshot = read_networks(saved(tmp_path / "in.pt", {"g_ema": state, "latent_avg": rows[None]}))
    found = snapshot.generator.state_dict()
    assert torch.allclose(found["mapping.w_avg"], AVERAGE + 3.5)
    assert found["synthesis.b32.conv1.noise_const"].std() > 0.9
    assert any("has no noise; noise was drawn with seed 0" in note for note in snapshot.notes)


def test_half_precision_and_four_channels_open(tmp_path: Path) -> None:
    clear = network(img_channels=4)
    state = {name: tensor.half() for name, tensor in rosinality(clear).items()}
    found = load_network(saved(tmp_path / "half.pt", {"g_ema": state, "latent_avg": AVERAGE.half()})).generator
    assert images(found).shape == (2, 4, 32, 32)
    assert images(found).dtype == torch.float32
    assert torch.allclose(images(found), images(clear), atol=0.1)


def test_sizes_of_1024_pixels_follow_from_shapes_alone() -> None:
    with torch.device("meta"):  # tensors without numbers
        sizes = {"img_resolution": 1024, "z_dim": 512, "w_dim": 512, "channel_base": 32768, "channel_max": 512}
        state = rosinality(Generator(**{**SIZES, **sizes}))
    tensors = {name: HeldTensor(tensor) for name, tensor in state.items() if not name.endswith("kernel")}
    node, _ = generator(tensors, HeldTensor(torch.zeros(512)))
    assert native.check(node).name == "stylegan2"
    assert {name: node.init_kwargs[name] for name in sizes} == sizes


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "another filter": ({"convs.0.conv.blur.kernel": torch.ones(4, 4) / 4}, "is not the filter \\[1, 3, 3, 1\\]"),
    "a fork": ({"convs.0.attention.weight": torch.zeros(1)}, "with additional tensors: convs.0.attention.weight"),
    "a layer less": ({"convs.3.conv.weight": None}, "incomplete|without synthesis"),
    "other channels": ({"convs.1.conv.weight": torch.zeros(1, 5, 5, 3, 3)}, "channels are not halved"),
    "another shape": ({"to_rgbs.1.bias": torch.zeros(1, 4, 1, 1)}, "to_rgbs.1.bias is \\[1, 4, 1, 1\\], expected"),
    "half of a resolution": ({"to_rgbs.3.conv.weight": torch.zeros(1, 3, 4, 1, 1)}, "incomplete"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_stylegan2_does_not_have_is_named(kind: str, tmp_path: Path) -> None:
    changes, message = BROKEN[kind]
    state = {name: tensor for name, tensor in {**STATE, **changes}.items() if tensor is not None}
    path = saved(tmp_path / "in.pt", {"g_ema": state, "latent_avg": AVERAGE})
    with pytest.raises(PickleError, match=message) as caught:
        load_network(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_an_average_of_another_width_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "in.pt", {"g_ema": STATE, "latent_avg": torch.zeros(7)})
    with pytest.raises(PickleError, match=r"latent_avg is \[7\], expected \[8\]"):
        load_network(path)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    state = {**STATE, "style.1.bias": STATE["style.1.bias"] * float("nan")}
    path = saved(tmp_path / "in.pt", {"g_ema": state, "latent_avg": AVERAGE})
    with pytest.raises(ValueError, match=r"mapping\.fc0.bias holds numbers that are not finite"):
        load_network(path)


def test_training_does_not_go_on_from_a_generator_alone(tmp_path: Path) -> None:
    path = saved(tmp_path / "in.pt", {"g_ema": STATE, "latent_avg": AVERAGE})
    with pytest.raises(ValueError, match=r"in\.pt has no G, D, which training needs"):
        convert(path, tmp_path / "out.pt")
