"""The GAN loss of the stylegan2-ada-pytorch dialect: G in two halves, DDP told by `sync` when to add up gradients."""

import torch
from torch_utils import misc, training_stats


class StyleGAN2Loss:
    def __init__(
        self,
        device,
        G_mapping,
        G_synthesis,
        D,
        augment_pipe=None,
        style_mixing_prob=0.9,
        r1_gamma=10,
        pl_decay=0.01,
        pl_weight=2,
    ):
        self.device, self.G_mapping, self.G_synthesis, self.D = device, G_mapping, G_synthesis, D
        self.augment_pipe, self.style_mixing_prob, self.r1_gamma = augment_pipe, style_mixing_prob, r1_gamma
        self.pl_weight, self.pl_decay, self.pl_mean = pl_weight, pl_decay, torch.zeros([], device=device)

    def run_G(self, z, c, sync):
        with misc.ddp_sync(self.G_mapping, sync):
            ws = self.G_mapping(z, c)
            if self.style_mixing_prob > 0:
                cutoff = torch.empty([], dtype=torch.int64).random_(1, ws.shape[1])
                cutoff = torch.where(
                    torch.rand([]) < self.style_mixing_prob, cutoff, torch.full_like(cutoff, ws.shape[1])
                )
                ws[:, cutoff:] = self.G_mapping(torch.randn_like(z), c, skip_w_avg_update=True)[:, cutoff:]
        with misc.ddp_sync(self.G_synthesis, sync):
            return self.G_synthesis(ws), ws

    def run_D(self, img, c, sync):
        img = self.augment_pipe(img) if self.augment_pipe is not None else img
        with misc.ddp_sync(self.D, sync):
            return self.D(img, c)

    def accumulate_gradients(self, phase, real_img, real_c, gen_z, gen_c, sync, gain):
        assert phase in ["Gmain", "Greg", "Gboth", "Dmain", "Dreg", "Dboth"]
        if phase in ["Gmain", "Gboth"]:
            images, _ = self.run_G(gen_z, gen_c, sync=sync and phase == "Gmain")
            logits = self.run_D(images, gen_c, sync=False)
            training_stats.report("Loss/scores/fake", logits)
            loss = torch.nn.functional.softplus(-logits)
            training_stats.report("Loss/G/loss", loss)
            loss.mean().mul(gain).backward()
        if phase in ["Greg", "Gboth"] and self.pl_weight != 0:
            half = len(gen_z) // 2
            images, ws = self.run_G(gen_z[:half], gen_c[:half], sync=sync)
            noise = torch.randn_like(images) / images.shape[2]
            grads = torch.autograd.grad((images * noise).sum(), ws, create_graph=True)[0]
            lengths = grads.square().sum(2).mean(1).sqrt()
            self.pl_mean.copy_(self.pl_mean.lerp(lengths.mean(), self.pl_decay).detach())
            penalty = (lengths - self.pl_mean).square() * self.pl_weight
            training_stats.report("Loss/G/reg", penalty)
            (images[:, 0, 0, 0] * 0 + penalty).mean().mul(gain).backward()
        if phase in ["Dmain", "Dboth"]:
            logits = self.run_D(self.run_G(gen_z, gen_c, sync=False)[0], gen_c, sync=False)
            torch.nn.functional.softplus(logits).mean().mul(gain).backward()
        if phase in ["Dmain", "Dreg", "Dboth"]:
            real = real_img.detach().requires_grad_(phase in ["Dreg", "Dboth"])
            logits = self.run_D(real, real_c, sync=sync)
            training_stats.report("Loss/signs/real", logits.sign())
            loss = torch.nn.functional.softplus(-logits)[:, 0] if phase != "Dreg" else logits[:, 0] * 0
            if phase in ["Dreg", "Dboth"]:
                grads = torch.autograd.grad(logits.sum(), real, create_graph=True)[0]
                loss = loss + grads.square().sum([1, 2, 3]) * (self.r1_gamma / 2)
            training_stats.report("Loss/D/loss", loss)
            loss.mean().mul(gain).backward()
