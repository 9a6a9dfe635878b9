"""StyleGAN2 as other projects keep it: state dicts in rosinality's layout, made of networks of ours."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from training_loops.stylegan2.networks import Generator

SIZES: dict[str, Any] = {
    "z_dim": 8,
    "c_dim": 0,
    "w_dim": 8,
    "img_resolution": 32,
    "img_channels": 3,
    "channel_base": 128,
    "channel_max": 16,
    "num_fp16_res": 0,
    "conv_clamp": None,
    "mapping_kwargs": {"num_layers": 3},
}
KERNEL = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 16


def network(**changes: Any) -> Generator:
    """Return a generator of 4 to 32 pixels with 16, 16, 8 and 4 channels, and numbers in every tensor."""
    generator = Generator(**{**SIZES, **changes}).eval().requires_grad_(False)
    source = torch.Generator().manual_seed(5)
    for name, tensor in generator.state_dict().items():
        if not name.endswith("resample_filter"):
            tensor += torch.randn(tensor.shape, generator=source) * 0.3
    return generator


def rosinality(generator: Generator) -> dict[str, Tensor]:
    """Return its state dict under rosinality's names and in its shapes; w_avg has no place there."""
    ours, found = generator.state_dict(), {}
    for i in range(generator.mapping.num_layers):
        found |= {f"style.{i + 1}.{part}": ours[f"mapping.fc{i}.{part}"] for part in ("weight", "bias")}
    found["input.input"] = ours["synthesis.b4.const"][None]
    noises, layers, images = [], [], []
    for resolution in generator.synthesis.block_resolutions:
        names = ("conv1",) if resolution == 4 else ("conv0", "conv1")
        layers += [f"synthesis.b{resolution}.{name}" for name in names]
        images += [f"synthesis.b{resolution}.torgb"]
    for i, layer in enumerate(layers):
        theirs = "conv1" if i == 0 else f"convs.{i - 1}"
        found |= {
            f"{theirs}.conv.weight": ours[f"{layer}.weight"][None],
            f"{theirs}.conv.modulation.weight": ours[f"{layer}.affine.weight"],
            f"{theirs}.conv.modulation.bias": ours[f"{layer}.affine.bias"],
            f"{theirs}.noise.weight": ours[f"{layer}.noise_strength"].reshape(1),
            f"{theirs}.activate.bias": ours[f"{layer}.bias"],
        }
        found |= {f"{theirs}.conv.blur.kernel": KERNEL} if layer.endswith("conv0") else {}
        noises.append(ours[f"{layer}.noise_const"][None, None])
    for i, layer in enumerate(images):
        theirs = "to_rgb1" if i == 0 else f"to_rgbs.{i - 1}"
        found |= {
            f"{theirs}.conv.weight": ours[f"{layer}.weight"][None],
            f"{theirs}.conv.modulation.weight": ours[f"{layer}.affine.weight"],
            f"{theirs}.conv.modulation.bias": ours[f"{layer}.affine.bias"],
            f"{theirs}.bias": ours[f"{layer}.bias"].reshape(1, -1, 1, 1),
        }
        found |= {f"{theirs}.upsample.kernel": KERNEL} if i else {}
    return found | {f"noises.noise_{i}": noise for i, noise in enumerate(noises)}


def prefixed(start: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the state dict with `start` before every name."""
    return {start + name: tensor for name, tensor in state.items()}


def numbers(name: str, shape: tuple[int, ...]) -> Tensor:
    """Return numbers of mean 0 and variance 1 that follow from a tensor's name and shape alone, the same everywhere."""
    index = torch.arange(int(torch.tensor(shape).prod()), dtype=torch.float64)
    # The digits of a sine from the fifth on look random, and double precision has them right on every machine.
    digits = (torch.sin(index * 12.9898 + sum(map(ord, name)) % 97) * 43758.5453).frac() + 1
    return ((digits.frac() - 0.5) * 12**0.5).reshape(shape).float()


def golden_state(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Return the weights of the network whose images are kept, by the public names and shapes."""
    found = {name: numbers(name, tuple(shape)) for name, shape in shapes.items()}
    scale = {name: 100.0 for name in shapes if name.startswith("style.") and name.endswith("weight")}  # of rate .01
    return {name: KERNEL if name.endswith("kernel") else found[name] * scale.get(name, 1.0) for name in shapes}
