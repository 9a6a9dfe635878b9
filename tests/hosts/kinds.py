"""The hosts to test against, miniature and real: their trees, their flags and data to train them on."""

from __future__ import annotations

import io
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from training_loops.formats.archive import new_archive

MINI = Path(__file__).parent / "mini"
REAL = os.environ.get("LINKGAN_HOSTS")


@dataclass(frozen=True)
class Kind:
    """A host in one configuration.

    Attributes:
        name: as the tests show it. parts: folders of `mini` that make up its tree, or none for a real checkout.
        checkout: the real host's folder below LINKGAN_HOSTS. flags: those of a tiny training run.
        sets: what flags cannot say. size: of its images, in pixels. cameras: whether it needs camera labels.
        alone: what it fails with on current libraries, without fixes. seconds: to its first tick at most, with
        the whole grid of sample images.
        phase: its generator's main phase. narrow: the option that makes its generator another one, `layers` is what
        the names of that one's tensors hold. axes: the option that says how many latent axes it has; space: of these.
        loss: its own. augmented: flags that augment. still: options by which its weights stay as they are.
        bad_data: its exit code where the data are missing. again: a second configuration of a tree tested already, for
        which training is all there is to test. ranks: whether several processes are tested, which takes long.
    """

    name: str
    parts: tuple[str, ...]
    checkout: str
    flags: tuple[str, ...]
    sets: tuple[str, ...] = ()
    size: int = 16
    cameras: bool = False
    alone: str = "object.__init__() takes exactly one argument"
    seconds: float = 60
    phase: str = "Gmain"
    narrow: str = "G_kwargs.channel_max=8"
    layers: str = "synthesis"
    axes: str = "w_dim"
    space: str = "w"
    loss: str = "training.loss.StyleGAN2Loss"
    augmented: tuple[str, ...] = ("--aug=fixed", "--p=0.5")
    still: tuple[str, ...] = ("G_opt_kwargs.lr=0", "D_opt_kwargs.lr=0")
    again: bool = False
    ranks: bool = True
    bad_data: int = 1

    @property
    def is_mini(self) -> bool:
        return bool(self.parts)


_TINY = ("--gpus=1", "--batch=4", "--gamma=1", "--kimg=1", "--snap=1", "--workers=1")
_SG3 = (*_TINY, "--tick=1", "--batch-gpu=2", "--mbstd-group=2", "--aug=noaug")
_NARROW = ("--cbase=512", "--cmax=16", "--map-depth=2")
# A worker would import torch anew; the data are a few images.
_NO_WORKER = ("data_loader_kwargs.num_workers=0",)
_NO_PREFETCH = (*_NO_WORKER, "data_loader_kwargs.prefetch_factor=null")
_PKG = "No module named 'pkg_resources'"

_R3 = ("--gpus=1", "--batch=4", "--kimg=1", "--snap=1", "--tick=1", "--workers=1", "--g-batch-gpu=2", "--d-batch-gpu=2")
_R3GAN: dict[str, Any] = {
    "phase": "G",
    "narrow": "G_kwargs.WidthPerStage=[8,8,8]",
    "layers": "Model.MainLayers",
    "axes": "NoiseDimension",
    "space": "z",
    "loss": "training.loss.R3GANLoss",
    "augmented": ("--aug=True",),
    "still": ("lr_scheduler.base_value=0", "lr_scheduler.final_value=0"),
}

MINIATURES = (
    Kind(
        "mini-ada",
        ("common", "ada"),
        "",
        (*_TINY, "--aug=noaug"),
        (*_NO_WORKER, "batch_gpu=2", "kimg_per_tick=1"),
        narrow="G_kwargs.synthesis_kwargs.channel_max=8",
        bad_data=2,
    ),
    Kind(
        "mini-stylegan3-stylegan2",
        ("common", "modern", "stylegan3"),
        "",
        ("--cfg=stylegan2", *_SG3, *_NARROW),
        _NO_WORKER,
        alone=_PKG,
        ranks=False,
    ),
    Kind(
        "mini-stylegan3-t",
        ("common", "modern", "stylegan3"),
        "",
        ("--cfg=stylegan3-t", *_SG3, *_NARROW),
        _NO_WORKER,
        alone=_PKG,
        phase="Gboth",
        again=True,
        ranks=False,
    ),
    Kind(
        "mini-eg3d",
        ("common", "modern", "eg3d"),
        "",
        ("--cfg=ffhq", "--gen_pose_cond=True", *_SG3, *_NARROW),
        _NO_WORKER,
        cameras=True,
    ),
    Kind(
        "mini-panohead",
        ("common", "modern", "eg3d", "panohead"),
        "",
        ("--cfg=ffhq", "--gen_pose_cond=True", *_SG3, *_NARROW),
        _NO_WORKER,
        cameras=True,
        again=True,
        ranks=False,
        loss="training.masked.StyleGAN2Loss",
    ),
    Kind(
        "mini-r3gan",
        ("common", "r3gan"),
        "",
        ("--preset=tiny", *_R3, "--kimg=10"),  # it is fast
        _NO_WORKER,
        **_R3GAN,
    ),
)

_ADA_NARROW = tuple(
    f"{key}={value}"
    for net in ("G_kwargs.synthesis_kwargs", "D_kwargs")
    for key, value in ((f"{net}.channel_base", 512), (f"{net}.channel_max", 16), (f"{net}.num_fp16_res", 0))
)

_R3_NARROW = tuple(
    f"{net}.{name}PerStage={value}"
    for net, ends in (("G_kwargs", slice(None)), ("D_kwargs", slice(None, None, -1)))
    for name, value in (
        ("Width", [32, 32, 24, 16][ends]),
        ("Cardinality", [4, 4, 4, 4][ends]),
        ("Blocks", [1, 1, 1, 1]),
    )
)

CHECKOUTS = (
    Kind(
        "ada",
        (),
        "stylegan2-ada-pytorch",
        (*_TINY, "--cfg=auto", "--aug=noaug"),
        (*_NO_PREFETCH, *_ADA_NARROW, "batch_gpu=2", "kimg_per_tick=1", "D_kwargs.epilogue_kwargs.mbstd_group_size=2"),
        size=32,
        narrow="G_kwargs.synthesis_kwargs.channel_max=8",
        bad_data=2,
    ),
    Kind(
        "stylegan3-stylegan2",
        (),
        "stylegan3",
        ("--cfg=stylegan2", "--fp32=True", *_SG3, *_NARROW),
        _NO_PREFETCH,
        size=32,
        alone=_PKG,
    ),
    *(
        Kind(
            f"stylegan3-{letter}",
            (),
            "stylegan3",
            (f"--cfg=stylegan3-{letter}", "--fp32=True", *_SG3, *_NARROW),
            _NO_PREFETCH,
            size=32,
            alone=_PKG,
            seconds=900,
            phase="Gboth",
        )
        for letter in "tr"
    ),
    Kind(
        "eg3d",
        (),
        "eg3d/eg3d",
        ("--cfg=ffhq", "--gen_pose_cond=True", "--neural_rendering_resolution_initial=32", *_SG3, *_NARROW),
        (*_NO_PREFETCH, "G_kwargs.rendering_kwargs.depth_resolution=8",
         "G_kwargs.rendering_kwargs.depth_resolution_importance=8"),
        size=128,
        cameras=True,
        seconds=900,
    ),
    Kind(
        "r3gan",
        (),
        "R3GAN",
        ("--preset=CIFAR10", "--aug=False", *_R3),
        (*_NO_PREFETCH, *_R3_NARROW),
        size=32,
        alone=_PKG,
        **{**_R3GAN, "narrow": "G_kwargs.WidthPerStage=[8,8,8,8]"},
    ),
)  # fmt: skip


def kinds() -> list[Kind]:
    """Return the hosts to test: the miniatures, and the checkouts that LINKGAN_HOSTS has."""
    real = [kind for kind in CHECKOUTS if REAL and (Path(REAL) / kind.checkout / "train.py").is_file()]
    return [*MINIATURES, *real]


def copy_tree(kind: Kind, target: Path) -> Path:
    """Copy a host's tree to `target`, complete and its own; returns `target`."""
    if kind.is_mini:
        for part in kind.parts:
            shutil.copytree(MINI / part, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copytree(Path(REAL or "") / kind.checkout, target, ignore=shutil.ignore_patterns("__pycache__", ".git"))
    return target


def write_data(path: Path, *, size: int, count: int = 12, cameras: bool = False) -> Path:
    """Write a zip of random images [size, size, 3], with camera labels (25 numbers each) where asked for."""
    random = np.random.default_rng(0)
    with new_archive(path) as archive:
        labels = []
        for index in range(count):
            buffer = io.BytesIO()
            PIL.Image.fromarray(random.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(buffer, "png")
            archive.write(f"{index:03d}.png", buffer.getvalue())
            labels.append([f"{index:03d}.png", camera(0.4 * index / count - 0.2)])
        if cameras:
            archive.write("dataset.json", json.dumps({"labels": labels}).encode())
    return path


def camera(yaw: float) -> list[float]:
    """Return 25 numbers: a pose [4, 4] at distance 2.7 that looks at the origin, and intrinsics [3, 3]."""
    sine, cosine = float(np.sin(yaw)), float(np.cos(yaw))
    back = np.array([sine, 0, cosine])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([[cosine, 0, -sine], [0, -1, 0], -back], axis=1)
    pose[:3, 3] = 2.7 * back
    return [*pose.flatten().tolist(), 4.2647, 0, 0.5, 0, 4.2647, 0.5, 0, 0, 1]
