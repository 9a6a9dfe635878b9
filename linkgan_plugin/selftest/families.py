"""Small seeded networks of the embedded families, and one way to call them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from training_loops.data.head_cameras import sample_cameras
from training_loops.eg3d.networks import DualDiscriminator, SingleDiscriminator, TriPlaneGenerator, VolumeGenerator
from training_loops.eg3d.presets import heads3d, volume3d
from training_loops.stylegan2.networks import Discriminator
from training_loops.stylegan2.networks import Generator as StyleGAN2
from training_loops.stylegan3.networks import Generator as StyleGAN3

BATCH, W_DIM = 4, 32
FLAT = ("left=0:8@box(0,0,0.5,1)", "corner=8:12@polygon(0.6,0,1,0,1,0.4)")
SOLID = ("nose=0:8@box3d(-0.04,-0.06,0.13,0.04,0.03,0.36)", "left=8:12@box(0,0,0.5,1)")


@dataclass(frozen=True)
class Precision:
    """How a network computes.

    Attributes:
        half: layers' half precision, float16 or bfloat16; None for none.
        tf32: allow TF32 in matrix products and convolutions.
    """

    half: str | None = None
    tf32: bool = False


@dataclass(frozen=True)
class Family:
    """One family of networks.

    Attributes:
        make: side of the image in pixels, and arguments of half precision -> generator.
        halves: the half precisions that it has, each with the arguments that switch it on in training.
        cameras: whether its labels are cameras.
        discriminator: side of the image -> a discriminator of its images; None where it is not trained here.
        links: of a training step with links.
    """

    make: Callable[..., nn.Module]
    halves: Mapping[str, Mapping[str, Any]]
    cameras: bool = False
    discriminator: Callable[[int], nn.Module] | None = None
    links: tuple[str, ...] = FLAT

    def inputs(self, z_dim: int) -> tuple[Tensor, Tensor]:
        """Return seeded z [BATCH, z_dim] and labels [BATCH, 0 or 25] on the CPU."""
        z = torch.randn([BATCH, z_dim], generator=torch.Generator().manual_seed(1))
        return z, sample_cameras(BATCH, seed=2) if self.cameras else torch.zeros([BATCH, 0])


def image_of(generator: Any, z: Tensor, c: Tensor, **synthesis: Any) -> Tensor:
    """Return the images [N, 3, R, R] of z [N, z_dim] and c [N, c_dim]."""
    found = generator(z, c, noise_mode="const", **synthesis)
    return found["image"] if isinstance(found, dict) else found


def _width(side: int) -> dict[str, Any]:
    return {"channel_base": 16 * side, "channel_max": 32}


def _stylegan2(side: int, **half: Any) -> nn.Module:
    precision: dict[str, Any] = {"num_fp16_res": 0, "conv_clamp": None, **half}
    return StyleGAN2(W_DIM, 0, W_DIM, side, 3, mapping_kwargs={"num_layers": 2}, **_width(side), **precision)


def _stylegan3(side: int, **half: Any) -> nn.Module:
    precision: dict[str, Any] = {"num_fp16_res": 0, **half}
    layers: dict[str, Any] = {"num_layers": 6, "num_critical": 2, "margin_size": 4}
    return StyleGAN3(W_DIM, 0, W_DIM, side, 3, **layers, **_width(side), **precision)


def _eg3d(side: int, **half: Any) -> nn.Module:
    options = {**heads3d(side, 1).G, "plane_resolution": side}
    depths = dict.fromkeys(("depth_resolution", "depth_resolution_importance"), min(10, side // 2))
    options["rendering_kwargs"] = {**options["rendering_kwargs"], **depths}
    options["sr_kwargs"] = {**options["sr_kwargs"], **half.pop("sr_kwargs", {})}
    sizes: dict[str, Any] = {"mapping_kwargs": {"num_layers": 2}, "num_fp16_res": 0, "conv_clamp": None, **_width(side)}
    made = TriPlaneGenerator(W_DIM, 25, W_DIM, side, 3, **{**sizes, **options, **half})
    made.neural_rendering_resolution = side // 2 + 4  # not the head's own side, so that it is resized
    return made


def _volume(side: int) -> nn.Module:
    nose = {"axes": list(range(8)), "box": [-0.04, -0.06, 0.13, 0.04, 0.03, 0.36]}
    options = {**volume3d(side, 1).G, "plane_resolution": side, "local_planes": [nose]}
    sizes: dict[str, Any] = {"mapping_kwargs": {"num_layers": 2}, "num_fp16_res": 0, "conv_clamp": None, **_width(side)}
    made = VolumeGenerator(W_DIM, 25, W_DIM, side, 3, **sizes, **options)
    made.neural_rendering_resolution = side
    return made


def _flat_discriminator(side: int) -> nn.Module:
    return Discriminator(0, side, 3, num_fp16_res=0, conv_clamp=None, **_width(side))


def _dual_discriminator(side: int) -> nn.Module:
    return DualDiscriminator(25, side, 3, num_fp16_res=0, conv_clamp=None, disc_c_noise=0, **_width(side))


def _single_discriminator(side: int) -> nn.Module:
    return SingleDiscriminator(25, side, 3, num_fp16_res=0, conv_clamp=None, **_width(side))


def _stylegan2_half(half: str) -> dict[str, Any]:
    return {"num_fp16_res": 4, "conv_clamp": 256, "half": half}


def _eg3d_half(half: str) -> dict[str, Any]:
    return {"sr_num_fp16_res": 4, "sr_kwargs": {"half": half}}


FAMILIES = {
    "StyleGAN2": Family(
        _stylegan2,
        {half: _stylegan2_half(half) for half in ("float16", "bfloat16")},
        discriminator=_flat_discriminator,
    ),
    "StyleGAN3": Family(_stylegan3, {"float16": {"num_fp16_res": 4}}),
    "EG3D": Family(
        _eg3d,
        {half: _eg3d_half(half) for half in ("float16", "bfloat16")},
        cameras=True,
        discriminator=_dual_discriminator,
        links=SOLID,
    ),
    "EG3D volume": Family(_volume, {}, cameras=True, discriminator=_single_discriminator, links=SOLID),
}
