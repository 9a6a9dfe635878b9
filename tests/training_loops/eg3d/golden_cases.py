"""The networks and calls whose outputs by the public EG3D code are kept in golden_eg3d.npz.

The classes come from outside, so that the same lines run the public ones (see host_outputs.py) and ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.training_loops.stylegan2.filled import fill, wave

Z_DIM, W_DIM, LABELS = 8, 512, 25  # the public heads know no other w_dim

_SHARED = {
    "clamp_mode": "softplus",
    "disparity_space_sampling": False,
    "c_gen_conditioning_zero": True,
    "c_scale": 1,
    "superresolution_noise_mode": "none",
    "decoder_lr_mul": 1,
    "sr_antialias": True,
}
_FACES = {**_SHARED, "depth_resolution": 6, "depth_resolution_importance": 6, "box_warp": 1}
_FACES |= {"ray_start": 2.25, "ray_end": 3.3}
_CARS = {**_FACES, "ray_start": 0.1, "ray_end": 2.6, "box_warp": 1.6, "white_back": True}

_WIDTHS = {"channel_base": 512, "channel_max": 8}
_NARROW = {**_WIDTHS, "num_fp16_res": 0, "mapping_kwargs": {"num_layers": 2}}

# name: rendering options, head, resolution, camera's distance, sides of rendered images
GENERATORS: dict[str, tuple[dict[str, Any], str, int, float, list[int]]] = {
    "faces": ({**_FACES, "decoder_lr_mul": 0.5}, "4X", 256, 2.7, [12]),
    "cars": ({**_CARS, "superresolution_noise_mode": "const"}, "2X", 128, 1.7, [20, 72]),
    "posed": (
        {**_FACES, "c_gen_conditioning_zero": False, "c_scale": 0.5, "sr_antialias": False},
        "2X",
        128,
        2.7,
        [72],
    ),
    "cube": (
        {**_FACES, "ray_start": "auto", "ray_end": "auto", "box_warp": 0.3, "density_noise": 0.5},
        "2X",
        128,
        2.7,
        [20],
    ),
    "one pass": ({**_FACES, "depth_resolution_importance": 0, "disparity_space_sampling": True}, "2X", 128, 2.7, [20]),
}
HEADS = {"2X": 128, "4X": 256, "8X": 512, "8XDC": 512, "Deepfp32": 256}
DISCRIMINATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "dual": ("DualDiscriminator", {"disc_c_noise": 0.7}),
    "single": ("SingleDiscriminator", {"sr_upsample_factor": 2}),
    "fading": ("DummyDualDiscriminator", {}),
}
RESIZINGS: list[tuple[str | float, int]] = [("antialiased", 6), ("classic", 10), ("none", 20), (0.3, 6)]


def generator_kwargs(name: str) -> dict[str, Any]:
    """Constructor arguments of a generator."""
    rendering, head, resolution, _, _ = GENERATORS[name]
    rendering = {**rendering, "superresolution_module": module_name(head)}
    dims = {"z_dim": Z_DIM, "c_dim": LABELS, "w_dim": W_DIM, "img_resolution": resolution, "img_channels": 3}
    return {**dims, "rendering_kwargs": rendering, "sr_kwargs": dict(_WIDTHS), **_NARROW}


def head_kwargs(name: str) -> dict[str, Any]:
    """Constructor arguments of a super-resolution head."""
    antialias = {} if name == "Deepfp32" else {"sr_antialias": True}  # the public class takes none
    return {"channels": 32, "img_resolution": HEADS[name], "sr_num_fp16_res": 0, **antialias, **_WIDTHS}


def discriminator_kwargs(name: str, c_dim: int) -> dict[str, Any]:
    """Constructor arguments of a discriminator."""
    return {"c_dim": c_dim, "img_resolution": 16, "img_channels": 3, **_NARROW, **DISCRIMINATORS[name][1]}


def module_name(head: str) -> str:
    """The class of a head, as `rendering_kwargs` names it."""
    hybrid = "SuperresolutionHybrid"
    return f"training.superresolution.{hybrid}{head}"


def labels(count: int, radius: float) -> Tensor:
    """Cameras [count, 25] at `radius`, each from another side and a little turned, that see the cube."""
    rows = []
    for i in range(count):
        turn, lift = 0.5 * i - 0.3, 0.2 * i
        forward = np.array([np.sin(turn) * np.cos(lift), -np.sin(lift), -np.cos(turn) * np.cos(lift)])
        right = np.array([np.cos(turn), 0, np.sin(turn)])
        pose = np.eye(4)
        pose[:3] = np.stack([right, np.cross(forward, right), forward, -radius * forward], axis=1)
        rows.append([*pose.ravel(), 4.2, 0, 0.5, 0, 4.2, 0.5, 0, 0, 1])
    return torch.tensor(rows, dtype=torch.float32)


def generator_outputs(make: Callable[..., Any], name: str) -> Iterator[tuple[str, Tensor]]:
    """What is compared of a generator that `make` builds: w, images, and features at points."""
    G = filled(make(**generator_kwargs(name)))
    radius, sides = GENERATORS[name][3:]
    z, c = torch.from_numpy(wave((2, Z_DIM), 0.1)), labels(2, radius)
    for psi, cutoff in ((1, None), (0.7, 5)):
        yield f"w {psi}", G.mapping(z, c, truncation_psi=psi, truncation_cutoff=cutoff)[:, [0, -1], ::16]
    for side in sides:
        torch.manual_seed(side)
        for key, value in G(z, c, 0.7, neural_rendering_resolution=side, noise_mode="const").items():
            yield f"{key} {side}", value[..., ::16, ::11] if key == "image" else value[..., ::3, ::4]
    points, directions = (torch.from_numpy(wave((2, 25, 3), phase)) * 0.3 for phase in (0.4, 0.9))
    torch.manual_seed(0)
    for key, value in G.sample(points, directions, z, c, 0.7, noise_mode="none").items():
        yield f"points {key}", value[..., ::4]


def head_outputs(make: Callable[..., Any], name: str) -> Iterator[tuple[str, Tensor]]:
    """What is compared of a super-resolution head: its image."""
    head = filled(make(**head_kwargs(name)))
    features, ws = torch.from_numpy(wave((1, 32, 40, 40), 0.3)), torch.from_numpy(wave((1, 14, W_DIM), 0.6))
    yield "image", head(features[:, :3].clone(), features, ws, noise_mode="const")[..., ::32, ::37]


def discriminator_outputs(make: Callable[..., Any], name: str, c_dim: int) -> Iterator[tuple[str, Tensor]]:
    """What is compared of a discriminator: the logits of two calls, since those of one class fade."""
    D = filled(make(**discriminator_kwargs(name, c_dim)))
    images = {"image": torch.from_numpy(wave((4, 3, 16, 16), 0.3))}
    images["image_raw"] = torch.from_numpy(wave((4, 3, 12, 12), 0.8))
    for call in range(2):
        torch.manual_seed(call)
        yield f"logits {call}", D(dict(images), torch.from_numpy(wave((4, c_dim), 0.2)))
        if hasattr(D, "raw_fade"):
            D.raw_fade = 0.4


def resizing_outputs(resize: Callable[..., Tensor]) -> Iterator[tuple[str, Tensor]]:
    """What is compared of `filtered_resizing`: images in every mode."""
    f = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64
    for mode, size in RESIZINGS:
        yield f"{mode} {size}", resize(torch.from_numpy(wave((2, 3, 12, 12), 0.5)), size=size, f=f, filter_mode=mode)


def filled(net: Any) -> Any:
    """Fill the weights; a generator's volume gets contrast, and stops much of the light but not all."""
    net.eval().requires_grad_(False)
    fill(net)
    if hasattr(net, "decoder"):
        net.decoder.net[0].weight.mul_(1.5)
        net.decoder.net[2].weight.mul_(2)
        net.decoder.net[2].bias[0] += 2
    return net


def names(net: nn.Module) -> dict[str, dict[str, list[int]]]:
    """Names and shapes of the tensors, in their order."""
    kinds = {"parameters": net.named_parameters(), "buffers": net.named_buffers()}
    return {kind: {name: list(tensor.shape) for name, tensor in tensors} for kind, tensors in kinds.items()}
