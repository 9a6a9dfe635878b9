"""The terms of a GAN's losses; how the networks are called is each dialect's own affair."""

import torch
from torch.nn.functional import softplus
from torch_utils import training_stats


class Terms:
    """A base of losses, which say how to render(z, c) to images and ws, and how to judge(images, c)."""

    def __init__(self, device, D, augment_pipe=None, r1_gamma=10, style_mixing_prob=0, pl_weight=0, pl_decay=0.01):
        self.device, self.D, self.augment_pipe = device, D, augment_pipe
        self.r1_gamma, self.style_mixing_prob = r1_gamma, style_mixing_prob
        self.pl_weight, self.pl_decay, self.pl_mean = pl_weight, pl_decay, torch.tensor(0.0, device=device)

    def train(self, phase, real_img, real_c, z, c, gain):
        """Add the gradients of one phase: of G or D, `main`, `reg` or `both`."""
        whose, kind = phase[0], phase[1:]
        main, reg = kind != "reg", kind != "main"
        if whose == "G" and main:
            scores = training_stats.report("Loss/scores/fake", self.judge(self.render(z, c)[0], c))
            self.descend("Loss/G/loss", softplus(-scores), gain)
        if whose == "G" and reg:
            self.regularize(z, c, gain)
        if whose == "D" and main:
            scores = self.judge(self.render(z, c, for_D=True)[0], c, for_D=True)
            self.descend("Loss/D/fake", softplus(scores), gain)
        if whose == "D":
            parts = [part.detach().requires_grad_(reg) for part in self.seen(real_img)]
            scores = self.judge(self.shown(parts), real_c, last=True)
            training_stats.report("Loss/signs/real", torch.sign(scores))
            terms = ([softplus(-scores)] if main else [scores * 0]) + ([self.steepness(scores, parts)] if reg else [])
            self.descend("Loss/D/loss", sum(terms), gain)

    def descend(self, name, loss, gain):
        (gain * training_stats.report(name, loss).mean()).backward()

    def seen(self, images):
        """Real images as the parts that D sees."""
        return [images]

    def shown(self, parts):
        """What D takes, of its parts."""
        return parts[0]

    def steepness(self, scores, parts):
        """R1: how fast scores [N, 1] change with what D sees, [N, 1]."""
        slopes = torch.autograd.grad([scores.sum()], parts, create_graph=True)
        return self.r1_gamma / 2 * sum(slope.flatten(1).pow(2).sum(1, keepdim=True) for slope in slopes)

    def regularize(self, z, c, gain):
        """Path lengths: how fast an image changes with ws."""
        if self.pl_weight:
            images, ws = self.render(z, c)
            direction = torch.randn_like(images) / images.shape[-1]
            (slopes,) = torch.autograd.grad([images], [ws], [direction], create_graph=True)
            lengths = slopes.norm(dim=(1, 2)) / ws.shape[1] ** 0.5
            self.pl_mean = torch.lerp(self.pl_mean, lengths.detach().mean(), self.pl_decay)
            # Every parameter takes part, as DistributedDataParallel demands.
            self.descend("Loss/G/reg", self.pl_weight * (lengths - self.pl_mean) ** 2 + 0 * images.mean(), gain)

    def mixed(self, ws, others):
        """Style mixing: with some probability, the rows after a random one come from other latents, made only then."""
        if torch.rand(()) >= self.style_mixing_prob:
            return ws
        row = torch.randint(1, ws.shape[1], ()).item()
        return torch.cat([ws[:, :row], others()[:, row:]], 1)
