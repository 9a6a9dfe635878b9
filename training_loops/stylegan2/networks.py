"""All network classes of StyleGAN2, under the names used in public snapshots."""

from training_loops.stylegan2.discriminator import (
    Discriminator,
    DiscriminatorBlock,
    DiscriminatorEpilogue,
    MinibatchStdLayer,
)
from training_loops.stylegan2.generator import Generator, SynthesisBlock, SynthesisNetwork
from training_loops.stylegan2.layers import Conv2dLayer, FullyConnectedLayer, MappingNetwork
from training_loops.stylegan2.synthesis_layers import SynthesisLayer, ToRGBLayer

__all__ = [
    "Conv2dLayer",
    "Discriminator",
    "DiscriminatorBlock",
    "DiscriminatorEpilogue",
    "FullyConnectedLayer",
    "Generator",
    "MappingNetwork",
    "MinibatchStdLayer",
    "SynthesisBlock",
    "SynthesisLayer",
    "SynthesisNetwork",
    "ToRGBLayer",
]
