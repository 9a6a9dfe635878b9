"""All network classes of the StyleGAN3 generators, under the names used in public snapshots.

They train against the discriminator of StyleGAN2, `training_loops.stylegan2.networks.Discriminator`.
"""

from training_loops.stylegan3.fourier_input import SynthesisInput
from training_loops.stylegan3.generator import Generator, SynthesisNetwork
from training_loops.stylegan3.layers import FullyConnectedLayer, MappingNetwork
from training_loops.stylegan3.synthesis_layers import SynthesisLayer

__all__ = [
    "FullyConnectedLayer",
    "Generator",
    "MappingNetwork",
    "SynthesisInput",
    "SynthesisLayer",
    "SynthesisNetwork",
]
