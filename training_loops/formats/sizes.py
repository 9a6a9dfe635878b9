"""Bounds on the sizes in a network's arguments, checked before a network from a file is built."""

from __future__ import annotations

from typing import Any

from training_loops.errors import InputError

# The largest values of public networks, with a margin: z and w of 512, 1,000 classes, 1024 pixels, channel base of
# 32,768, mappings of 8 and syntheses of 16 layers, filters of 6 samples for each factor of 2.
LARGEST = {
    "z_dim": 1 << 14,
    "w_dim": 1 << 14,
    "c_dim": 1 << 16,
    "img_resolution": 1 << 13,
    "img_channels": 1 << 10,
    "channel_base": 1 << 20,
    "channel_max": 1 << 14,
    "stylemap_size": 64,
    "layer_features": 1 << 14,
    "embed_features": 1 << 14,
    "num_ws": 256,
    "num_layers": 64,
    "num_critical": 64,
    "filter_size": 64,
    "lrelu_upsampling": 16,
    "conv_kernel": 31,
    "margin_size": 256,
    "mbstd_group_size": 1 << 14,
    "mbstd_num_channels": 256,
}
_LARGEST_OTHER = 1 << 20
_LONGEST = 1000


def check_sizes(kwargs: Any, name: str = "") -> None:
    """Check the numbers in a network's arguments, including nested ones.

    Args:
        kwargs: plain data.
        name: its name among the arguments.
    Raises:
        InputError: a number above its bound, or a list that is too long; names it.
    """
    if isinstance(kwargs, (int, float)):
        largest = LARGEST.get(name, _LARGEST_OTHER)
        if not abs(kwargs) <= largest:
            raise InputError(f"{name or 'a size'} of {kwargs:.3g} among its arguments, expected at most {largest}")
    elif isinstance(kwargs, (dict, list, tuple)):
        if len(kwargs) > _LONGEST:
            raise InputError(f"{len(kwargs)} values in {name or 'its arguments'}, expected at most {_LONGEST}")
        pairs = kwargs.items() if isinstance(kwargs, dict) else ((name, item) for item in kwargs)
        for key, item in pairs:
            check_sizes(item, key if isinstance(key, str) else name)
