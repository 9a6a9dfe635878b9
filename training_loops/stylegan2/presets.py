"""The presets of StyleGAN2, by resolution and number of processes."""

from __future__ import annotations

from training_loops.presets import Preset


def tiny(resolution: int, gpus: int) -> Preset:
    """For one CPU thread and images of about 32 pixels; trains in minutes."""
    return Preset(
        dim=64,
        map_depth=2,
        cbase=512,
        cmax=64,
        batch=8,
        lr=0.003,
        gamma=0.3,
        ema_kimg=5,
        kimg=80,
        tick=1,
        snap=10,
        lr_final=0.1,
        use_noise=False,
        image_grid=(16, 8),
    )


def small(resolution: int, gpus: int) -> Preset:
    """For a CPU overnight or a small GPU: the full method at an eighth of the width."""
    return Preset(
        dim=256,
        map_depth=4,
        cbase=4096,
        cmax=128,
        batch=32,
        lr=0.0025,
        gamma=0.0002 * resolution**2 / 32,
        ema_kimg=10,
        kimg=2000,
        tick=4,
        snap=10,
        pl_weight=2.0,
        style_mixing=0.9,
        G_reg_interval=4,
        image_grid=(16, 8),
    )


def stylegan2(resolution: int, gpus: int) -> Preset:
    """The public StyleGAN2 defaults by resolution: batch, learning rate, R1 weight and width depend on it."""
    batch = max(min(gpus * min(4096 // resolution, 32), 64), gpus)
    return Preset(
        dim=512,
        map_depth=8,
        cbase=32768 if resolution >= 512 else 16384,
        cmax=512,
        batch=batch,
        lr=0.002 if resolution >= 1024 else 0.0025,
        gamma=0.0002 * resolution**2 / batch,
        ema_kimg=batch * 10 / 32,
        kimg=25000,
        tick=4,
        snap=50,
        pl_weight=2.0,
        style_mixing=0.9,
        G_reg_interval=4,
        fp16_res=4,
    )
