"""Every family of generators trains, resumes, opens, links and edits; what only one of them does in a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from click.testing import CliRunner

from linkgan_plugin.cli.edit import edit as edit_command
from linkgan_plugin.cli.metrics import metrics as metrics_command
from linkgan_plugin.cli.project import project as project_command
from linkgan_plugin.cli.train import FAMILIES, STYLES
from linkgan_plugin.cli.train import train as train_command
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.inversion.projected import load_projected
from linkgan_plugin.networks import load_network
from linkgan_plugin.pickles.convert import convert
from tests.training_loops.runs import options_of, train
from tests.training_loops.states import CLOCK, leaves
from training_loops.batches import BatchStream
from training_loops.errors import OptionError
from training_loops.families import progan
from training_loops.formats.folder import ImageFolderDataset, write_dataset
from training_loops.presets import PRESETS
from training_loops.snapshots import load_snapshot

ALONE = {"vae", "autoencoder", "glo"}  # without a discriminator
SIDE = 16


@pytest.fixture(scope="module")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of 16 x 16 pixels, each a disc of its own place and colour."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    images = np.zeros([24, SIDE, SIDE, 3], np.uint8)
    for image in images:
        cy, cx, radius = rng.uniform([4, 4, 2], [12, 12, 5])
        image[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = rng.integers(64, 256, 3)
    path = tmp_path_factory.mktemp("discs") / "discs.zip"
    write_dataset(path, images)
    return path


def options(cfg: str, data: Path, **changes: Any) -> dict[str, Any]:
    """Options of a run of six steps of four images."""
    asked = {"batch": 4, "cbase": 64, "cmax": 8, "z_dim": 12, "kimg": 0.024, "tick": 0.008, "snap": 1, **changes}
    return {**options_of(cfg=cfg, data=data, **asked), "image_grid": [4, 2]}


def different(first: Path, second: Path) -> list[str]:
    """What two states do not share, but for the clock."""
    a, b = leaves(first), leaves(second)
    assert a.keys() == b.keys()
    same = {
        path: torch.equal(a[path], b[path]) if isinstance(a[path], torch.Tensor) else a[path] == b[path] for path in a
    }
    return [path for path in a if not same[path] and path != CLOCK]


@pytest.fixture(scope="module", params=FAMILIES)
def cfg(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def whole(cfg: str, discs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp(cfg)
    assert train(folder, options(cfg, discs)).finished
    return folder


def test_losses_and_gradients_are_finite(cfg: str, whole: Path) -> None:
    last = json.loads((whole / "stats.jsonl").read_text().splitlines()[-1])
    losses = {name: value["mean"] for name, value in last.items() if name.startswith("Loss/")}
    assert "Loss/G/loss" in losses
    assert ("Loss/D/loss" in losses) == (cfg not in ALONE)
    assert all(np.isfinite(value) for value in losses.values()), losses
    dropped = [value["mean"] for name, value in last.items() if name.endswith("/dropped")]
    assert set(dropped) == {0}


def test_a_stopped_run_goes_on_to_the_bit(cfg: str, whole: Path, discs: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    stop = {"progress_fn": lambda done, total: seen.append(done), "abort_fn": lambda: bool(seen) and seen[-1] >= 12}
    assert not train(tmp_path, options(cfg, discs), **stop).finished
    assert train(tmp_path, options(cfg, discs), restart=True).finished
    assert different(whole, tmp_path) == []


def test_microbatches_train(cfg: str, discs: Path, tmp_path: Path) -> None:
    train(tmp_path / "run", options(cfg, discs, batch_gpu=2, kimg=0.008))
    state = leaves(tmp_path / "run")
    assert all(bool(value.isfinite().all()) for value in state.values() if isinstance(value, torch.Tensor))


def test_snapshots_open_and_convert(cfg: str, whole: Path, tmp_path: Path) -> None:
    path = max(whole.glob("network-snapshot-*.pt"))
    network = load_network(path)
    z = torch.randn(3, 12)
    images = network.generator(z, None)
    assert images.shape == (3, 3, SIDE, SIDE)
    assert (network.open_discriminator is None) == (cfg in ALONE)
    if cfg not in ALONE:
        assert network.discriminator(images, None).flatten().shape == (3,)
    convert(path, tmp_path / "net.safetensors")
    convert(tmp_path / "net.safetensors", tmp_path / "net.pt")
    assert torch.equal(load_network(tmp_path / "net.safetensors").generator(z, None), images)
    back, found = load_snapshot(tmp_path / "net.pt"), load_snapshot(path)
    assert (back.D is None) == (found.D is None)
    assert torch.equal(back.G(z, None), found.G(z, None))


def test_a_snapshot_starts_a_run(cfg: str, whole: Path, discs: Path, tmp_path: Path) -> None:
    path = max(whole.glob("network-snapshot-*.pt"))
    second = {**options_of(cfg=cfg, data=discs, resume=path, batch=4, kimg=0.004), "image_grid": [4, 2]}
    assert second["G_kwargs"]["z_dim"] == 12
    assert train(tmp_path, second).finished


@pytest.fixture(scope="module")
def linked(cfg: str, discs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The snapshot of a run with a link."""
    folder = tmp_path_factory.mktemp("linked")
    command = ["--cfg", cfg, "--data", str(discs), "--run-dir", str(folder), "--device", "cpu", "--quiet"]
    small = {"kimg": 0.04, "batch": 4, "cbase": 64, "cmax": 8, "z-dim": 12, "link-start": 0, "link-weight": 30}
    command += ["--loss=linkgan", *(f"--{name}={value}" for name, value in small.items())]
    result = CliRunner().invoke(train_command, [*command, "--link", "left=4@box(0,0,0.5,1)"])
    assert result.exit_code == 0, result.output
    return max(folder.glob("network-snapshot-*.pt"))


def test_links_train_and_are_measured_and_edited(cfg: str, linked: Path) -> None:
    network = load_network(linked)
    assert network.spec is not None
    assert network.spec.space == "z"
    statistics = (linked.parent / "stats.jsonl").read_text()
    assert "Loss/link/left/share" in statistics
    generator = LinkedGenerator(network.generator, network.spec)
    discs = generator.sample([0, 1])
    edited = generator.resample(discs.latents, "left", seed=7)
    change = (edited.images - discs.images).square().mean(dim=[0, 1])
    assert change.sum() > 0
    small = ["--pairs", "4", "--batch", "4", "--quality-images", "8", "--device", "cpu"]
    measured = CliRunner().invoke(metrics_command, [str(linked), *small])
    assert measured.exit_code == 0, measured.output
    assert "left" in measured.output


def test_photographs_are_inverted_and_edited(cfg: str, linked: Path, tmp_path: Path) -> None:
    photograph, projections, sheet = (tmp_path / name for name in ("me.png", "projections", "edited.png"))
    image = np.random.default_rng(0).integers(0, 256, [SIDE, SIDE, 3], np.uint8)
    PIL.Image.fromarray(image).save(photograph)
    asked = ["--network", str(linked), "--steps", "4", "--tune", "1", "--out", str(projections)]
    inverted = CliRunner().invoke(project_command, [str(photograph), *asked])
    assert inverted.exit_code == 0, inverted.output
    network = load_network(linked).generator
    latents = load_projected(projections / "me", network).latents
    assert latents.shape == (1, 1, 12)
    asked = ["--projection", str(projections / "me"), "--region", "left", "--cell", "16", "--out", str(sheet)]
    edited = CliRunner().invoke(edit_command, [str(linked), *asked])
    assert edited.exit_code == 0, edited.output
    assert sheet.exists()


def test_the_command_lists_every_configuration() -> None:
    assert list(PRESETS) == [*STYLES, *FAMILIES]
    assert all(PRESETS[name].startswith("training_loops.families.") for name in FAMILIES)


def test_labels_are_refused(cfg: str, tiny_data: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"labels of 3 numbers: a .*Generator is unconditional, train without them"):
        train(tmp_path, {**options(cfg, tiny_data, cond=True, z_dim=16)})


def test_options_of_other_families_are_refused(cfg: str, discs: Path) -> None:
    for name, value in (("w_dim", 8), ("style_mixing", 0.5), ("noise", True), ("freezed", 1)):
        with pytest.raises(OptionError, match=f"{name}: cfg {cfg} has no such option"):
            options(cfg, discs, **{name: value})
    if cfg in ALONE:
        with pytest.raises(OptionError, match="dlr: cfg"):
            options(cfg, discs, dlr=0.1)


# Runs of one family


def test_indices_are_those_of_the_images(discs: Path) -> None:
    dataset = ImageFolderDataset(discs)
    for rank in range(2):
        stream = BatchStream(dataset, batch_size=6, seed=1, device=torch.device("cpu"), rank=rank, num_gpus=2)
        images = torch.from_numpy(dataset.batch(stream.own_indices(3).numpy())[0])
        assert torch.equal(stream.real(3)[0], images.float() / 127.5 - 1)


def test_glo_learns_a_latent_of_each_image(discs: Path, tmp_path: Path) -> None:
    result = train(tmp_path, options("glo", discs, kimg=1, batch=8, tick=1, glr=0.01, cmax=32))
    assert result.snapshot is not None
    G = load_snapshot(result.snapshot).G
    real = torch.from_numpy(ImageFolderDataset(discs).batch(range(24))[0]).float() / 127.5 - 1
    own = (G.decoder(G.codes) - real).square().mean()
    others = (G.decoder(G.codes.roll(1, dims=0)) - real).square().mean()
    assert own < 0.7 * others
    assert bool((G.codes.norm(dim=1) < 12**0.5 + 0.5).all())
    drawn = G.prior(torch.randn(2000, 12))
    assert (drawn.mean(dim=0) - G.codes.mean(dim=0)).abs().max() < 0.5


def test_a_run_grows_to_the_full_resolution_and_keeps_it(discs: Path, tmp_path: Path) -> None:
    asked = options("progan", discs)
    assert asked["loss_kwargs"]["grow_kimg"] == pytest.approx(0.6 * 0.024)
    seen = {}
    for nimg in (8, 24):
        result = train(tmp_path / str(nimg), {**asked, "total_kimg": nimg / 1000})
        assert result.snapshot is not None
        found = load_snapshot(result.snapshot)
        seen[nimg] = [float(net.growth) for net in (found.G, found.D, found.G_ema)]
    assert seen[8] == pytest.approx([progan.growth_after(4, 14.4, 2)] * 3)
    assert 0 < seen[8][0] < 1
    assert seen[24] == [2.0] * 3
    assert options("progan", discs, resume=result.snapshot)["loss_kwargs"]["grow_kimg"] == 0
