"""Discriminators of the final image together with the rendered image (EG3D, section 3.4)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from training_loops.errors import OptionError
from training_loops.stylegan2 import resample
from training_loops.stylegan2.discriminator import Discriminator

_TAPS = (1.0, 3.0, 3.0, 1.0)
_FADED_AFTER = 500_000 / 32  # calls


def filtered_resizing(
    image_orig_tensor: Tensor, size: int, f: Tensor, filter_mode: str | float = "antialiased"
) -> Tensor:
    """Resize images [N, C, H, W] to [N, C, size, size].

    Args:
        f: the filter of mode 'classic', [k, k] with sum 1.
        filter_mode: 'antialiased' and 'none' interpolate with and without antialiasing; a number between 0 and 1 mixes
            them, 'none' at 0. 'classic' upsamples by 2 with `f`, interpolates, and downsamples by 2 with `f`.
    Raises:
        OptionError: an unknown mode.
    """
    if filter_mode == "antialiased":
        return _interpolated(image_orig_tensor, size, antialias=True)
    if filter_mode == "none":
        return _interpolated(image_orig_tensor, size)
    if filter_mode == "classic":
        doubled = resample.upsample2d(image_orig_tensor, resample.parse_taps(f.cpu()))
        # Extra pixels on each side for the filter.
        wide = _interpolated(doubled, 2 * size + f.shape[0] - 2)
        kernel = f.to(wide).expand(wide.shape[1], 1, *f.shape)
        return F.conv2d(wide, kernel, stride=2, groups=wide.shape[1])
    if isinstance(filter_mode, float) and 0 < filter_mode < 1:
        plain = _interpolated(image_orig_tensor, size)
        return plain.lerp(_interpolated(image_orig_tensor, size, antialias=True), filter_mode)
    raise OptionError(
        f"filter_mode={filter_mode!r}: known are 'antialiased', 'classic', 'none' and numbers between 0 and 1"
    )


class SingleDiscriminator(Discriminator):
    """{'image': [N, img_channels, R, R]}, c [N, c_dim] -> logits [N, 1]; StyleGAN2's, of the final image only."""

    def __init__(
        self, c_dim: int, img_resolution: int, img_channels: int, sr_upsample_factor: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(c_dim, img_resolution, img_channels, **kwargs)
        # The factor has no effect; the public class has this argument.
        self.init_kwargs["sr_upsample_factor"] = sr_upsample_factor

    def forward(  # type: ignore[override]  # EG3D's images come as a dictionary
        self, img: dict[str, Tensor], c: Tensor | None, update_emas: bool = False, **block_kwargs: Any
    ) -> Tensor:
        return super().forward(img["image"], c, update_emas, **block_kwargs)


class _PairDiscriminator(Discriminator):
    """{'image': [N, C, R, R], 'image_raw': [N, C, H, H]}, c -> logits [N, 1] of both, the second upsampled."""

    resample_filter: Tensor

    def __init__(self, c_dim: int, img_resolution: int, img_channels: int, **kwargs: Any) -> None:
        super().__init__(c_dim, img_resolution, 2 * img_channels, **kwargs)
        self.init_kwargs["img_channels"] = img_channels
        self.register_buffer("resample_filter", resample.filter_buffer(_TAPS))

    def _logits(self, img: dict[str, Tensor], raw_share: float, c: Tensor | None, **kwargs: Any) -> Tensor:
        image = img["image"]
        raw = filtered_resizing(img["image_raw"], size=image.shape[-1], f=self.resample_filter)
        return super().forward(torch.cat([image, raw if raw_share == 1 else raw * raw_share], dim=1), c, **kwargs)


class DualDiscriminator(_PairDiscriminator):
    """{'image': [N, C, R, R], 'image_raw': [N, C, H, H]}, c [N, c_dim] -> logits [N, 1]; positive means real.

    Comparing both images keeps the super-resolution consistent with the rendered image.

    Args:
        disc_c_noise: noise on the labels, in standard deviations of the batch's labels, to keep the discriminator from
            memorizing the training poses; a batch of one label gets none.
    """

    def __init__(
        self, c_dim: int, img_resolution: int, img_channels: int, disc_c_noise: float = 0, **kwargs: Any
    ) -> None:
        super().__init__(c_dim, img_resolution, img_channels, **kwargs)
        self.init_kwargs["disc_c_noise"] = disc_c_noise
        self.disc_c_noise = disc_c_noise

    def forward(  # type: ignore[override]  # EG3D's images come as a dictionary
        self, img: dict[str, Tensor], c: Tensor | None, update_emas: bool = False, **block_kwargs: Any
    ) -> Tensor:
        if self.disc_c_noise > 0 and self.c_dim > 0 and c is not None and len(c) > 1:
            c = c + torch.randn_like(c) * c.std(dim=0) * self.disc_c_noise
        return self._logits(img, 1, c, update_emas=update_emas, **block_kwargs)


class DummyDualDiscriminator(_PairDiscriminator):
    """A dual discriminator whose rendered image is faded a little more with each call, down to 0."""

    def __init__(self, c_dim: int, img_resolution: int, img_channels: int, **kwargs: Any) -> None:
        super().__init__(c_dim, img_resolution, img_channels, **kwargs)
        self.raw_fade = 1.0

    def forward(  # type: ignore[override]  # EG3D's images come as a dictionary
        self, img: dict[str, Tensor], c: Tensor | None, update_emas: bool = False, **block_kwargs: Any
    ) -> Tensor:
        self.raw_fade = max(0.0, self.raw_fade - 1 / _FADED_AFTER)
        return self._logits(img, self.raw_fade, c, update_emas=update_emas, **block_kwargs)


def _interpolated(images: Tensor, size: int, antialias: bool = False) -> Tensor:
    return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False, antialias=antialias)
