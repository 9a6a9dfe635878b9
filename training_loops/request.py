"""A user's request for a training run: a preset, the data, and changes to the preset."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

WITH_CAMERAS = ("heads3d", "volume3d", "eg3d")  # presets whose data have cameras as labels


@dataclass(frozen=True)
class TrainingRequest:
    """The choices of `linkgan train`; None means the preset's value.

    When resuming from a snapshot, None means its value for the arguments of networks.

    Attributes:
        cfg: name of the preset, one of `presets.PRESETS`.
        data: zip or folder of PNGs.
        gpus: processes that train together, from 1.
        cond: train on the data's labels.
        mirror: add mirrored images.
        max_size: use at most this many images, from 1; None for all.
        seed: random seed, from 0.
        resume: snapshot to start from; None for random weights.

        batch: images of a step, a multiple of gpus.
        batch_gpu: images at a time in one process, from 1; None for its whole share.
        kimg: length of the run in thousand images, more than 0.
        gamma: weight of R1, from 0.
        pl_weight: weight of the path length penalty, from 0.
        style_mixing: probability of style mixing, 0 to 1.
        glr: learning rate of G.
        dlr: learning rate of D.
        lr_final: final learning rates as a fraction of the initial ones, 0 to 1.
        ema_kimg: half-life of the averaged generator in thousand images.

        cbase: feature maps of a layer times its resolution, at least the resolution of the images.
        cmax: maximum feature maps of a layer, from 1.
        z_dim: dimensions of z, from 1.
        w_dim: dimensions of w, from 1.
        map_depth: layers of the mapping network, from 1.
        mbstd_group: images that share a minibatch standard deviation, a divisor of batch_gpu.
        noise: add noise inputs to G.
        freezed: number of frozen layers of D, from 0.
        fp32: single precision everywhere; overrides fp16_res.
        fp16_res: number of the highest resolutions that are computed in half precision, from 0.
        half: the half-precision dtype, float16 or bfloat16.

        neural_res: 3D: initial side of the rendered image, in pixels.
        density_reg: 3D: weight of the density's total variation, from 0.
        gpc_reg_prob: 3D: probability of conditioning G on another image's camera, 0 to 1.

        metrics: names of metrics at every snapshot.
        tick: thousand images between two lines of statistics, more than 0.
        snap: ticks between two snapshots, from 1.
        image_grid: (columns, rows) of the grids of images.
        nobench: disable cuDNN benchmarking.
        threads: CPU threads of a process, from 1; None for PyTorch's default.
    """

    cfg: str
    data: str | os.PathLike[str]
    gpus: int = 1
    cond: bool = False
    mirror: bool = False
    max_size: int | None = None
    seed: int = 0
    resume: str | os.PathLike[str] | None = None

    batch: int | None = None
    batch_gpu: int | None = None
    kimg: float | None = None
    gamma: float | None = None
    pl_weight: float | None = None
    style_mixing: float | None = None
    glr: float | None = None
    dlr: float | None = None
    lr_final: float | None = None
    ema_kimg: float | None = None

    cbase: int | None = None
    cmax: int | None = None
    z_dim: int | None = None
    w_dim: int | None = None
    map_depth: int | None = None
    mbstd_group: int | None = None
    noise: bool | None = None
    freezed: int = 0
    fp32: bool = False
    fp16_res: int | None = None
    half: str = "float16"

    neural_res: int | None = None
    density_reg: float | None = None
    gpc_reg_prob: float | None = None

    metrics: Sequence[str] = ()
    tick: float | None = None
    snap: int | None = None
    image_grid: Sequence[int] | None = None
    nobench: bool = False
    threads: int | None = None

    @property
    def has_cameras(self) -> bool:
        """Whether the labels of the data are cameras."""
        return self.cfg in WITH_CAMERAS
