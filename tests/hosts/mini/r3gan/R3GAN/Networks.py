"""The networks of the R3GAN dialect, in miniature: stages of residual blocks on a learned 4 x 4 basis, no mapping."""

import torch
from torch.nn.functional import interpolate, leaky_relu


class Residual(torch.nn.Module):
    def __init__(self, channels, groups):
        super().__init__()
        self.inner = torch.nn.Conv2d(channels, channels, 3, padding=1, groups=groups)
        self.outer = torch.nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x):
        inner = self.inner.weight.to(x.dtype), self.inner.bias.to(x.dtype)
        y = leaky_relu(torch.nn.functional.conv2d(x, *inner, padding=1, groups=self.inner.groups), 0.2)
        return x + torch.nn.functional.conv2d(y, self.outer.weight.to(x.dtype))


class Stage(torch.nn.Module):
    """Residual blocks at one size, computed in `DataType`; the first of G's begins with the basis."""

    def __init__(self, before, after, groups, blocks, z_dim=0):
        super().__init__()
        self.basis = torch.nn.Parameter(torch.randn(after, 4, 4)) if z_dim else None
        self.gate = torch.nn.Linear(z_dim, after, bias=False) if z_dim else None
        self.skip = torch.nn.Conv2d(before, after, 1, bias=False) if before else None
        self.blocks = torch.nn.ModuleList(Residual(after, groups) for _ in range(blocks))
        self.DataType = torch.float32

    def begun(self, z):
        return self.basis * self.gate(z)[..., None, None]

    def forward(self, x, scale):
        x = x.to(self.DataType)
        if self.skip is not None:
            x = torch.nn.functional.conv2d(x, self.skip.weight.to(x.dtype))
            x = interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
        for block in self.blocks:
            x = block(x)
        return x


class Generator(torch.nn.Module):
    def __init__(self, NoiseDimension, WidthPerStage, CardinalityPerStage, BlocksPerStage, Labels=0):
        super().__init__()
        pairs = zip([0, *WidthPerStage], WidthPerStage, CardinalityPerStage, BlocksPerStage, strict=False)
        self.MainLayers = torch.nn.ModuleList(
            Stage(before, after, groups, blocks, 0 if k else NoiseDimension + Labels)
            for k, (before, after, groups, blocks) in enumerate(pairs)
        )
        self.last = torch.nn.Conv2d(WidthPerStage[-1], 3, 1, bias=False)

    def forward(self, z, c):
        first, *others = self.MainLayers
        x = first(first.begun(torch.cat([z, c], 1)), 1)
        for stage in others:
            x = stage(x, 2)
        return torch.nn.functional.conv2d(x, self.last.weight.to(x.dtype))


class Discriminator(torch.nn.Module):
    def __init__(self, WidthPerStage, CardinalityPerStage, BlocksPerStage, Labels=0):
        super().__init__()
        pairs = zip([3, *WidthPerStage], WidthPerStage, CardinalityPerStage, BlocksPerStage, strict=False)
        self.MainLayers = torch.nn.ModuleList(Stage(*sizes) for sizes in pairs)
        self.last = torch.nn.Linear(WidthPerStage[-1], Labels or 1)

    def forward(self, images, c):
        x = images
        for k, stage in enumerate(self.MainLayers):
            x = stage(x, 0.5 if k else 1)
        scores = self.last(x.float().mean([2, 3]))
        return (scores * c).sum(1) if c.shape[1] else scores[:, 0]
