"""The EG3D loss: images of posed cameras, and a discriminator of rendered and super-resolved images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training_loops import training_stats
from training_loops.eg3d.blur import blurred
from training_loops.eg3d.dual_discriminator import filtered_resizing
from training_loops.errors import OptionError
from training_loops.loss import LogisticLoss
from training_loops.stylegan2 import resample

_TAPS = (1.0, 3.0, 3.0, 1.0)
_POINTS = 1000  # of each volume, at which its density is regularized


@dataclass(eq=False, repr=False)
class EG3DLoss(LogisticLoss):
    """Chan et al. 2022, "Efficient Geometry-aware 3D Generative Adversarial Networks", sections 3.4 and 4.

    Adds, every `G_reg_interval` steps, the total variation of density to the logistic loss and R1: the mean
    |sigma(x) - sigma(x + d)| at random points x of the cube that the tri-planes cover, d small and normal. Its weight
    `density_reg`, the standard deviation `density_reg_p_dist` of d and the kind `reg_type`, which is 'l1', are in the
    generator's `rendering_kwargs`, as in public snapshots; weight 0 or none disables it.

    Args:
        pl_weight: must be 0; the path length penalty is not supported.
        gpc_reg_prob: generator pose conditioning: the probability that the mapping network is conditioned on another
            image's camera; it falls linearly from 1 over the first `gpc_reg_fade_kimg`. None: it is conditioned on
            zeros.
        neural_rendering_resolution_initial: side of the rendered image at the start.
        neural_rendering_resolution_final: its side at the end, reached linearly over
            `neural_rendering_resolution_fade_kimg`; None keeps the initial one.
        dual_discrimination: D also gets the rendered image, and R1 penalizes its gradient.
        filter_mode: resizing of real images to the rendered size; see `filtered_resizing`.
        blur_init_sigma: blur of D's images in pixels at the start (see `blurred`), decreasing linearly to 0 at
            `blur_fade_kimg`; the rendered image is blurred by the same share of its width.
    """

    pl_weight: float = 0
    gpc_reg_prob: float | None = None
    gpc_reg_fade_kimg: float = 1000
    neural_rendering_resolution_initial: int = 64
    neural_rendering_resolution_final: int | None = None
    neural_rendering_resolution_fade_kimg: float = 1000
    dual_discrimination: bool = True
    filter_mode: str | float = "antialiased"
    blur_init_sigma: float = 0
    blur_fade_kimg: float = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check()
        self.resolutions = (
            self.neural_rendering_resolution_initial,
            self.neural_rendering_resolution_final or self.neural_rendering_resolution_initial,
        )
        self.seen = ("image", "image_raw") if self.dual_discrimination else ("image",)
        self._resize_filter = resample.filter_buffer(_TAPS).to(self.device)
        self.cur_nimg = 0
        # Images rendered before the first step then have the resolution of the first step.
        self.G.neural_rendering_resolution = self.neural_rendering_resolution

    def _check(self) -> None:
        if self.pl_weight != 0:
            raise OptionError(
                f"pl_weight={self.pl_weight:g}: expected 0, EG3D generators are trained without path length"
            )
        if self.gpc_reg_prob is not None and not 0 <= self.gpc_reg_prob <= 1:
            raise OptionError(f"gpc_reg_prob={self.gpc_reg_prob:g}: expected a probability, or none")
        sides = {self.neural_rendering_resolution_initial, self.neural_rendering_resolution_final}
        if self.G.superresolution is None and not sides <= {self.G.img_resolution, None}:
            raise OptionError(
                f"neural_res={self.neural_rendering_resolution_initial}: this generator has no super-resolution; "
                f"expected the resolution of the images, {self.G.img_resolution}"
            )
        kind = self.G.rendering_kwargs.get("reg_type", "l1")
        if kind != "l1":
            raise OptionError(f"rendering_kwargs: reg_type={kind!r}: expected 'l1'")

    @property
    def swapping_prob(self) -> float:
        """The current probability that the mapping network gets another image's camera, 0 where it gets none."""
        if self.gpc_reg_prob is None:
            return 0.0
        # p(t) = 1 + (p - 1) t, t the elapsed share of the fade
        return 1 + (self.gpc_reg_prob - 1) * self._elapsed(self.gpc_reg_fade_kimg)

    @property
    def neural_rendering_resolution(self) -> int:
        """The current side of the rendered image."""
        first, last = self.resolutions
        return round(first + (last - first) * self._elapsed(self.neural_rendering_resolution_fade_kimg))

    @property
    def blur_sigma(self) -> float:
        """The current blur of D's images, in pixels."""
        return self.blur_init_sigma * (1 - self._elapsed(self.blur_fade_kimg))

    def accumulate_gradients(
        self, phase: str, real_img: Tensor, real_c: Tensor, gen_z: Tensor, gen_c: Tensor, gain: float, cur_nimg: int
    ) -> None:
        self.cur_nimg = cur_nimg
        super().accumulate_gradients(phase, real_img, real_c, gen_z, gen_c, gain, cur_nimg)

    def conditioning(self, c: Tensor) -> Tensor:
        """Rendered cameras c [N, c_dim] -> cameras that the mapping network is conditioned on."""
        if self.gpc_reg_prob is None:
            return torch.zeros_like(c)
        # With probability p(t) the camera of another image of the batch, which is independent of this one's.
        swapped = torch.rand([len(c), 1], device=c.device) < self.swapping_prob
        return torch.where(swapped, c.roll(1, dims=0), c)

    def run_G(self, z: Tensor, c: Tensor, update_emas: bool = False) -> tuple[dict[str, Tensor], Tensor]:
        """z [N, z_dim], cameras c [N, 25] -> the images of `TriPlaneGenerator.synthesis`, ws [N, num_ws, w_dim]."""
        ws = self.mapped(z, self.conditioning(c), update_emas)
        size = self.neural_rendering_resolution
        return self.G.synthesis(ws, c, neural_rendering_resolution=size, update_emas=update_emas), ws

    def run_D(self, img: dict[str, Tensor], c: Tensor, update_emas: bool = False) -> Tensor:
        """Images image [N, 3, R, R] and image_raw [N, 3, H, H], cameras c [N, 25] -> logits [N, 1]."""
        width = img["image"].shape[-1]
        shown = {name: blurred(img[name], self.blur_sigma * img[name].shape[-1] / width) for name in self.seen}
        if self.augment_pipe is not None:
            shown = self._augmented(shown)
        return self.D(shown, c, update_emas=update_emas)

    def _augmented(self, shown: dict[str, Tensor]) -> dict[str, Tensor]:
        """Augment all images of one object in the same way, as channels of one image."""
        sizes = [image.shape[-1] for image in shown.values()]
        together = self.augment_pipe(torch.cat([_resized(image, sizes[0]) for image in shown.values()], dim=1))
        parts = together.chunk(len(sizes), dim=1)
        return {name: _resized(part, size) for name, part, size in zip(shown, parts, sizes, strict=True)}

    def images_of(self, real_img: Tensor) -> dict[str, Tensor]:
        """Real images [N, 3, R, R] -> the same and, with dual discrimination, at the rendered resolution."""
        image = real_img.detach()
        size = self.neural_rendering_resolution
        raw = filtered_resizing(image, size, self._resize_filter.to(image), self.filter_mode)
        return {name: {"image": image, "image_raw": raw}[name] for name in self.seen}

    def regularize_G(self, gen_z: Tensor, gen_c: Tensor, gain: float) -> None:
        """Add the gradients of the total variation of density, for gen_z [N, z_dim] and gen_c [N, c_dim]."""
        options = self.G.rendering_kwargs
        weight = options.get("density_reg", 0)
        if weight == 0:
            return
        # E_{x,d} |sigma(x) - sigma(x + d)|, x uniform in the cube, d normal and small
        ws = self.mapped(gen_z, self.conditioning(gen_c))
        points = (torch.rand([len(ws), _POINTS, 3], device=ws.device, dtype=ws.dtype) - 0.5) * options["box_warp"]
        near = points + torch.randn_like(points) * options["density_reg_p_dist"]
        both = torch.cat([points, near], dim=1)
        sigma = self.G.sample_mixed(both, torch.zeros_like(both), ws)["sigma"]  # the direction has no effect
        first, second = sigma.chunk(2, dim=1)
        loss = training_stats.report("Loss/G/reg", (first - second).abs().mean(dim=[1, 2]) * weight)
        loss.mean().mul(gain).backward()

    def _elapsed(self, kimg: float) -> float:
        """Return the elapsed share of the first `kimg`, 0 to 1."""
        return min(self.cur_nimg / (kimg * 1000), 1.0) if kimg > 0 else 1.0


def _resized(images: Tensor, size: int) -> Tensor:
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
