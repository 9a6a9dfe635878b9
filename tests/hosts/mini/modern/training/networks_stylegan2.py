"""StyleGAN2's generator in the dialect of 2021 and later: moving averages follow only when asked to."""

from torch_utils import persistence
from torch_utils.ops import conv2d_gradfix  # noqa: F401 (so that opening a snapshot imports it, as with real hosts)
from training import layers
from training.layers import Dense, Discriminator

__all__ = ["Dense", "Discriminator", "Generator", "MappingNetwork", "SynthesisNetwork"]


@persistence.persistent_class
class MappingNetwork(layers.Mapping):
    def forward(self, z, c, truncation_psi=1, truncation_cutoff=None, update_emas=False):
        return self.mapped(z, c, truncation_psi, truncation_cutoff, follow=update_emas)


@persistence.persistent_class
class SynthesisNetwork(layers.Pyramid):
    def forward(self, ws, noise_mode="random", update_emas=False):
        return super().forward(ws, noise_mode)


@persistence.persistent_class
class Generator(layers.TwoHalves):
    halves = MappingNetwork, SynthesisNetwork

    def forward(self, z, c, truncation_psi=1, truncation_cutoff=None, update_emas=False, **synthesis_kwargs):
        ws = self.mapping(z, c, truncation_psi, truncation_cutoff, update_emas)
        return self.synthesis(ws, update_emas=update_emas, **synthesis_kwargs)
