"""The presets of EG3D, by resolution and number of processes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from training_loops.errors import OptionError
from training_loops.presets import Preset
from training_loops.stylegan2.presets import tiny

_HEADS = {128: "SuperresolutionHybrid2X", 256: "SuperresolutionHybrid4X", 512: "SuperresolutionHybrid8XDC"}
# Cameras at distance 2.7 from a head that fits into a cube of side 1.
_VOLUME: dict[str, Any] = {
    "ray_start": 2.25,
    "ray_end": 3.3,
    "box_warp": 1,
    "disparity_space_sampling": False,
    "clamp_mode": "softplus",
    "white_back": False,
    "c_scale": 1.0,
    "superresolution_noise_mode": "none",
    "sr_antialias": True,
    "decoder_lr_mul": 1,
    "density_reg": 0.25,
    "density_reg_p_dist": 0.004,
    "reg_type": "l1",
}
_CLASSES: dict[str, Any] = {
    "G_class": "training_loops.eg3d.networks.TriPlaneGenerator",
    "D_class": "training_loops.eg3d.networks.DualDiscriminator",
    "loss_class": "training_loops.eg3d.loss.EG3DLoss",
}


def heads3d(resolution: int, gpus: int) -> Preset:
    """For one CPU thread and images of about 32 pixels of heads, rendered at half their resolution.

    The mapping network gets no cameras: it needs them only where a face depends on the camera.
    """
    return replace(
        tiny(resolution, gpus),
        **_CLASSES,
        G_reg_interval=4,
        G={
            "plane_resolution": 32,
            "sr_num_fp16_res": 0,
            "sr_kwargs": {"widths": [32, 16], "use_noise": False},
            "rendering_kwargs": {
                **_VOLUME,
                "superresolution_module": "training.superresolution.SuperresolutionHybrid2X",
                "depth_resolution": 10,
                "depth_resolution_importance": 10,
                "c_gen_conditioning_zero": True,
            },
        },
        D={"disc_c_noise": 0.0},
        loss={
            "gpc_reg_prob": None,
            "gpc_reg_fade_kimg": 0,
            "neural_rendering_resolution_initial": resolution // 2,
            "dual_discrimination": True,
        },
    )


def volume3d(resolution: int, gpus: int) -> Preset:
    """For one CPU thread and images of about 32 pixels of heads: no super-resolution, and shapes that are real."""
    base = heads3d(resolution, gpus)
    rendering = {**base.G["rendering_kwargs"], "density_reg": 0.02}
    del rendering["superresolution_module"]
    return replace(
        base,
        G_class="training_loops.eg3d.networks.VolumeGenerator",
        D_class="training_loops.eg3d.networks.SingleDiscriminator",
        G={"plane_resolution": base.G["plane_resolution"], "rendering_kwargs": rendering},
        D={},
        loss={
            **base.loss,
            "neural_rendering_resolution_initial": resolution,
            "dual_discrimination": False,
        },
    )


def eg3d(resolution: int, gpus: int) -> Preset:
    """The public EG3D defaults for heads of 128, 256 or 512 pixels; raises OptionError for other resolutions."""
    if resolution not in _HEADS:
        raise OptionError(f"cfg eg3d: images of {resolution} pixels, expected 128, 256 or 512; heads3d supports others")
    batch = 4 * gpus
    return Preset(
        **_CLASSES,
        dim=512,
        map_depth=2,
        cbase=32768,
        cmax=512,
        batch=batch,
        lr=0.0025,
        D_lr=0.002,
        gamma=1,
        ema_kimg=batch * 10 / 32,
        kimg=25000,
        tick=4,
        snap=50,
        fp16_res=4,
        G_reg_interval=4,
        G={
            "num_fp16_res": 0,
            "conv_clamp": None,
            "sr_num_fp16_res": 4,
            "sr_kwargs": {},
            "rendering_kwargs": {
                **_VOLUME,
                "superresolution_module": f"training.superresolution.{_HEADS[resolution]}",
                "depth_resolution": 48,
                "depth_resolution_importance": 48,
                "c_gen_conditioning_zero": True,
            },
        },
        D={"disc_c_noise": 0.0},
        loss={
            "gpc_reg_prob": None,
            "gpc_reg_fade_kimg": 1000,
            "neural_rendering_resolution_initial": 64,
            "neural_rendering_resolution_final": None,
            "neural_rendering_resolution_fade_kimg": 1000,
            "dual_discrimination": True,
            "blur_init_sigma": 10,
            "blur_fade_kimg": batch * 200 / 32,
        },
    )
