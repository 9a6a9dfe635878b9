"""The generator and discriminator of R3GAN, with the parameter names of public snapshots.

"The GAN is dead; long live the GAN! A Modern Baseline GAN", Huang, Gokaslan, Kuleshov and Tompkin, NeurIPS 2024: no
mapping, no styles, no noise; stages of residual blocks, from a learned 4 x 4 basis to the image and back.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from training_loops.r3gan.layers import (
    Convolution,
    DiscriminativeBasis,
    GenerativeBasis,
    ResidualBlock,
    Transition,
    initialized,
)


class Stage(nn.Module):
    """Layers at one resolution, computed in one dtype."""

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.Layers = nn.ModuleList(layers)
        self.DataType = torch.float32

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.DataType)
        for layer in self.Layers:
            x = layer(x)
        return x


class GeneratorStages(nn.Module):
    """Latents and labels to images."""

    def __init__(self, noise: int, embedded: int, c_dim: int, shape: Shape) -> None:
        super().__init__()
        widths = shape.widths
        firsts: list[nn.Module] = [GenerativeBasis(noise + embedded, widths[0])]
        firsts += [Transition(a, b, shape.taps, up=True) for a, b in itertools.pairwise(widths)]
        self.MainLayers = nn.ModuleList(Stage([first, *shape.blocks_of(number)]) for number, first in enumerate(firsts))
        self.AggregationLayer = Convolution(widths[-1], 3, 1)
        if c_dim:
            self.EmbeddingLayer = initialized(nn.Linear(c_dim, embedded, bias=False))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        if hasattr(self, "EmbeddingLayer"):
            x = torch.cat([x, self.EmbeddingLayer(c)], dim=1)
        for stage in self.MainLayers:
            x = stage(x)
        return self.AggregationLayer(x)


class DiscriminatorStages(nn.Module):
    """Images and labels to scores: by projection on the label's embedding if conditional."""

    def __init__(self, embedded: int, c_dim: int, shape: Shape) -> None:
        super().__init__()
        widths = shape.widths
        lasts: list[nn.Module] = [Transition(a, b, shape.taps, up=False) for a, b in itertools.pairwise(widths)]
        lasts += [DiscriminativeBasis(widths[-1], embedded if c_dim else 1)]
        self.ExtractionLayer = Convolution(3, widths[0], 1)
        self.MainLayers = nn.ModuleList(Stage([*shape.blocks_of(number), last]) for number, last in enumerate(lasts))
        if c_dim:
            gain = 1 / math.sqrt(embedded)
            self.EmbeddingLayer = initialized(nn.Linear(c_dim, embedded, bias=False), gain)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the first stage."""
        first: Any = self.MainLayers[0]
        return first.DataType

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        x = self.ExtractionLayer(x.to(self.dtype))
        for stage in self.MainLayers:
            x = stage(x)
        if hasattr(self, "EmbeddingLayer"):
            x = (x * self.EmbeddingLayer(c)).sum(dim=1, keepdim=True)
        return x.view(len(x))


class Shape:
    """The architecture of the stages, with the public argument names; lists start with the first stage."""

    def __init__(
        self,
        WidthPerStage: Sequence[int],
        CardinalityPerStage: Sequence[int],
        BlocksPerStage: Sequence[int],
        ExpansionFactor: int = 2,
        KernelSize: int = 3,
        ResamplingFilter: Sequence[float] = (1, 2, 1),
    ) -> None:
        self.widths, self.groups, self.blocks = WidthPerStage, CardinalityPerStage, BlocksPerStage
        self.expansion, self.kernel, self.taps = ExpansionFactor, KernelSize, ResamplingFilter

    def blocks_of(self, stage: int) -> list[nn.Module]:
        """Return the residual blocks of a stage."""
        sizes = (self.widths[stage], self.groups[stage], self.expansion, self.kernel)
        return [ResidualBlock(*sizes, sum(self.blocks)) for _ in range(self.blocks[stage])]


class Generator(nn.Module):
    """z [N, z_dim] and labels c [N, c_dim] to images [N, 3, H, W], nominally in [-1, 1], in the last stage's dtype.

    Args:
        NoiseDimension: z_dim.
        FP16Stages: indices of the stages in bfloat16.
        shape: arguments of `Shape`.
    """

    def __init__(
        self,
        *,
        NoiseDimension: int,
        c_dim: int,
        img_resolution: int,
        FP16Stages: Sequence[int] = (),
        ConditionEmbeddingDimension: int = 0,
        **shape: Any,
    ) -> None:
        super().__init__()
        self.Model = GeneratorStages(NoiseDimension, ConditionEmbeddingDimension, c_dim, Shape(**shape))
        self.z_dim, self.c_dim, self.img_resolution = NoiseDimension, c_dim, img_resolution
        _set_half(self.Model, FP16Stages)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        return self.Model(x, c)


class Discriminator(nn.Module):
    """Images [N, 3, H, W] and labels c [N, c_dim] to scores [N]. Args: as those of `Generator`."""

    def __init__(
        self, *, c_dim: int, FP16Stages: Sequence[int] = (), ConditionEmbeddingDimension: int = 0, **shape: Any
    ) -> None:
        super().__init__()
        shape.pop("img_resolution", None)
        self.Model = DiscriminatorStages(ConditionEmbeddingDimension, c_dim, Shape(**shape))
        _set_half(self.Model, FP16Stages)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        return self.Model(x, c)


def _set_half(model: GeneratorStages | DiscriminatorStages, stages: Sequence[int]) -> None:
    for number in stages:
        stage: Any = model.MainLayers[number]
        stage.DataType = torch.bfloat16
