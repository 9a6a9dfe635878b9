"""VAE and plain autoencoder: the generator is a decoder, trained with its encoder to reconstruct images.

"Auto-Encoding Variational Bayes", Kingma and Welling, ICLR 2014. The encoder gives the mean and the deviation of
q(z | x) = N(mu(x), sigma(x)^2), the decoder the mean of p(x | z) = N(G(z), s^2). The negative evidence lower bound,
times 2 s^2 w / P for P pixel values and a weight w, which changes its scale only, is

    L(x) = w/P [|x - G(mu + sigma e)|^2 + 2 s^2 KL(N(mu, sigma^2) || N(0, I))],   e ~ N(0, I),
    KL = 1/2 sum_i (mu_i^2 + sigma_i^2 - 1 - log sigma_i^2).

A plain autoencoder (Hinton and Salakhutdinov 2006) has z = mu(x) and no KL. Its latents have no prior: new ones are
drawn from a Gaussian that is fitted to them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from training_loops import training_stats
from training_loops.families.gaussian import FittedGaussian
from training_loops.families.layers import Decoder, DownBlock, PlainGenerator, laid_out
from training_loops.families.losses import Batch, FamilyLoss
from training_loops.presets import Preset
from training_loops.stylegan2.layers import Conv2dLayer, FullyConnectedLayer
from training_loops.stylegan2.presets import tiny


class Encoder(nn.Module):
    """Images [N, img_channels, R, R] -> mu [N, z_dim], log sigma^2 [N, z_dim].

    Args:
        z_dim: number of latent axes.
        channels: resolution -> features, from 4 to R by factors of 2.
        img_channels: 3 for colour.
    """

    def __init__(self, z_dim: int, channels: dict[int, int], img_channels: int) -> None:
        super().__init__()
        sides = sorted(channels, reverse=True)
        self.fromrgb = Conv2dLayer(img_channels, channels[sides[0]], 1, activation="lrelu")
        self.blocks = nn.ModuleList(DownBlock(channels[res], channels[res // 2]) for res in sides if res > 4)
        self.out = FullyConnectedLayer(channels[4] * 16, 2 * z_dim)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.fromrgb(laid_out(images))
        for block in self.blocks:
            x = block(x)
        mean, log_variance = self.out(x.flatten(1)).chunk(2, dim=1)
        # Beyond these bounds the exponential would overflow in the first steps.
        return mean, log_variance.clamp(-20, 10)


class VAEGenerator(PlainGenerator):
    """z [N, z_dim] -> images; `encoder` is a part of it, so that it is optimized, averaged and saved with it.

    Args:
        variational: false for a plain autoencoder.
        kwargs: those of `PlainGenerator`.
    """

    def __init__(self, *args: Any, variational: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, variational=variational, **kwargs)
        self.decoder = Decoder(self.z_dim, self.channels, self.img_channels)
        self.encoder = Encoder(self.z_dim, self.channels, self.img_channels)
        self.prior = None if variational else FittedGaussian(self.z_dim)

    def draw(self, z: Tensor) -> Tensor:
        return self.decoder(z if self.prior is None else self.prior(z))


@dataclass(eq=False, repr=False)
class VAELoss(FamilyLoss):
    """The equation above.

    Args:
        image_weight: w, more than 0. It sets this loss against that of links: at 10 links push their regions beyond
            the range of images, which nothing but this loss prevents; at 100 they do not.
        pixel_noise: s, the deviation of a pixel value from the decoder's, from 0. A smaller one keeps more details in
            the latents, which are then farther from N(0, I).
    """

    image_weight: float = 100.0
    pixel_noise: float = 0.7

    def loss_G(self, batch: Batch) -> Tensor:
        mean, log_variance = self.G.encoder(batch.real_img)
        if self.G.prior is not None:
            self.G.prior.observe(mean)
            return self._reconstruction(mean, batch.real_img)
        # z = mu + sigma e, e ~ N(0, I): the loop's own latents are the noise
        codes = mean + (log_variance / 2).exp() * batch.gen_z
        divergence = training_stats.report("Loss/E/kl", kl_divergence(mean, log_variance))
        share = self.image_weight * 2 * self.pixel_noise**2 / batch.real_img[0].numel()
        return self._reconstruction(codes, batch.real_img) + share * divergence

    def _reconstruction(self, codes: Tensor, images: Tensor) -> Tensor:
        error = (self.G.decoder(codes) - images).square().mean(dim=[1, 2, 3])
        return self.image_weight * training_stats.report("Loss/E/image", error)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mean, exp(log_variance)) || N(0, I)) of rows [N, D], in nats [N]."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1) / 2


def vae(resolution: int, gpus: int) -> Preset:
    """For one CPU thread and images of about 32 pixels."""
    width = {"channel_base": max(1024, resolution), "channel_max": 64}
    return replace(
        tiny(resolution, gpus),
        styles=False,
        lr=0.01,
        betas=(0.9, 0.99),
        G_class="training_loops.families.vae.VAEGenerator",
        G={"z_dim": 64, **width, "variational": True},
        D_class=None,
        loss_class="training_loops.families.vae.VAELoss",
        loss={"image_weight": 100.0, "pixel_noise": 0.7},
    )


def autoencoder(resolution: int, gpus: int) -> Preset:
    """The same networks without the variational part."""
    base = vae(resolution, gpus)
    return replace(base, G={**base.G, "variational": False}, loss={"image_weight": 100.0})
