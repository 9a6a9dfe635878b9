"""An alias-free generator in miniature: Fourier features in, no noise inputs, magnitudes tracked on request."""

import torch
from torch_utils import persistence
from training import layers, networks_stylegan2


@persistence.persistent_class
class Waves(torch.nn.Module):
    """Plane waves [N, channels, size, size] that w moves about."""

    def __init__(self, w_dim, channels, size):
        super().__init__()
        self.affine = layers.Dense(w_dim, channels)
        self.register_buffer("freqs", torch.randn(channels, 2) * 12)
        self.register_buffer("steps", torch.linspace(-0.5, 0.5, size))

    def forward(self, w):
        along, down = (self.freqs[:, k, None] * self.steps for k in (0, 1))
        return torch.sin(along[:, None, :] + down[:, :, None] + self.affine(w)[:, :, None, None])


@persistence.persistent_class
class SynthesisLayer(layers.Styled):
    def __init__(self, w_dim, before, after, kernel, beta, last=False):
        super().__init__(w_dim, before, after, kernel)
        self.beta, self.last = beta, last
        self.register_buffer("magnitude_ema", torch.tensor(1.0))

    def forward(self, x, w, noise_mode="random", update_emas=False):
        # Noise modes are known, and of no effect.
        if update_emas:
            self.magnitude_ema += (1 - self.beta) * (x.detach().pow(2).mean() - self.magnitude_ema)
        x = self.styled(x / self.magnitude_ema.sqrt(), w)
        return x if self.last else torch.nn.functional.silu(x)


@persistence.persistent_class
class SynthesisNetwork(torch.nn.Module):
    def __init__(
        self, w_dim, img_resolution, img_channels,
        channel_base=256, channel_max=16, num_layers=3, conv_kernel=3, magnitude_ema_beta=0.999,
    ):  # fmt: skip
        super().__init__()
        self.w_dim, self.img_resolution, self.img_channels = w_dim, img_resolution, img_channels
        self.num_ws, inner = num_layers + 2, layers.width(img_resolution, channel_base, channel_max)
        self.names = [*(f"L{k}" for k in range(num_layers)), "torgb"]
        self.input = Waves(w_dim, inner, img_resolution)
        for name in self.names[:-1]:
            self.add_module(name, SynthesisLayer(w_dim, inner, inner, conv_kernel, magnitude_ema_beta))
        self.torgb = SynthesisLayer(w_dim, inner, img_channels, 1, magnitude_ema_beta, last=True)

    def forward(self, ws, **switches):
        first, *rest = ws.unbind(1)
        x = self.input(first)
        for name, w in zip(self.names, rest, strict=True):
            x = self.get_submodule(name)(x, w, **switches)
        return x


@persistence.persistent_class
class Generator(networks_stylegan2.Generator):
    halves = networks_stylegan2.MappingNetwork, SynthesisNetwork
