"""The GAN loss of the eg3d dialect: cameras, swapped pose conditioning, a schedule of rendering resolutions."""

import numpy as np
import torch
from torch_utils import training_stats


class StyleGAN2Loss:
    def __init__(
        self,
        device,
        G,
        D,
        augment_pipe=None,
        r1_gamma=10,
        style_mixing_prob=0,
        neural_rendering_resolution_initial=64,
        neural_rendering_resolution_final=None,
        neural_rendering_resolution_fade_kimg=0,
        gpc_reg_fade_kimg=1000,
        gpc_reg_prob=None,
    ):
        self.device, self.G, self.D, self.augment_pipe = device, G, D, augment_pipe
        self.r1_gamma, self.style_mixing_prob = r1_gamma, style_mixing_prob
        self.neural_rendering_resolution_initial = neural_rendering_resolution_initial
        self.neural_rendering_resolution_final = neural_rendering_resolution_final
        self.neural_rendering_resolution_fade_kimg = neural_rendering_resolution_fade_kimg
        self.gpc_reg_fade_kimg, self.gpc_reg_prob = gpc_reg_fade_kimg, gpc_reg_prob

    def condition(self, c, swapping_prob):
        if swapping_prob is None:
            return torch.zeros_like(c)
        swapped = torch.roll(c.clone(), 1, 0)
        return torch.where(torch.rand((c.shape[0], 1), device=c.device) < swapping_prob, swapped, c)

    def run_G(self, z, c, swapping_prob, neural_rendering_resolution, update_emas=False):
        ws = self.G.mapping(z, self.condition(c, swapping_prob), update_emas=update_emas)
        resolution = neural_rendering_resolution
        return self.G.synthesis(ws, c, neural_rendering_resolution=resolution, update_emas=update_emas), ws

    def run_D(self, img, c, update_emas=False):
        if self.augment_pipe is not None:
            img = {"image": self.augment_pipe(img["image"]), "image_raw": img["image_raw"]}
        return self.D(img, c, update_emas=update_emas)

    def accumulate_gradients(self, phase, real_img, real_c, gen_z, gen_c, gain, cur_nimg):
        assert phase in ["Gmain", "Greg", "Gboth", "Dmain", "Dreg", "Dboth"]
        fade = self.gpc_reg_fade_kimg * 1e3
        alpha = min(cur_nimg / fade, 1) if fade > 0 else 1
        swapping = None if self.gpc_reg_prob is None else (1 - alpha) + alpha * self.gpc_reg_prob
        size = self.neural_rendering_resolution_initial
        if self.neural_rendering_resolution_final is not None:
            alpha = min(cur_nimg / (self.neural_rendering_resolution_fade_kimg * 1e3), 1)
            size = int(np.rint(size * (1 - alpha) + self.neural_rendering_resolution_final * alpha))
        if phase in ["Gmain", "Gboth"]:
            images, _ = self.run_G(gen_z, gen_c, swapping, size)
            logits = self.run_D(images, gen_c)
            training_stats.report("Loss/scores/fake", logits)
            loss = torch.nn.functional.softplus(-logits)
            training_stats.report("Loss/G/loss", loss)
            loss.mean().mul(gain).backward()
        density_reg = self.G.rendering_kwargs.get("density_reg", 0)
        if phase in ["Greg", "Gboth"] and density_reg > 0:
            ws = self.G.mapping(gen_z, self.condition(gen_c, swapping), update_emas=False)
            points = torch.rand((len(ws), 50, 3), device=ws.device) * 2 - 1
            moved = points + torch.randn_like(points) * self.G.rendering_kwargs["density_reg_p_dist"]
            both = torch.cat([points, moved], dim=1)
            sigma = self.G.sample_mixed(both, torch.randn_like(both), ws, update_emas=False)["sigma"]
            loss = torch.nn.functional.l1_loss(*sigma.chunk(2, dim=1)) * density_reg
            training_stats.report("Loss/G/reg", loss)
            loss.mul(gain).backward()
        if phase in ["Dmain", "Dboth"]:
            images, _ = self.run_G(gen_z, gen_c, swapping, size, update_emas=True)
            logits = self.run_D(images, gen_c, update_emas=True)
            torch.nn.functional.softplus(logits).mean().mul(gain).backward()
        if phase in ["Dmain", "Dreg", "Dboth"]:
            raw = torch.nn.functional.interpolate(real_img, size=(size, size), mode="bilinear", antialias=True)
            wanted = phase in ["Dreg", "Dboth"]
            real = {"image": real_img.detach().requires_grad_(wanted), "image_raw": raw.detach().requires_grad_(wanted)}
            logits = self.run_D(real, real_c)
            training_stats.report("Loss/signs/real", logits.sign())
            loss = torch.nn.functional.softplus(-logits)[:, 0] if phase != "Dreg" else torch.zeros_like(logits[:, 0])
            if wanted:
                grads = torch.autograd.grad(logits.sum(), [real["image"], real["image_raw"]], create_graph=True)
                loss = loss + sum(grad.square().sum([1, 2, 3]) for grad in grads) * (self.r1_gamma / 2)
            training_stats.report("Loss/D/loss", loss)
            loss.mean().mul(gain).backward()
