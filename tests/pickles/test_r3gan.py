"""Snapshots of R3GAN, which only name their classes: opened without their code, converted, assembled from parts."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from linkgan_plugin.cli import main
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.networks import load_network
from linkgan_plugin.pickles.assemble import assemble
from linkgan_plugin.pickles.convert import convert, read_networks
from linkgan_plugin.pickles.describe import describe
from linkgan_plugin.pickles.nodes import Node
from training_loops.r3gan import layers, networks

SHAPE = {"CardinalityPerStage": [4, 2, 2], "BlocksPerStage": [2, 1, 1]}
SIZES = {"c_dim": 3, "img_resolution": 16, "ConditionEmbeddingDimension": 8}
LINKS = {"version": 1, "space": "z", "dim": 24, "allow_overlap": False, "links": []}


@pytest.fixture
def snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, nn.Module, nn.Module]:
    """A snapshot as R3GAN writes it, of classes under their public names, and the networks in it."""
    public = {name: ModuleType(name) for name in ("training", "training.networks", "R3GAN", "R3GAN.Networks")}
    for kind in (*vars(networks).values(), *vars(layers).values()):
        if isinstance(kind, type) and issubclass(kind, nn.Module) and kind.__module__.startswith("training_loops"):
            place = "training.networks" if kind.__name__ in ("Generator", "Discriminator") else "R3GAN.Networks"
            monkeypatch.setattr(kind, "__module__", place)
            setattr(public[place], kind.__name__, kind)
    G = networks.Generator(NoiseDimension=24, WidthPerStage=[16, 16, 8], FP16Stages=[-1], **SHAPE, **SIZES)
    reverse = {key: value[::-1] for key, value in SHAPE.items()}
    D = networks.Discriminator(WidthPerStage=[8, 16, 16], FP16Stages=[0], **reverse, **SIZES)
    for network in (G, D):
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.2)
        network.eval().requires_grad_(False)
    optimizer = torch.optim.Adam(G.parameters(), betas=(0.0, 0.9))
    data = {"G": G, "D": D, "G_ema": G, "cur_nimg": 16, "G_opt_state": optimizer.state_dict()}
    path = tmp_path / "network-snapshot-000000000.pkl"
    with monkeypatch.context() as patch:
        for name, module in public.items():
            patch.setitem(sys.modules, name, module)
        path.write_bytes(pickle.dumps({**data, "training_set_kwargs": {"path": "a.zip"}}))
    return path, G, D


def images(generator: Any) -> torch.Tensor:
    z = torch.randn([4, 24], generator=torch.Generator().manual_seed(0))
    return generator(z, torch.eye(4)[:, :3])


def test_both_networks_open_without_their_code_to_the_bit(snapshot: tuple[Path, nn.Module, nn.Module]) -> None:
    path, G, D = snapshot
    opened = load_network(path)
    found = images(opened.generator)
    assert found.dtype == torch.bfloat16, "its last stage computes in half precision"
    assert torch.equal(found, images(G))
    assert torch.equal(opened.discriminator(found, torch.eye(4)[:, :3]), D(found, torch.eye(4)[:, :3]))
    assert (opened.generator.z_dim, opened.generator.c_dim, opened.generator.img_resolution) == (24, 3, 16)


def test_stages_in_bfloat16_are_described(snapshot: tuple[Path, nn.Module, nn.Module], tmp_path: Path) -> None:
    convert(snapshot[0], tmp_path / "a.safetensors")
    for path in (snapshot[0], tmp_path / "a.safetensors"):
        found = describe(path)["networks"]
        for role in ("G_ema", "D"):
            told = {name: found[role][name] for name in ("fp16_layers", "layers", "layers_are", "half")}
            assert told == {"fp16_layers": 1, "layers": 3, "layers_are": "stages", "half": "bf16"}


def test_links_that_are_given_live_in_z(snapshot: tuple[Path, nn.Module, nn.Module]) -> None:
    network = load_network(snapshot[0])
    spec = network.linked(["eyes=4@box(0,0,1,0.5)"])
    assert (spec.space, spec.dim) == ("z", 24)
    with pytest.raises(LinkGANError, match=r"no w_dim, .* \(it has a z_dim: use --link-space z\)"):
        network.linked(["eyes=4@box(0,0,1,0.5)"], space="w")


def test_converted_to_tensors_it_stays_the_same_network(snapshot: tuple[Path, nn.Module, nn.Module]) -> None:
    path, G, _ = snapshot
    target = path.with_suffix(".safetensors")
    done = CliRunner().invoke(main, ["convert", str(path), str(target)])
    assert done.exit_code == 0, done.output
    assert torch.equal(images(load_network(target).generator), images(G))


def test_inspect_names_its_family(snapshot: tuple[Path, nn.Module, nn.Module]) -> None:
    done = CliRunner().invoke(main, ["inspect", str(snapshot[0])])
    assert done.exit_code == 0, done.output
    assert done.output.count("can be opened without its code: yes, as r3gan") == 3
    assert "16 x 16 pixels\n" in done.output


@pytest.mark.parametrize("suffix", [".pkl", ".safetensors"])
def test_parts_make_the_network_with_classes_of_the_callers_choice(
    snapshot: tuple[Path, nn.Module, nn.Module], suffix: str
) -> None:
    path, G, _ = snapshot
    target = path.with_suffix(suffix)
    if target != path:
        convert(path, target)
    known = {**vars(layers), **vars(networks)}

    def class_of(dotted: str) -> type[nn.Module]:
        module, _, name = dotted.rpartition(".")
        return getattr(sys.modules[module], name) if module.startswith("torch.nn.modules") else known[name]

    assert torch.equal(images(assemble(read_networks(target).networks["G_ema"], class_of)), images(G))


@pytest.mark.parametrize("hidden", ["forward", "__class__", "_forward_hooks"])
def test_parts_hide_no_method_and_bring_no_hook(hidden: str) -> None:
    node = Node("torch.nn.modules.linear.Identity", {hidden: {"1": "x"}})
    if hidden == "forward":
        with pytest.raises(LinkGANError, match="replaces its method forward by a value"):
            assemble(node, lambda name: nn.Identity)
    else:
        made = assemble(node, lambda name: nn.Identity)
        assert type(made) is nn.Identity
        assert not made._forward_hooks


def test_a_damaged_make_up_is_refused_in_one_line(snapshot: tuple[Path, nn.Module, nn.Module]) -> None:
    path = snapshot[0]
    text = path.read_bytes()
    path.write_bytes(text.replace(b"LinearLayer2", b"LinearLayer9"))
    with pytest.raises(LinkGANError, match=r"training\.networks\.Generator: .*--host DIR"):
        load_network(path)
