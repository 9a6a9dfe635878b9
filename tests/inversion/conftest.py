"""A small StyleGAN2 of random weights whose images depend on all that can be projected."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from training_loops.stylegan2.networks import Generator


def small_generator(c_dim: int = 0, **kwargs: object) -> Generator:
    """Return a StyleGAN2 of 16 pixels with noise, in eval mode and without gradients; the same every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = {"z_dim": 8, "c_dim": c_dim, "w_dim": 8, "img_resolution": 16, "img_channels": 3}
        mapping = {"num_layers": 2, "lr_multiplier": 1}
        generator = Generator(**sizes, channel_base=128, channel_max=8, mapping_kwargs=mapping, **kwargs)
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            nn.init.constant_(parameter, 0.1)
    return generator.eval().requires_grad_(False)


@pytest.fixture
def generator() -> Generator:
    """`small_generator` without classes."""
    return small_generator()


def with_broken_chunk(png: bytes) -> bytes:
    """A PNG with half of its pixels, then a chunk whose name is no name, which Pillow tells by a SyntaxError."""
    place = png.index(b"IDAT")
    half = int.from_bytes(png[place - 4 : place], "big") // 2
    return png[: place - 4] + half.to_bytes(4, "big") + png[place : place + 4 + half] + bytes(8) + b"\xf1'\x9c\x06"
