"""StyleGAN2's generator in the dialect of 2020: every training-mode mapping call moves w_avg unless told not to."""

from torch_utils import persistence
from training import layers
from training.layers import Discriminator, Pyramid

__all__ = ["Discriminator", "Generator", "MappingNetwork", "Pyramid"]


@persistence.persistent_class
class MappingNetwork(layers.Mapping):
    def forward(self, z, c, truncation_psi=1, truncation_cutoff=None, skip_w_avg_update=False):
        follow = self.training and not skip_w_avg_update
        return self.mapped(z, c, truncation_psi, truncation_cutoff, follow)


@persistence.persistent_class
class Generator(layers.TwoHalves):
    halves = MappingNetwork, Pyramid

    def __init__(self, *, synthesis_kwargs=None, **others):
        super().__init__(**others, **(synthesis_kwargs or {}))

    def forward(self, z, c, truncation_psi=1, truncation_cutoff=None, **synthesis_kwargs):
        return self.synthesis(self.mapping(z, c, truncation_psi, truncation_cutoff), **synthesis_kwargs)
