"""The GAN loss of the stylegan3 dialect: one G, `cur_nimg`, moving averages updated in D's step."""

import torch
from torch_utils import training_stats  # noqa: F401 (reporters are looked for here)
from training.terms import Terms


class StyleGAN2Loss(Terms):
    def __init__(self, device, G, D, **others):
        super().__init__(device, D, **others)
        self.G = G

    def accumulate_gradients(self, phase, real_img, real_c, gen_z, gen_c, gain, cur_nimg):
        self.train(phase, real_img, real_c, gen_z, gen_c, gain)

    def render(self, z, c, for_D=False):
        ws = self.mixed(
            self.G.mapping(z, c, update_emas=for_D),
            lambda: self.G.mapping(torch.randn_like(z), c, update_emas=False),
        )
        return self.G.synthesis(ws, update_emas=for_D), ws

    def judge(self, img, c, for_D=False, last=False):
        return self.D(self.augment_pipe(img) if self.augment_pipe else img, c, update_emas=for_D)
