"""The GAN loss of the stylegan3 dialect: one G, `cur_nimg`, moving averages updated in D's step."""

import torch
from torch_utils import training_stats
from torch_utils.ops import conv2d_gradfix  # noqa: F401


class StyleGAN2Loss:
    def __init__(self, device, G, D, augment_pipe=None, r1_gamma=10, style_mixing_prob=0, pl_weight=0, pl_decay=0.01):
        self.device, self.G, self.D, self.augment_pipe = device, G, D, augment_pipe
        self.r1_gamma, self.style_mixing_prob = r1_gamma, style_mixing_prob
        self.pl_weight, self.pl_decay, self.pl_mean = pl_weight, pl_decay, torch.zeros([], device=device)

    def run_G(self, z, c, update_emas=False):
        ws = self.G.mapping(z, c, update_emas=update_emas)
        if self.style_mixing_prob > 0:
            cutoff = torch.empty([], dtype=torch.int64).random_(1, ws.shape[1])
            if torch.rand([]) < self.style_mixing_prob:
                ws[:, cutoff:] = self.G.mapping(torch.randn_like(z), c, update_emas=False)[:, cutoff:]
        return self.G.synthesis(ws, update_emas=update_emas), ws

    def run_D(self, img, c, update_emas=False):
        img = self.augment_pipe(img) if self.augment_pipe is not None else img
        return self.D(img, c, update_emas=update_emas)

    def accumulate_gradients(self, phase, real_img, real_c, gen_z, gen_c, gain, cur_nimg):
        assert phase in ["Gmain", "Greg", "Gboth", "Dmain", "Dreg", "Dboth"]
        if phase in ["Gmain", "Gboth"]:
            logits = self.run_D(self.run_G(gen_z, gen_c)[0], gen_c)
            training_stats.report("Loss/scores/fake", logits)
            loss = torch.nn.functional.softplus(-logits)
            training_stats.report("Loss/G/loss", loss)
            loss.mean().mul(gain).backward()
        if phase in ["Greg", "Gboth"] and self.pl_weight != 0:
            half = len(gen_z) // 2
            images, ws = self.run_G(gen_z[:half], gen_c[:half])
            noise = torch.randn_like(images) / images.shape[2]
            grads = torch.autograd.grad((images * noise).sum(), ws, create_graph=True)[0]
            lengths = grads.square().sum(2).mean(1).sqrt()
            self.pl_mean.copy_(self.pl_mean.lerp(lengths.mean(), self.pl_decay).detach())
            penalty = (lengths - self.pl_mean).square() * self.pl_weight
            training_stats.report("Loss/G/reg", penalty)
            penalty.mean().mul(gain).backward()
        if phase in ["Dmain", "Dboth"]:
            logits = self.run_D(self.run_G(gen_z, gen_c, update_emas=True)[0], gen_c, update_emas=True)
            torch.nn.functional.softplus(logits).mean().mul(gain).backward()
        if phase in ["Dmain", "Dreg", "Dboth"]:
            real = real_img.detach().requires_grad_(phase in ["Dreg", "Dboth"])
            logits = self.run_D(real, real_c)
            training_stats.report("Loss/signs/real", logits.sign())
            loss = torch.nn.functional.softplus(-logits)[:, 0] if phase != "Dreg" else torch.zeros_like(logits[:, 0])
            if phase in ["Dreg", "Dboth"]:
                grads = torch.autograd.grad(logits.sum(), real, create_graph=True)[0]
                loss = loss + grads.square().sum([1, 2, 3]) * (self.r1_gamma / 2)
            training_stats.report("Loss/D/loss", loss)
            loss.mean().mul(gain).backward()
