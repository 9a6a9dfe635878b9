"""The networks of StyleMapGAN: a generator that owns its encoder; the discriminator is StyleGAN2's.

"Exploiting Spatial Dimensions of Latent in GAN for Real-time Image Editing", Kim, Choi, Kim, Choi and Ha, CVPR 2021.
The latent is a stylemap w [C, s, s]. Each layer modulates its features with the stylemap at its own resolution,
h' = gamma(w) (h - mu) / sigma + beta(w), differently for each pixel; there are no noise inputs. To all other code w is
one vector of C s^2 axes, cell by cell, so the axes of a cell are consecutive.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from training_loops.errors import OptionError
from training_loops.generators import StyleGenerator
from training_loops.stylegan2 import ops
from training_loops.stylegan2.discriminator import Discriminator, DiscriminatorBlock
from training_loops.stylegan2.generator import block_resolutions
from training_loops.stylegan2.layers import Conv2dLayer, MappingNetwork
from training_loops.stylemap.layers import StylemapResizer, SynthesisBlock, stylemap_channels, to_map, to_ws

__all__ = ["Discriminator", "Encoder", "Generator", "SynthesisNetwork"]


class SynthesisNetwork(nn.Module):
    """ws [N, 1, w_dim] -> images [N, img_channels, R, R].

    A block of resolution r has ``min(channel_base // r, channel_max)`` channels, and its stylemap at most C of them.

    Args:
        w_dim: C s^2.
        img_resolution: R, a power of two.
        img_channels: 3 for colour.
        stylemap_size: s, a power of two from 4 to R.
        channel_base: see above.
        channel_max: see above.
        use_noise: must be false.
        num_fp16_res: must be 0; the features are normalized in single precision.
        conv_clamp: must be None.
    Raises:
        OptionError: an option that has no meaning here, or a stylemap that does not fit; names it.
    """

    num_ws = 1

    def __init__(
        self,
        w_dim: int,
        img_resolution: int,
        img_channels: int,
        stylemap_size: int = 8,
        channel_base: int = 32768,
        channel_max: int = 512,
        use_noise: bool = False,
        num_fp16_res: int = 0,
        conv_clamp: float | None = None,
        half: str = "float16",
    ) -> None:
        super().__init__()
        resolutions = block_resolutions(img_resolution)
        if stylemap_size not in resolutions:
            raise OptionError(f"stylemap_size={stylemap_size}: expected one of {', '.join(map(str, resolutions))}")
        if use_noise or num_fp16_res or conv_clamp is not None:
            given = f"use_noise={use_noise}, num_fp16_res={num_fp16_res}, conv_clamp={conv_clamp}"
            raise OptionError(f"{given}: a stylemap generator has no noise inputs and trains in single precision")
        self.w_dim = w_dim
        self.img_resolution = img_resolution
        self.img_channels = img_channels
        self.stylemap_size = stylemap_size
        self.resolutions = resolutions
        self.channels = {res: min(channel_base // res, channel_max) for res in resolutions}
        style = stylemap_channels(w_dim, stylemap_size)
        widths = {res: min(style, width) for res, width in self.channels.items()}
        self.resizer = StylemapResizer(style, stylemap_size, widths)
        self.blocks = nn.ModuleList(
            SynthesisBlock(self.channels.get(res // 2, 0), self.channels[res], widths[res], res) for res in resolutions
        )
        self.torgb = Conv2dLayer(self.channels[img_resolution], img_channels, kernel_size=1)

    def forward(
        self, ws: Tensor, noise_mode: str = "const", force_fp32: bool = False, update_emas: bool = False
    ) -> Tensor:
        """ws [N, 1, w_dim] -> images [N, img_channels, R, R]; the other arguments are StyleGAN2's, without effect."""
        if ws.ndim != 3 or ws.shape[1:] != (self.num_ws, self.w_dim):
            raise ValueError(f"ws: got {list(ws.shape)}, expected [N, {self.num_ws}, {self.w_dim}]")
        stylemaps = self.resizer(to_map(ws.to(self.torgb.weight.dtype), self.stylemap_size))
        x = None
        for res, block in zip(self.resolutions, self.blocks, strict=True):
            x = block(x, stylemaps[res])
        return self.torgb(x)

    def extra_repr(self) -> str:
        return f"w_dim={self.w_dim}, stylemap_size={self.stylemap_size}, img_resolution={self.img_resolution}"


class Encoder(nn.Module):
    """Images [N, img_channels, R, R] in [-1, 1] -> ws [N, 1, w_dim]: residual blocks down to s x s cells.

    Args:
        w_dim: C s^2.
        img_channels: 3 for colour.
        stylemap_size: s.
        channels: resolution -> features, from 4 to R by factors of 2.
    """

    def __init__(self, w_dim: int, img_channels: int, stylemap_size: int, channels: dict[int, int]) -> None:
        super().__init__()
        self.img_resolution = max(channels)
        first = self.img_resolution == stylemap_size
        self.fromrgb = Conv2dLayer(img_channels, channels[stylemap_size], 1, activation="lrelu") if first else None
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(
                0 if res == self.img_resolution else channels[res],
                channels[res],
                channels[res // 2],
                resolution=res,
                img_channels=img_channels,
                first_layer_idx=0,
            )
            for res in sorted(channels, reverse=True)
            if res > stylemap_size
        )
        self.conv = Conv2dLayer(channels[stylemap_size], channels[stylemap_size], 3, activation="lrelu")
        self.out = Conv2dLayer(channels[stylemap_size], stylemap_channels(w_dim, stylemap_size), kernel_size=1)

    def forward(self, images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=ops.memory_format(images.device, False))
        x: Tensor | None = None if self.fromrgb is None else self.fromrgb(images)
        rgb: Tensor | None = images
        for block in self.blocks:
            x, rgb = block(x, rgb)
        return to_ws(self.out(self.conv(x)))


class Generator(StyleGenerator):
    """The mapping F, the synthesis G and the encoder E; the arguments are those of `SynthesisNetwork`.

    The encoder is a part of the generator: it is optimized, averaged, saved and resumed with it.
    """

    mapping_class = MappingNetwork
    synthesis_class = SynthesisNetwork

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        synthesis: Any = self.synthesis
        self.stylemap_size: int = synthesis.stylemap_size
        self.encoder = Encoder(self.w_dim, self.img_channels, self.stylemap_size, synthesis.channels)
