"""Files of other projects that hold no network for this program: each says what it is, and what opens it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from linkgan_plugin.networks import load_network
from linkgan_plugin.pickles.convert import convert
from linkgan_plugin.pickles.describe import describe
from tests.pickles.layouts import network, prefixed, rosinality
from tests.pickles.test_native import ADA, generator
from training_loops.errors import InputError
from training_loops.stylegan3.networks import Generator as Generator3

ONE = torch.zeros(1)
ADA_STATE = generator(**ADA).state_dict()
STYLEGAN3: dict[str, Any] = {"z_dim": 8, "c_dim": 0, "w_dim": 8, "img_resolution": 16, "img_channels": 3}
LATENTS = torch.zeros(1, 18, 512)


class Settings(dict[str, Any]):
    """Stands for a dict of Lightning's own class."""


Settings.__module__, Settings.__qualname__ = "pytorch_lightning.utilities.parsing", "AttributeDict"

FILES: dict[str, tuple[Any, str]] = {
    "lucidrains": (
        {"GAN": {"S.net.0.weight": ONE, "G.x": ONE, "SE.net.0.weight": ONE, "GE.blocks.0.x": ONE}, "version": "1.8.9"},
        "a checkpoint of stylegan2_pytorch by lucidrains",
    ),
    "lucidrains, the weights": ({"SE.net.0.weight": ONE, "GE.x": ONE, "D.x": ONE}, "stylegan2_pytorch by lucidrains"),
    "Lightning": (
        {"pytorch-lightning_version": "2.0", "epoch": 3, "state_dict": {"G.x": ONE}, "hyper_parameters": Settings(a=1)},
        "a checkpoint of PyTorch Lightning",
    ),
    "ReStyle on StyleGAN3": (
        {
            "state_dict": {"encoder.x": ONE, "decoder.synthesis.input.freqs": ONE},
            "latent_avg": ONE,
            "opts": argparse.Namespace(output_size=1024),
        },
        r"a checkpoint of an encoder \(e4e, pSp, ReStyle, HyperStyle\)",
    ),
    "stylegan2-ada": (
        ADA_STATE,
        "only the weights of a StyleGAN2 of stylegan2-ada-pytorch; a state dict does not contain",
    ),
    "stylegan2-ada, G_ema": (
        {"G_ema": ADA_STATE, "step": 3},
        "only the weights of a StyleGAN2 of stylegan2-ada-pytorch",
    ),
    "stylegan3": (
        Generator3(**STYLEGAN3, channel_base=64, channel_max=8).state_dict(),
        "only the weights of a StyleGAN3; .* pickle.dump",
    ),
    "BasicSR": (
        {"params_ema": {"style_mlp.1.weight": ONE, "style_convs.0.modulated_conv.weight": ONE}},
        "StyleGAN2 in the layout of BasicSR, GFPGAN",
    ),
    "a discriminator": ({"d": {"convs.0.0.weight": ONE}, "d_optim": {}}, r"only a discriminator \(d, of rosinality"),
    "an optimizer": ({"state": {}, "param_groups": [{"lr": 0.1}]}, "the state of an optimizer"),
    "a run's state": ({"format": "training_loops.state", "version": 1}, "the training state of a run of this program"),
    "another network": (
        {"conv1.weight": ONE, "bn1.bias": ONE},
        r"weights of an unknown network \(2 tensors: conv1.weight, bn1.bias\)",
    ),
    "one tensor": (LATENTS, r"one tensor \[1, 18, 512\]; latents .* `linkgan edit --projection FILE`"),
    "latents": ({"latents": LATENTS}, "latents; give them to `linkgan edit --projection FILE`"),
    "projections": ({"a.png": {"img": ONE, "latent": LATENTS, "noise": [ONE]}}, "latents of projections"),
    "a list": ([1, 2], "one object of the class list"),
    "a dict of numbers": ({"a": 1, "b": 2}, "a dict with a, b"),
}


@pytest.fixture(autouse=True)
def lightning(monkeypatch: pytest.MonkeyPatch) -> None:
    """What pickle looks for while it writes `Settings`; reading looks for nothing."""
    module = ModuleType("pytorch_lightning.utilities.parsing")
    module.AttributeDict = Settings  # type: ignore[attr-defined]
    for name in ("pytorch_lightning", "pytorch_lightning.utilities"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "pytorch_lightning.utilities.parsing", module)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", FILES)
def test_a_file_of_another_project_says_what_it_is(kind: str, zipped: bool, tmp_path: Path) -> None:
    data, message = FILES[kind]
    path = tmp_path / "model.pt"
    torch.save(data, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=message) as caught:
        load_network(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1
    assert describe(path)["error"] == str(caught.value)
    with pytest.raises(InputError, match=message):
        convert(path, tmp_path / "out.safetensors")


def test_the_options_of_a_command_are_no_danger(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"g_ema": rosinality(network()), "args": argparse.Namespace(size=32)}, path)
    kinds = {item["name"]: item["kind"] for item in describe(path)["globals"]}
    assert kinds["argparse.Namespace"] == "allowed"


class Mkdir:
    """Pickles as a call that would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("zipped", [True, False])
def test_an_attack_among_weights_is_refused_and_does_not_run(zipped: bool, tmp_path: Path) -> None:
    state, path = rosinality(network()), tmp_path / "model.pt"
    torch.save({"g_ema": state, "opts": Mkdir(tmp_path / "ran")}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=r"refers to posix\.mkdir at byte \d+, which network snapshots do not need"):
        load_network(path)
    told = describe(path)
    assert told["refused"] == "posix.mkdir"
    assert {item["name"]: item["kind"] for item in told["globals"]}["posix.mkdir"] == "DANGEROUS"
    assert not (tmp_path / "ran").exists()


def test_a_refused_file_still_says_what_it_looks_like(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    torch.save({"pytorch-lightning_version": "2", "callbacks": Mkdir(tmp_path / "ran")}, path)
    with pytest.raises(InputError, match=r"posix\.mkdir .*; the names in it suggest a checkpoint of PyTorch Lightning"):
        load_network(path)


def test_a_module_of_a_class_that_is_not_known_says_so(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save(nn.Sequential(nn.Linear(2, 2)), path)
    with pytest.raises(InputError, match=r"torch\.nn\.modules\.container\.Sequential: no class with that name"):
        load_network(path)


def test_a_fork_with_another_encoder_part_opens_its_decoder(tmp_path: Path) -> None:
    path, state = tmp_path / "model.pt", prefixed("decoder.", rosinality(network()))
    torch.save({"state_dict": {"encoder.x": ONE, **state, "latent_mask": ONE}, "latent_avg": None}, path)
    assert load_network(path).generator.img_resolution == 32
