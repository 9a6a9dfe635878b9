"""The GAN loss of the stylegan2-ada-pytorch dialect: G in two halves, DDP told by `sync` when to add up gradients."""

import torch
from torch_utils import misc, training_stats  # noqa: F401 (reporters are looked for here)
from training.terms import Terms


class StyleGAN2Loss(Terms):
    def __init__(self, device, G_mapping, G_synthesis, D, style_mixing_prob=0.9, pl_weight=2, **others):
        super().__init__(device, D, style_mixing_prob=style_mixing_prob, pl_weight=pl_weight, **others)
        self.G_mapping, self.G_synthesis, self.sync = G_mapping, G_synthesis, True

    def accumulate_gradients(self, phase, real_img, real_c, gen_z, gen_c, sync, gain):
        self.sync = sync
        self.train(phase, real_img, real_c, gen_z, gen_c, gain)

    def call(self, part, counts, *args, **kwargs):
        """Call a part of the networks; its gradients are added up over ranks if this call `counts`."""
        with misc.ddp_sync(part, self.sync and counts):
            return part(*args, **kwargs)

    def render(self, z, c, for_D=False):
        ws = self.call(self.G_mapping, not for_D, z, c)
        ws = self.mixed(
            ws, lambda: self.call(self.G_mapping, not for_D, torch.randn_like(z), c, skip_w_avg_update=True)
        )
        return self.call(self.G_synthesis, not for_D, ws), ws

    def judge(self, img, c, for_D=False, last=False):
        return self.call(self.D, last, self.augment_pipe(img) if self.augment_pipe else img, c)
