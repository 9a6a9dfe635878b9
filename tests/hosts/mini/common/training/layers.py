"""The layers and halves of the miniature networks, small enough for a CPU."""

import torch
from torch.nn.functional import conv2d, interpolate, leaky_relu
from torch_utils import persistence


def resized(x, size):
    return x if x.shape[-1] == size else interpolate(x, size=(size, size), mode="bilinear", align_corners=False)


def unit(x):
    """Rows of length 1 on average over their numbers."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def width(size, channel_base, channel_max):
    return max(4, min(channel_max, channel_base // size))


@persistence.persistent_class
class Dense(torch.nn.Linear):
    def __init__(self, fan_in, fan_out, offset=0.0):
        super().__init__(fan_in, fan_out)
        torch.nn.init.normal_(self.weight, std=fan_in**-0.5)
        torch.nn.init.constant_(self.bias, offset)


class Styled(torch.nn.Module):
    """A convolution whose input channels are scaled by a style that comes from w."""

    def __init__(self, w_dim, before, after, kernel):
        super().__init__()
        self.affine = Dense(w_dim, before, offset=1.0)
        self.weight = torch.nn.Parameter(torch.randn(after, before, kernel, kernel) / (before**0.5 * kernel))
        self.bias = torch.nn.Parameter(torch.zeros(after))

    def styled(self, x, w):
        return conv2d(x * unit(self.affine(w))[..., None, None], self.weight, self.bias, padding="same")


@persistence.persistent_class
class SynthesisLayer(Styled):
    """A convolution at one size, with the noise input of StyleGAN2."""

    def __init__(self, w_dim, before, after, size):
        super().__init__(w_dim, before, after, kernel=3)
        self.resolution = size
        self.noise_strength = torch.nn.Parameter(torch.tensor(0.0))
        self.register_buffer("noise_const", torch.randn(size, size))

    def forward(self, x, w, noise_mode="random"):
        x = self.styled(resized(x, self.resolution), w)
        noise = {
            "random": lambda: torch.randn_like(x[:, :1]),
            "const": lambda: self.noise_const,
            "none": lambda: 0,
        }
        return leaky_relu(x + self.noise_strength * noise[noise_mode](), 0.2)


@persistence.persistent_class
class ToRGBLayer(Styled):
    def __init__(self, w_dim, before, after):
        super().__init__(w_dim, before, after, kernel=1)

    def forward(self, x, w):
        return self.styled(x, w)


class Mapping(torch.nn.Module):
    """From z and labels to w; when w_avg follows is each dialect's own affair."""

    def __init__(self, z_dim, c_dim, w_dim, num_ws, num_layers=2, w_avg_beta=0.995):
        super().__init__()
        self.z_dim, self.c_dim, self.w_dim, self.num_ws = z_dim, c_dim, w_dim, num_ws
        self.w_avg_beta, self.num_layers = w_avg_beta, num_layers
        self.embed = Dense(c_dim, w_dim) if c_dim else None
        for k in range(num_layers):
            fan_in = w_dim if k else z_dim + w_dim * bool(c_dim)
            self.add_module(f"fc{k}", Dense(fan_in, w_dim))
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def mapped(self, z, c, psi, cutoff, follow):
        w = unit(z) if self.embed is None else torch.cat([unit(z), unit(self.embed(c))], 1)
        for k in range(self.num_layers):
            w = leaky_relu(self.get_submodule(f"fc{k}")(w), 0.2)
        if follow:
            self.w_avg += (1 - self.w_avg_beta) * (w.detach().mean(0) - self.w_avg)
        near = self.w_avg + psi * (w - self.w_avg)
        end = self.num_ws if cutoff is None else cutoff
        return torch.stack([near if row < end and psi != 1 else w for row in range(self.num_ws)], 1)


@persistence.persistent_class
class SynthesisBlock(torch.nn.Module):
    """One size of a pyramid; the first, which has nothing before it, starts from a constant."""

    def __init__(self, w_dim, before, after, size):
        super().__init__()
        self.const = None if before else torch.nn.Parameter(torch.randn(after, size, size))
        self.conv1 = SynthesisLayer(w_dim, before or after, after, size)

    def forward(self, x, w, noise_mode):
        return self.conv1(self.const.expand(len(w), -1, -1, -1) if x is None else x, w, noise_mode)


@persistence.persistent_class
class Pyramid(torch.nn.Module):
    """The synthesis of StyleGAN2: a block for each power of two up to the image's size."""

    def __init__(self, w_dim, img_resolution, img_channels, channel_base=256, channel_max=16):
        super().__init__()
        self.w_dim, self.img_resolution, self.img_channels = w_dim, img_resolution, img_channels
        self.block_resolutions = [4]
        while self.block_resolutions[-1] < img_resolution:
            self.block_resolutions.append(2 * self.block_resolutions[-1])
        self.num_ws = 1 + len(self.block_resolutions)
        widths = [0, *(width(size, channel_base, channel_max) for size in self.block_resolutions)]
        for size, before, after in zip(self.block_resolutions, widths, widths[1:], strict=False):
            self.add_module(f"b{size}", SynthesisBlock(w_dim, before, after, size))
        self.torgb = ToRGBLayer(w_dim, widths[-1], img_channels)

    def forward(self, ws, noise_mode="random"):
        x, (*rows, last) = None, ws.unbind(1)
        for size, w in zip(self.block_resolutions, rows, strict=True):
            x = self.get_submodule(f"b{size}")(x, w, noise_mode)
        return self.torgb(x, last)


class TwoHalves(torch.nn.Module):
    """A generator of two modules, of the classes that `halves` names: mapping and synthesis."""

    halves = None

    def __init__(self, z_dim, c_dim, w_dim, img_resolution, img_channels, mapping_kwargs=None, **synthesis_kwargs):
        super().__init__()
        mapping, synthesis = self.halves
        self.synthesis = synthesis(w_dim, img_resolution, img_channels, **synthesis_kwargs)
        self.mapping = mapping(z_dim, c_dim, w_dim, self.synthesis.num_ws, **(mapping_kwargs or {}))
        self.z_dim, self.c_dim, self.w_dim, self.num_ws = z_dim, c_dim, w_dim, self.mapping.num_ws
        self.img_resolution, self.img_channels = img_resolution, img_channels


@persistence.persistent_class
class Discriminator(torch.nn.Module):
    """Two convolutions and a linear layer; with labels, one output for each, weighed by them."""

    def __init__(self, c_dim, img_resolution, img_channels, channel_base=256, channel_max=16):
        super().__init__()
        self.c_dim, self.img_resolution, self.img_channels = c_dim, img_resolution, img_channels
        inner = width(img_resolution, channel_base, channel_max)
        self.conv0 = torch.nn.Conv2d(img_channels, inner, 4, 2, 1)
        self.conv1 = torch.nn.Conv2d(inner, inner, 4, 2, 1)
        self.out = Dense(inner * img_resolution**2 // 16, c_dim or 1)

    def forward(self, img, c, update_emas=False):
        for conv in (self.conv0, self.conv1):
            img = leaky_relu(conv(img), 0.2)
        scores = self.out(torch.flatten(img, 1))
        return unit(c).mul(scores).mean(1, keepdim=True) if self.c_dim else scores
