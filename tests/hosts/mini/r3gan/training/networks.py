"""What the loop builds: networks that say their sizes, some stages in bfloat16. Snapshots hold them by reference."""

import R3GAN.Networks
import torch


class _Whole(torch.nn.Module):
    def __init__(self, *, c_dim, img_resolution, FP16Stages, **shape):
        super().__init__()
        self.Model = getattr(R3GAN.Networks, type(self).__name__)(Labels=c_dim, **shape)
        self.c_dim, self.img_resolution = c_dim, img_resolution
        for number in FP16Stages:
            self.Model.MainLayers[number].DataType = torch.bfloat16

    def forward(self, x, c):
        return self.Model(x, c)


class Generator(_Whole):
    def __init__(self, *, NoiseDimension, **others):
        super().__init__(NoiseDimension=NoiseDimension, **others)
        self.z_dim = NoiseDimension


class Discriminator(_Whole):
    pass
