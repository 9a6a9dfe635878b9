"""The small network that maps a tri-plane feature to colour and density."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from training_loops.stylegan2.layers import FullyConnectedLayer

HIDDEN = 64

_CPU_BLOCK = 8192  # points; the activations then fit in the processor's cache


class OSGDecoder(nn.Module):
    """Features [N, P, M, n_features] of P planes -> rgb [N, M, decoder_output_dim] and sigma [N, M, 1].

    One hidden layer on the mean over the planes (EG3D, section 3.2). Colours extend 0.001 beyond [0, 1], so that the
    sigmoid can reach 0 and 1 (Mip-NeRF, section 3); sigma is the density before its softplus.

    Args:
        options: decoder_lr_mul, the learning rate relative to the other networks, and decoder_output_dim.
        hidden: width of the hidden layer.
    """

    def __init__(self, n_features: int, options: Mapping[str, Any], hidden: int = HIDDEN) -> None:
        super().__init__()
        self.hidden_dim = hidden
        lr, outputs = options["decoder_lr_mul"], 1 + options["decoder_output_dim"]
        self.net = nn.Sequential(
            FullyConnectedLayer(n_features, hidden, lr_multiplier=lr),
            nn.Softplus(),
            FullyConnectedLayer(hidden, outputs, lr_multiplier=lr),
        )

    def forward(self, sampled_features: Tensor, ray_directions: Tensor | None) -> dict[str, Tensor]:
        """`ray_directions` [N, M, 3] is part of the decoder interface; colours here do not depend on it."""
        n, planes, m, _ = sampled_features.shape
        features = sampled_features[:, 0] if planes == 1 else sampled_features.mean(dim=1)
        flat = features.reshape(n * m, -1)
        blocks = flat.split(_CPU_BLOCK if flat.device.type == "cpu" else max(n * m, 1))
        rgb, sigma = zip(*(self._decode(block) for block in blocks), strict=True)
        return {"rgb": torch.cat(rgb).view(n, m, -1), "sigma": torch.cat(sigma).view(n, m, 1)}

    def _decode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        y = self.net(features)
        shift = y.new_full((), -0.001)
        return shift.add(torch.sigmoid(y[:, 1:]), alpha=1.002), y[:, :1]
