"""The GAN loss of the eg3d dialect: cameras, swapped pose conditioning, a schedule of rendering resolutions."""

import torch
from torch_utils import training_stats  # noqa: F401 (reporters are looked for here)
from training.layers import resized
from training.terms import Terms


class StyleGAN2Loss(Terms):
    def __init__(
        self, device, G, D, gpc_reg_prob=None, gpc_reg_fade_kimg=1000, augment_pipe=None, r1_gamma=10, **resolution
    ):
        super().__init__(device, D, augment_pipe, r1_gamma)
        self.G, self.gpc_reg_prob, self.gpc_reg_fade_kimg = G, gpc_reg_prob, gpc_reg_fade_kimg
        self.resolution = {name.rpartition("resolution_")[2]: value for name, value in resolution.items()}
        self.images = 0

    def accumulate_gradients(self, phase, real_img, real_c, gen_z, gen_c, gain, cur_nimg):
        self.images = cur_nimg
        self.train(phase, real_img, real_c, gen_z, gen_c, gain)

    def faded(self, first, last, kimg):
        share = min(1, self.images / (1000 * kimg)) if kimg else 1
        return first + (last - first) * share

    @property
    def size(self):
        """What rays are rendered at now."""
        first, last = self.resolution["initial"], self.resolution.get("final")
        return round(self.faded(first, last or first, self.resolution.get("fade_kimg")))

    def map(self, z, c, update_emas=False):
        """Map z with each row's own camera, or with some probability another row's; without poses, with none."""
        if self.gpc_reg_prob is None:
            return self.G.mapping(z, c * 0, update_emas=update_emas)
        other = torch.rand(len(c), 1, device=c.device) < self.faded(1, self.gpc_reg_prob, self.gpc_reg_fade_kimg)
        return self.G.mapping(z, torch.where(other, c.roll(1, dims=0), c), update_emas=update_emas)

    def render(self, z, c, for_D=False):
        ws = self.map(z, c, for_D)
        return self.G.synthesis(ws, c, neural_rendering_resolution=self.size, update_emas=for_D), ws

    def judge(self, img, c, for_D=False, last=False):
        if self.augment_pipe:
            img = {**img, "image": self.augment_pipe(img["image"])}
        return self.D(img, c, update_emas=for_D)

    def seen(self, images):
        return [images, resized(images, self.size)]

    def shown(self, parts):
        return dict(zip(("image", "image_raw"), parts, strict=True))

    def regularize(self, z, c, gain):
        """Density must change little over small distances."""
        options, ws = self.G.rendering_kwargs, self.map(z, c)
        here = 2 * torch.rand(len(ws), 50, 3, device=ws.device) - 1
        there = torch.normal(here, options["density_reg_p_dist"])
        sigma = self.G.sample_mixed(torch.cat([here, there], 1), None, ws)["sigma"]
        steps = sigma[:, :50] - sigma[:, 50:]
        self.descend("Loss/G/reg", options["density_reg"] * steps.abs(), gain)
