"""Training a stylemap generator with its encoder: gradients, exact continuation, snapshots and links."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from linkgan_plugin.cli.train import train as train_command
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.networks import load_network
from tests.training_loops.runs import options_of, train
from tests.training_loops.states import assert_same_end, tensors
from training_loops.formats.folder import ImageFolderDataset
from training_loops.snapshots import load_snapshot
from training_loops.stylemap.loss import StyleMapLoss
from training_loops.stylemap.networks import Discriminator, Encoder, Generator

SMALL: dict[str, Any] = {"channel_base": 64, "channel_max": 8}


@pytest.fixture
def options(tiny_data: Path) -> dict[str, Any]:
    """Options of a run of six steps."""
    asked = {"batch": 4, "cbase": 64, "cmax": 8, "z_dim": 8, "w_dim": 48, "kimg": 0.024, "tick": 0.008, "snap": 1}
    return {**options_of(cfg="stylemap", data=tiny_data, **asked), "image_grid": [4, 2], "D_reg_interval": 2}


def _loss(**weights: float) -> tuple[StyleMapLoss, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    G = Generator(6, 0, 32, 8, 3, stylemap_size=4, **SMALL)
    D = Discriminator(0, 8, 3, num_fp16_res=0, conv_clamp=None, **SMALL)
    batch = {"real_img": torch.rand(4, 3, 8, 8) * 2 - 1, "gen_z": torch.randn(4, 6)}
    return StyleMapLoss("cpu", G, D, **weights), {**batch, "real_c": torch.zeros(4, 0), "gen_c": torch.zeros(4, 0)}


def _gradients(phase: str, **weights: float) -> dict[str, float]:
    """Return the gradients' norms of one phase, by network."""
    loss, batch = _loss(**{"latent_weight": 0, "image_weight": 0, "domain_weight": 0, **weights})
    loss.accumulate_gradients(phase, gain=1, cur_nimg=0, **batch)
    parts = {"E": loss.G.encoder, "G": loss.G.synthesis, "F": loss.G.mapping, "D": loss.D}
    return {
        name: sum(float(p.grad.square().sum()) for p in part.parameters() if p.grad is not None) ** 0.5
        for name, part in parts.items()
    }


def test_each_loss_trains_its_networks() -> None:
    plain = _gradients("Gmain")
    assert plain["E"] == 0 < plain["F"]
    latent = _gradients("Gmain", latent_weight=1)
    assert latent["E"] > 0
    assert (latent["G"], latent["F"], latent["D"]) == (plain["G"], plain["F"], plain["D"])
    for weight in ("image_weight", "domain_weight"):
        found = _gradients("Gmain", **{weight: 1})
        assert found["E"] > 0
        assert found["G"] != plain["G"]
        assert found["F"] == plain["F"]
    rejected = _gradients("Dmain", domain_weight=1)
    assert rejected["E"] == 0
    assert rejected["D"] != _gradients("Dmain")["D"]


def test_the_losses_are_those_of_the_formulas() -> None:
    loss, batch = _loss(image_weight=0, domain_weight=0)
    loss.accumulate_gradients("Gmain", gain=2, cur_nimg=0, **batch)
    G = loss.G
    ws = G.mapping(batch["gen_z"], None).detach()
    expected = (G.encoder(G.synthesis(ws).detach()) - ws).square().mean() * 2
    gradients = torch.autograd.grad(expected, list(G.encoder.parameters()))
    for parameter, gradient in zip(G.encoder.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_a_stopped_run_goes_on_to_the_bit(tmp_path: Path, options: dict[str, Any]) -> None:
    train(tmp_path / "whole", options)
    seen: list[int] = []
    stop = {"progress_fn": lambda done, total: seen.append(done), "abort_fn": lambda: bool(seen) and seen[-1] >= 12}
    assert not train(tmp_path / "parts", options, **stop).finished
    assert train(tmp_path / "parts", options, restart=True).finished
    assert_same_end(tmp_path / "whole", tmp_path / "parts")
    saved = tensors(tmp_path / "whole")
    assert any(name.startswith("/networks/G_ema/encoder.") for name in saved)


def test_the_encoder_comes_with_the_snapshot(tmp_path: Path, options: dict[str, Any], tiny_data: Path) -> None:
    result = train(tmp_path, options)
    assert result.snapshot is not None
    found = load_snapshot(result.snapshot)
    G: Any = load_network(result.snapshot).generator
    assert type(G) is Generator
    assert isinstance(G.encoder, Encoder)
    saved = tensors(tmp_path)
    for role, net in (("G", found.G), ("G_ema", G)):
        for name, value in net.encoder.state_dict().items():
            assert torch.equal(value, saved[f"/networks/{role}/encoder.{name}"])
    name = next(name for name, _ in G.encoder.named_parameters())
    assert not torch.equal(found.G.encoder.state_dict()[name], G.encoder.state_dict()[name]), "G_ema is an average"
    images = torch.from_numpy(ImageFolderDataset(tiny_data).batch(range(2))[0]).float() / 127.5 - 1
    assert G.synthesis(G.encoder(images)).shape == images.shape


def test_training_goes_on_from_a_snapshot(tmp_path: Path, options: dict[str, Any], tiny_data: Path) -> None:
    snapshot = train(tmp_path / "first", options).snapshot
    asked = {"cfg": "stylemap", "data": tiny_data, "resume": snapshot, "batch": 4, "kimg": 0.004}
    second = {**options_of(**asked), "image_grid": [4, 2]}
    assert second["G_kwargs"]["w_dim"] == 48
    assert train(tmp_path / "second", second).finished


def test_links_of_cells_train(tmp_path: Path, tiny_data: Path) -> None:
    command = ["--cfg", "stylemap", "--data", str(tiny_data), "--run-dir", str(tmp_path), "--device", "cpu", "--quiet"]
    small = {"kimg": 0.024, "batch": 4, "cbase": 64, "cmax": 8, "w-dim": 48, "z-dim": 8, "link-start": 0}
    command += ["--loss=linkgan", *(f"--{name}={value}" for name, value in small.items())]
    result = CliRunner().invoke(train_command, [*command, "--link", "left=cells@box(0,0,0.5,1)"])
    assert result.exit_code == 0, result.output
    network = load_network(tmp_path / "network-snapshot-000000.pt")
    assert network.spec is not None
    (link,) = network.spec.links
    assert link.axes == tuple(3 * cell + c for cell in range(16) if cell % 4 < 2 for c in range(3))
    generator = LinkedGenerator(network.generator, network.spec)
    faces = generator.sample([0, 1])
    edited = generator.resample(faces.latents, "left", seed=7)
    change = (edited.images - faces.images).square().mean(dim=[0, 1])
    assert change[:, :4].mean() > change[:, 4:].mean()
    assert "Loss/link" in (tmp_path / "stats.jsonl").read_text()
