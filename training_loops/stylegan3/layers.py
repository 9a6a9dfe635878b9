"""Fully connected layer and mapping network with StyleGAN3's arguments; the arithmetic is that of StyleGAN2."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from training_loops.stylegan2 import layers


class FullyConnectedLayer(layers.FullyConnectedLayer):
    """``act(x W^T * lr_multiplier / sqrt(in) + b * lr_multiplier)``: [N, in_features] -> [N, out_features].

    Args:
        weight_init: standard deviation of ``lr_multiplier * W``.
        bias_init: ``lr_multiplier * b``, one number or one per output.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        activation: str = "linear",
        bias: bool = True,
        lr_multiplier: float = 1,
        weight_init: float = 1,
        bias_init: float | Sequence[float] = 0,
    ) -> None:
        super().__init__(in_features, out_features, bias=bias, activation=activation, lr_multiplier=lr_multiplier)
        with torch.no_grad():
            self.weight.mul_(weight_init)
            if self.bias is not None:
                self.bias.copy_(torch.as_tensor(bias_init, dtype=torch.float32) / lr_multiplier)


class MappingNetwork(layers.MappingNetwork):
    """z [N, z_dim] and label c [N, c_dim] -> w, repeated to [N, num_ws, w_dim]; leaky ReLUs, `w_dim` features."""

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        num_ws: int,
        num_layers: int = 2,
        lr_multiplier: float = 0.01,
        w_avg_beta: float = 0.998,
    ) -> None:
        super().__init__(
            z_dim, c_dim, w_dim, num_ws, num_layers=num_layers, lr_multiplier=lr_multiplier, w_avg_beta=w_avg_beta
        )
