"""Training a 3D-aware generator with the loop: options, exact continuation, snapshots and images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from tests.training_loops.eg3d.golden_cases import labels
from tests.training_loops.runs import options_of, train
from tests.training_loops.states import assert_same_end
from training_loops import grids
from training_loops.eg3d.networks import DualDiscriminator, TriPlaneGenerator
from training_loops.errors import OptionError
from training_loops.formats.folder import ImageFolderDataset, write_dataset
from training_loops.snapshots import SnapshotError, load_snapshot

SMALL: dict[str, Any] = {"cbase": 64, "cmax": 8, "z_dim": 8, "w_dim": 8, "batch": 4}
# Everything random at once: noise inputs, swapped cameras, style mixing, ray jitter, points of the density.
RANDOM: dict[str, Any] = {"noise": True, "gpc_reg_prob": 0.5, "style_mixing": 0.9}


@pytest.fixture(scope="session")
def views(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve 16x16 images, each with a camera of its own."""
    path = tmp_path_factory.mktemp("data") / "views.zip"
    pixels = np.random.default_rng(0).integers(0, 256, size=[12, 16, 16, 3], dtype=np.uint8)
    write_dataset(path, pixels, labels=labels(12, 2.7).tolist())
    return path


def _options(views: Path, **changes: Any) -> dict[str, Any]:
    """Options of a run of six steps with coarse planes and few samples along a ray."""
    settings = {"cfg": "heads3d", "data": views, "kimg": 0.024, "tick": 0.008, "snap": 1, **SMALL, **changes}
    options = options_of(**settings)
    options["G_kwargs"]["plane_resolution"] = 8
    options["G_kwargs"]["rendering_kwargs"].update(depth_resolution=4, depth_resolution_importance=4)
    return {**options, "image_grid": [3, 2]}


def test_the_preset_trains_through_cameras_at_half_the_resolution(views: Path) -> None:
    options = _options(views)
    assert options["training_set_kwargs"]["use_labels"] is True
    assert options["loss_kwargs"]["neural_rendering_resolution_initial"] == 8
    assert options["G_reg_interval"] == 4
    rendering = options["G_kwargs"]["rendering_kwargs"]
    assert (rendering["density_reg"], rendering["c_gen_conditioning_zero"]) == (0.25, True)
    assert options["loss_kwargs"]["gpc_reg_prob"] is None


def test_options_of_scenes_reach_network_and_loss(views: Path) -> None:
    options = _options(views, neural_res=12, density_reg=0, gpc_reg_prob=0.7)
    assert options["loss_kwargs"]["neural_rendering_resolution_initial"] == 12
    assert options["loss_kwargs"]["gpc_reg_prob"] == 0.7
    assert options["G_kwargs"]["rendering_kwargs"]["c_gen_conditioning_zero"] is False
    assert options["G_reg_interval"] is None, "nothing is left to regularize"


def test_the_public_defaults_have_a_head_for_each_resolution(tmp_path: Path, views: Path) -> None:
    with pytest.raises(OptionError, match="images of 16 pixels, expected 128, 256 or 512"):
        options_of(cfg="eg3d", data=views)
    write_dataset(tmp_path / "large.zip", np.zeros([2, 128, 128, 3], np.uint8), labels=labels(2, 2.7).tolist())
    options = options_of(cfg="eg3d", data=tmp_path / "large.zip", gpus=8)
    assert (options["batch_size"], options["ema_kimg"], options["loss_kwargs"]["blur_fade_kimg"]) == (32, 10, 200)
    assert (options["G_opt_kwargs"]["lr"], options["D_opt_kwargs"]["lr"]) == (0.0025, 0.002)
    G, D = options["G_kwargs"], options["D_kwargs"]
    assert (G["num_fp16_res"], G["sr_num_fp16_res"], D["num_fp16_res"], D["conv_clamp"]) == (0, 4, 4, 256)
    assert G["rendering_kwargs"]["superresolution_module"].endswith("2X")
    single = options_of(cfg="eg3d", data=tmp_path / "large.zip", fp32=True)
    assert (single["G_kwargs"]["sr_num_fp16_res"], single["D_kwargs"]["num_fp16_res"]) == (0, 0)
    with torch.device("meta"):
        for kwargs, cls in ((G, TriPlaneGenerator), (D, DualDiscriminator)):
            cls(c_dim=25, img_resolution=128, img_channels=3, **{k: v for k, v in kwargs.items() if k != "class_name"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mirror": True}, "mirroring an image changes its camera"),
        ({"cfg": "tiny", "density_reg": 1.0}, "density_reg: cfg tiny has no cameras; it is for heads3d, volume3d"),
        ({"pl_weight": 2.0}, "pl_weight=2: expected 0"),
    ],
)
def test_options_that_cannot_work_are_named(tmp_path: Path, views: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        train(tmp_path, options_of(**{"cfg": "heads3d", "data": views, **SMALL, **change}))


def test_labels_that_are_no_cameras_are_refused(tiny_data: Path) -> None:
    with pytest.raises(OptionError, match="have 3 numbers, expected the 25 of a camera"):
        options_of(cfg="heads3d", data=tiny_data)


class StoppedHereError(Exception):
    """Stands for a process that dies."""


@pytest.mark.parametrize("died_at", [4, 20])  # at 4 only the state before the first step was saved
def test_a_killed_run_continues_bit_for_bit(tmp_path: Path, views: Path, died_at: int) -> None:
    def die(cur_nimg: int, total_nimg: int) -> None:
        if cur_nimg == died_at:
            raise StoppedHereError

    options = {**_options(views, **RANDOM), "D_reg_interval": 2, "G_reg_interval": 2}
    train(tmp_path / "whole", options)
    with pytest.raises(StoppedHereError):
        train(tmp_path / "broken", options, progress_fn=die)
    result = train(tmp_path / "broken", options, restart=True)
    assert result.finished
    assert_same_end(tmp_path / "whole", tmp_path / "broken")
    same = [(tmp_path / run / "fakes000000_depth.png").read_bytes() for run in ("whole", "broken")]
    assert same[0] == same[1]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, views: Path) -> Path:
    """A run of three steps in which the rendered image grows."""
    folder = tmp_path_factory.mktemp("run")
    options = _options(views, kimg=0.012)
    options["loss_kwargs"].update(
        neural_rendering_resolution_final=12, neural_rendering_resolution_fade_kimg=0.008, gpc_reg_fade_kimg=0
    )
    train(folder, options)
    return folder


def test_a_snapshot_keeps_the_networks_and_the_size_of_the_render(run: Path) -> None:
    snapshot = load_snapshot(run / "network-snapshot-000000.pt")
    assert isinstance(snapshot.G_ema, TriPlaneGenerator)
    assert isinstance(snapshot.D, DualDiscriminator)
    assert snapshot.G.neural_rendering_resolution == snapshot.G_ema.neural_rendering_resolution == 12
    out = snapshot.G_ema(torch.zeros(1, 8), labels(1, 2.7))
    assert (out["image"].shape[-1], out["image_raw"].shape[-1]) == (16, 12)
    state = torch.load(run / "training-state.pt", weights_only=True)["networks"]["G_ema"]
    assert all(torch.equal(value, state[name]) for name, value in snapshot.G_ema.state_dict().items())


@pytest.mark.parametrize("settings", ['{"neural_rendering_resolution": 1000000}', '{"training": 1}', '{"w_dim": 9}'])
def test_settings_that_no_run_writes_are_refused(run: Path, tmp_path: Path, settings: str) -> None:
    data = torch.load(run / "network-snapshot-000000.pt", weights_only=True)
    data["networks"]["G_ema"]["settings"] = settings
    torch.save(data, tmp_path / "changed.pt")
    with pytest.raises(SnapshotError, match="damaged snapshot"):
        load_snapshot(tmp_path / "changed.pt")


def test_training_goes_on_from_a_snapshot_at_its_size(run: Path, views: Path, tmp_path: Path) -> None:
    snapshot = run / "network-snapshot-000000.pt"
    options = options_of(cfg="heads3d", data=views, kimg=0.004, batch=4, resume=snapshot, image_grid=[3, 2])
    assert options["G_kwargs"]["channel_max"] == 8
    assert options["loss_kwargs"]["neural_rendering_resolution_initial"] == 12
    still = {name: {**options[name], "lr": 0.0} for name in ("G_opt_kwargs", "D_opt_kwargs")}
    result = train(tmp_path, {**options, **still})
    assert result.snapshot is not None
    before, after = load_snapshot(snapshot), load_snapshot(result.snapshot)
    assert all(torch.equal(p, q) for p, q in zip(before.G.parameters(), after.G.parameters(), strict=True))


def test_a_snapshot_of_another_family_is_refused(run: Path, tiny_data: Path) -> None:
    with pytest.raises(OptionError, match=r"holds a TriPlaneGenerator; cfg tiny trains a .*stylegan2"):
        options_of(cfg="tiny", data=tiny_data, resume=run / "network-snapshot-000000.pt")


def test_grids_show_the_datas_cameras_and_depth(run: Path, views: Path) -> None:
    dataset = ImageFolderDataset(views, use_labels=True)
    picked = grids.choose_images(dataset, (3, 2))
    assert len(set(picked.tolist())) == 6, "every image has a camera of its own"
    sizes = {path.name: PIL.Image.open(path).size for path in run.glob("*.png")}
    assert sizes["fakes000000.png"] == sizes["reals.png"] == (48, 32)
    assert sizes["fakes_init_raw.png"] == (24, 16)
    assert sizes["fakes000000_raw.png"] == sizes["fakes000000_depth.png"] == (36, 24)

    seen: list[torch.Tensor] = []

    def generator(z: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        seen.append(c)
        return torch.zeros(len(z), 3, 4, 4)

    cameras = torch.stack([torch.from_numpy(dataset.get_label(int(i))) for i in picked])
    fakes = grids.FakesGrid(cameras, 8, (3, 2), 4, torch.device("cpu"))
    fakes.save(generator, run / "seen.png")
    assert torch.equal(torch.cat(seen), cameras)
