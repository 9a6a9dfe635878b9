"""Layers of both StyleGAN2 networks: fully connected, convolution, and the mapping network."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training_loops.errors import OptionError
from training_loops.stylegan2 import ops, resample

MAX_LAYERS = 64  # far above any real model, so that a damaged file cannot request a billion layers


class FullyConnectedLayer(nn.Module):
    """``act(x W^T * lr_multiplier / sqrt(in) + b * lr_multiplier)``: [N, in_features] -> [N, out_features]."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        activation: str = "linear",
        lr_multiplier: float = 1,
        bias_init: float = 0,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.activation = activation
        # Equalized learning rate (Karras et al. 2018): weights are drawn with variance 1 and scaled by He's constant at
        # run time, so that Adam's relative steps are equal in all layers; lr_multiplier makes them smaller.
        self.weight = nn.Parameter(torch.randn([out_features, in_features]) / lr_multiplier)
        self.bias = nn.Parameter(torch.full([out_features], float(bias_init))) if bias else None
        self.weight_gain = lr_multiplier / math.sqrt(in_features) if in_features > 0 else 0.0
        self.bias_gain = float(lr_multiplier)
        self._act = ops.activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        # gain act(y) = act(gain y) where act is homogeneous: the gain is then folded into the factors of the product.
        gain = self._act.gain if self._act.homogeneous else 1.0
        weight = self.weight.to(x.dtype).t()
        if self.bias is None:
            y = torch.mm(x, weight) * (self.weight_gain * gain)
        else:
            bias = self.bias.to(x.dtype)
            y = torch.addmm(bias, x, weight, beta=self.bias_gain * gain, alpha=self.weight_gain * gain)
        y = self._act.apply(y)
        return y if self._act.homogeneous else y * self._act.gain

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, activation={self.activation}"


class Conv2dLayer(nn.Module):
    """Convolution with optional resampling by 2, bias, activation, gain and clamp: [N, I, H, W] -> [N, O, H', W']."""

    resample_filter: Tensor
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        bias: bool = True,
        activation: str = "linear",
        up: int = 1,
        down: int = 1,
        resample_filter: object = (1, 3, 3, 1),
        conv_clamp: float | None = None,
        channels_last: bool = False,
        trainable: bool = True,
    ) -> None:
        super().__init__()
        if up not in (1, 2) or down not in (1, 2) or up * down == 4 or (up == 2 and bias):
            raise OptionError(f"up={up}, down={down}, bias={bias}: expected one of up=2 (no bias), down=2 or neither")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.activation = activation
        self.up = up
        self.down = down
        self.conv_clamp = conv_clamp
        self.taps = resample.parse_taps(resample_filter)
        self.register_buffer("resample_filter", resample.filter_buffer(self.taps))
        self.weight_gain = 1 / math.sqrt(in_channels * kernel_size**2)  # He's constant without the activation's gain
        self._act = ops.activation(activation)
        weight = torch.randn([out_channels, in_channels, kernel_size, kernel_size])
        self._add("weight", weight.to(memory_format=ops.layout(channels_last)), trainable)
        self._add("bias", torch.zeros([out_channels]) if bias else None, trainable)

    def _add(self, name: str, value: Tensor | None, trainable: bool) -> None:
        if trainable or value is None:
            self.register_parameter(name, nn.Parameter(value) if value is not None else None)
        else:
            self.register_buffer(name, value)

    def forward(self, x: Tensor, gain: float = 1) -> Tensor:
        # y = clamp(gain act(x * w / sqrt(I k^2) + b)); the gain is folded into w and b where act is homogeneous
        total_gain = self._act.gain * gain
        inner = total_gain if self._act.homogeneous else 1.0
        weight = (self.weight * (self.weight_gain * inner)).to(x.dtype)
        bias = None if self.bias is None else (self.bias if inner == 1 else self.bias * inner).to(x.dtype)
        y = self._act.apply(self._convolve(x, weight, bias))
        if not self._act.homogeneous:
            y = y * total_gain
        return y if self.conv_clamp is None else y.clamp(-self.conv_clamp * gain, self.conv_clamp * gain)

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.up == 2:
            return resample.conv2d_up(x, weight, self.taps)
        if self.down == 2:
            return resample.conv2d_down(x, weight, bias, self.taps)
        return F.conv2d(x, weight, bias, padding=self.kernel_size // 2)

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"activation={self.activation}, up={self.up}, down={self.down}"
        )


class MappingNetwork(nn.Module):
    """z [N, z_dim] and label c [N, c_dim] -> w, repeated to [N, num_ws, w_dim] (or [N, w_dim] if num_ws is None)."""

    w_avg: Tensor

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        num_ws: int | None,
        num_layers: int = 8,
        embed_features: int | None = None,
        layer_features: int | None = None,
        activation: str = "lrelu",
        lr_multiplier: float = 0.01,
        w_avg_beta: float | None = 0.998,
    ) -> None:
        super().__init__()
        if not 1 <= num_layers <= MAX_LAYERS:
            raise OptionError(f"num_layers={num_layers}: expected 1 to {MAX_LAYERS} mapping layers")
        self.z_dim = z_dim
        self.c_dim = c_dim
        self.w_dim = w_dim
        self.num_ws = num_ws
        self.num_layers = num_layers
        self.w_avg_beta = w_avg_beta
        embed = (w_dim if embed_features is None else embed_features) if c_dim > 0 else 0
        hidden = w_dim if layer_features is None else layer_features
        features = [z_dim + embed] + [hidden] * (num_layers - 1) + [w_dim]
        if c_dim > 0:
            self.embed = FullyConnectedLayer(c_dim, embed)
        for i in range(num_layers):
            layer = FullyConnectedLayer(
                features[i], features[i + 1], activation=activation, lr_multiplier=lr_multiplier
            )
            setattr(self, f"fc{i}", layer)
        # Without num_ws (the discriminator's mapping) nothing is truncated, so no average is needed.
        self._beta = w_avg_beta if num_ws is not None else None
        if self._beta is not None:
            self.register_buffer("w_avg", torch.zeros([w_dim]))

    def forward(
        self,
        z: Tensor | None,
        c: Tensor | None,
        truncation_psi: float = 1,
        truncation_cutoff: int | None = None,
        update_emas: bool = False,
    ) -> Tensor:
        """z [N, z_dim], c [N, c_dim] -> ws; the first `truncation_cutoff` become w_avg + psi (w - w_avg)."""
        dtype = next(self.parameters()).dtype
        inputs = []
        # z / sqrt(mean z^2): only the direction of z matters.
        if self.z_dim > 0:
            inputs.append(ops.normalize_2nd_moment(_checked("z", z, self.z_dim, dtype)))
        if self.c_dim > 0:
            inputs.append(ops.normalize_2nd_moment(self.embed(_checked("c", c, self.c_dim, dtype))))
        x = torch.cat(inputs, dim=1) if len(inputs) > 1 else inputs[0]
        for i in range(self.num_layers):
            x = getattr(self, f"fc{i}")(x)
        if update_emas and self._beta is not None:
            # w_avg <- beta w_avg + (1 - beta) mean_N w
            self.w_avg.copy_(torch.lerp(x.detach().mean(dim=0), self.w_avg, self._beta))
        if self.num_ws is not None:
            x = x[:, None].repeat(1, self.num_ws, 1)
        if truncation_psi == 1:
            return x
        if self._beta is None:
            raise ValueError(f"truncation_psi={truncation_psi}: this mapping network tracks no average w")
        # w' = w_avg + psi (w - w_avg) (StyleGAN, section B of its supplement)
        if truncation_cutoff is None:
            return self.w_avg.lerp(x, truncation_psi)
        first, rest = x[:, :truncation_cutoff], x[:, truncation_cutoff:]
        return torch.cat([self.w_avg.lerp(first, truncation_psi), rest], dim=1)

    def extra_repr(self) -> str:
        return f"z_dim={self.z_dim}, c_dim={self.c_dim}, w_dim={self.w_dim}, num_ws={self.num_ws}"


def _checked(name: str, value: Tensor | None, dim: int, dtype: torch.dtype) -> Tensor:
    if value is None or value.ndim != 2 or value.shape[1] != dim:
        shape = "nothing" if value is None else list(value.shape)
        raise ValueError(f"{name}: got {shape}, expected [N, {dim}]")
    return value.to(dtype)
