"""Super-resolution heads: two StyleGAN2 blocks from the rendered features to the image (EG3D, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from training_loops.errors import OptionError
from training_loops.stylegan2 import resample
from training_loops.stylegan2.generator import SynthesisBlock

_W_DIM = 512
_TAPS = (1.0, 3.0, 3.0, 1.0)
_CLAMP = 256  # of feature maps, with half precision


class SynthesisBlockNoUp(SynthesisBlock):
    """A block at the resolution of its input: x [N, in_channels, R, R] and img [N, C, R, R] keep their size."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        img_channels: int,
        is_last: bool,
        architecture: str = "skip",
        **kwargs: Any,
    ) -> None:
        if architecture == "resnet":
            raise OptionError("architecture='resnet': a block that does not upsample is 'skip' or 'orig'")
        super().__init__(
            in_channels, out_channels, w_dim, resolution, img_channels, is_last, architecture=architecture, **kwargs
        )
        if in_channels != 0:
            self.conv0.up = 1  # the parameters are the same without upsampling

    def forward(
        self,
        x: Tensor | None,
        img: Tensor | None,
        ws: Tensor,
        force_fp32: bool = False,
        fused_modconv: bool | None = None,
        update_emas: bool = False,
        **layer_kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        # Pass no image, so that none is upsampled.
        x, rgb = super().forward(x, None, ws, force_fp32, fused_modconv, update_emas, **layer_kwargs)
        return x, img if rgb is None else rgb if img is None else img + rgb


class SuperresolutionHybrid(nn.Module):
    """rgb [N, 3, R, R], features x [N, channels, R, R] and ws [N, L, w_dim] -> images [N, 3, img_resolution, ...].

    Images of any size R are resized to the head's `input_resolution` first. Only the last w is used. With
    `sr_num_fp16_res` above 0 the blocks run in half precision, with clamped feature maps.

    Args:
        sr_antialias: antialias when the rendered image is larger than the head's input.
        w_dim: for heads other than the public ones.
        widths: channels of each block, for heads other than the public ones.
        num_fp16_res: of the backbone, like the next three; passed to every head, not used.
        conv_clamp: of the backbone.
        channel_base: of the backbone.
        channel_max: of the backbone.
    """

    FACTOR: ClassVar[int] = 2  # of the image's resolution over the input's
    WIDTHS: ClassVar[tuple[int, int]] = (128, 64)
    HAS_FILTER: ClassVar[bool] = True  # whether snapshots contain one more copy of the resampling filter

    def __init__(
        self,
        channels: int,
        img_resolution: int,
        sr_num_fp16_res: int,
        sr_antialias: bool = True,
        num_fp16_res: int = 4,
        conv_clamp: float | None = None,
        channel_base: int | None = None,
        channel_max: int | None = None,
        w_dim: int = _W_DIM,
        widths: Sequence[int] | None = None,
        **block_kwargs: Any,
    ) -> None:
        super().__init__()
        if img_resolution % self.FACTOR or img_resolution < 2 * self.FACTOR:
            raise OptionError(f"img_resolution={img_resolution}: expected a multiple of {self.FACTOR} for this head")
        self.input_resolution = img_resolution // self.FACTOR
        self.sr_antialias = sr_antialias
        half = sr_num_fp16_res > 0
        common: dict[str, Any] = {
            "w_dim": w_dim,
            "img_channels": 3,
            "use_fp16": half,
            "conv_clamp": _CLAMP if half else None,
            **block_kwargs,
        }
        middle, last = self.WIDTHS if widths is None else widths
        first_block = SynthesisBlockNoUp if self.FACTOR == 2 else SynthesisBlock
        self.block0 = first_block(channels, middle, resolution=img_resolution // 2, is_last=False, **common)
        self.block1 = SynthesisBlock(middle, last, resolution=img_resolution, is_last=True, **common)
        if self.HAS_FILTER:
            self.register_buffer("resample_filter", resample.filter_buffer(_TAPS))

    def forward(self, rgb: Tensor, x: Tensor, ws: Tensor, **block_kwargs: Any) -> Tensor:
        w = ws[:, -1:].expand(-1, 3, -1)  # for two convolutions and an image output
        x, rgb = self._resized(x), self._resized(rgb)
        x, img = self.block0(x, rgb, w, **block_kwargs)
        image: Tensor = self.block1(x, img, w, **block_kwargs)[1]
        return image

    def _resized(self, x: Tensor) -> Tensor:
        size = self.input_resolution
        if x.shape[-1] == size:
            return x
        # When upsampling, antialiasing has no effect, and the plain filter is faster.
        antialias = self.sr_antialias and x.shape[-1] > size
        return F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False, antialias=antialias)


class SuperresolutionHybrid2X(SuperresolutionHybrid):
    """64 -> 128 pixels: the head of the ShapeNet cars."""


class SuperresolutionHybrid4X(SuperresolutionHybrid):
    """128 -> 256 pixels."""


class SuperresolutionHybrid8X(SuperresolutionHybrid):
    """128 -> 512 pixels; both blocks upsample."""

    FACTOR = 4


class SuperresolutionHybrid8XDC(SuperresolutionHybrid):
    """128 -> 512 pixels with twice the channels: the head of the human faces and cats."""

    FACTOR = 4
    WIDTHS = (256, 128)
    HAS_FILTER = False


class SuperresolutionHybridDeepfp32(SuperresolutionHybrid):
    """128 -> 256 pixels, without antialiasing by default."""

    def __init__(self, channels: int, img_resolution: int, sr_num_fp16_res: int, **kwargs: Any) -> None:
        super().__init__(channels, img_resolution, sr_num_fp16_res, **{"sr_antialias": False, **kwargs})


_HEADS: tuple[type[SuperresolutionHybrid], ...] = (
    SuperresolutionHybrid2X,
    SuperresolutionHybrid4X,
    SuperresolutionHybrid8X,
    SuperresolutionHybrid8XDC,
    SuperresolutionHybridDeepfp32,
)
MODULES = {f"training.superresolution.{head.__name__}": head for head in _HEADS}


def head_class(name: object) -> type[SuperresolutionHybrid]:
    """Return the head that public snapshots call `name`, without importing; raises OptionError for an unknown name."""
    if not isinstance(name, str) or name not in MODULES:
        raise OptionError(f"superresolution_module={name!r}: known are {', '.join(MODULES)}")
    return MODULES[name]
