"""The relativistic loss of the R3GAN dialect: two phases, labels of the real images, no device, nothing of the run."""

import torch
from torch.nn.functional import softplus
from torch_utils import training_stats


class R3GANLoss:
    def __init__(self, G, D, augment_pipe=None):
        self.G, self.D = G, D
        self.seen = augment_pipe or (lambda images: images)

    def accumulate_gradients(self, phase, real_img, real_c, gen_z, gamma, gain):
        images = {"real": real_img, "fake": self.G(gen_z, real_c).float()}
        if phase == "D":
            images = {name: part.detach().requires_grad_() for name, part in images.items()}
        scores = {name: self.D(self.seen(part), real_c) for name, part in images.items()}
        lead = scores["real"] - scores["fake"]
        loss = softplus(lead if phase == "G" else -lead)
        if phase == "D":
            for name, part in images.items():
                (slope,) = torch.autograd.grad(scores[name].sum(), part, create_graph=True)
                penalty = training_stats.report(f"Loss/penalty/{name}", slope.flatten(1).pow(2).sum(1))
                loss = loss + gamma / 2 * penalty
        (gain * training_stats.report(f"Loss/{phase}/loss", loss).mean()).backward()
