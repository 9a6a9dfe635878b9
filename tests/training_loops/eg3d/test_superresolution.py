"""Super-resolution heads: sizes, antialiasing and precision."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from training_loops.eg3d.networks import (
    SuperresolutionHybrid2X,
    SuperresolutionHybrid8XDC,
    SuperresolutionHybridDeepfp32,
    SynthesisBlockNoUp,
)
from training_loops.errors import OptionError


@pytest.mark.parametrize("make", [SuperresolutionHybrid2X, SuperresolutionHybrid8XDC])
def test_heads_take_images_of_any_size(make: Any) -> None:
    torch.manual_seed(0)
    head = make(channels=4, img_resolution=32, sr_num_fp16_res=0, w_dim=5, widths=(6, 4)).eval()
    ws = torch.randn(2, 3, 5)
    smooth = torch.linspace(-1, 1, 64).expand(2, 4, 64, 64)
    images = []
    for size in (32 // make.FACTOR, 24, 64):
        x = torch.nn.functional.interpolate(smooth, size=(size, size), mode="bilinear", antialias=True)
        images.append(head(x[:, :3], x, ws, noise_mode="none"))
    assert all(image.shape == (2, 3, 32, 32) for image in images)
    for image in images[1:]:
        # Smooth features look the same at every size, but for the edges.
        inner = (image - images[0])[..., 8:-8, 8:-8]
        assert inner.square().mean().sqrt() < 0.05 * images[0].std()
    with pytest.raises(OptionError, match=rf"expected a multiple of {make.FACTOR} for this head"):
        make(channels=4, img_resolution=make.FACTOR + 1, sr_num_fp16_res=0)


def test_antialiasing_averages_what_falls_together() -> None:
    noise = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(1))
    heads = [
        SuperresolutionHybrid2X(4, 16, 0, w_dim=5, widths=(4, 4), sr_antialias=True),
        SuperresolutionHybrid2X(4, 16, 0, w_dim=5, widths=(4, 4), sr_antialias=False),
        SuperresolutionHybridDeepfp32(4, 16, 0, w_dim=5, widths=(4, 4)),
    ]
    resized = []
    for head in heads:
        head.block0.register_forward_pre_hook(lambda _, args: resized.append(args[0].std().item()))
        head(noise[:, :3], noise, torch.zeros(1, 1, 5))
    # 4 x 4 pixels become one: a plain interpolation sees 2 x 2 of them, which halves the deviation.
    assert resized == [pytest.approx(1 / 6, rel=0.3), pytest.approx(1 / 2, rel=0.2), pytest.approx(1 / 2, rel=0.2)]


def test_half_precision_gives_the_same_image_to_its_precision() -> None:
    x, ws = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(1)), torch.ones(2, 3, 5)
    images = []
    for half, resolutions in (("bfloat16", 0), ("bfloat16", 4), ("float16", 4)):
        torch.manual_seed(0)
        head = SuperresolutionHybrid2X(4, 32, resolutions, w_dim=5, widths=(8, 6), half=half)
        assert head.block0.use_fp16 is (resolutions > 0)
        assert head.block1.conv1.conv_clamp == (256 if resolutions else None)
        images.append(head(x[:, :3], x, ws, noise_mode="none"))
    full, half, single = images
    assert half.dtype == torch.float32
    assert 1e-4 < (half - full).square().mean().sqrt() / full.std() < 0.03
    assert torch.equal(single, full), "float16 is for GPUs"


def test_a_block_that_keeps_the_size_is_no_resnet() -> None:
    torch.manual_seed(0)
    block = SynthesisBlockNoUp(4, 6, w_dim=5, resolution=8, img_channels=3, is_last=False)
    x, img = block(torch.randn(2, 4, 8, 8), torch.zeros(2, 3, 8, 8), torch.randn(2, 3, 5))
    assert (x.shape, img.shape) == ((2, 6, 8, 8), (2, 3, 8, 8))
    with pytest.raises(OptionError, match="a block that does not upsample is 'skip' or 'orig'"):
        SynthesisBlockNoUp(4, 6, w_dim=5, resolution=8, img_channels=3, is_last=False, architecture="resnet")
