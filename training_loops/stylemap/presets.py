"""The presets of StyleMapGAN, by resolution and number of processes."""

from __future__ import annotations

from dataclasses import replace

from training_loops.presets import Preset
from training_loops.stylegan2.presets import tiny

CHANNELS = 64  # of the stylemap


def stylemap(resolution: int, gpus: int) -> Preset:
    """For one CPU thread and small images: 4 x 4 cells of 64 channels up to 32 pixels, 8 x 8 above."""
    size = 4 if resolution <= 32 else 8
    # The hidden layers of the mapping network have the paper's 64 features; one layer then makes the whole map.
    hidden = {"layer_features": CHANNELS, "embed_features": CHANNELS}
    return replace(
        tiny(resolution, gpus),
        cbase=max(512, 16 * resolution),
        loss_class="training_loops.stylemap.loss.StyleMapLoss",
        G_class="training_loops.stylemap.networks.Generator",
        G={"w_dim": CHANNELS * size**2, "stylemap_size": size, "mapping_kwargs": hidden},
        loss={"latent_weight": 1.0, "image_weight": 1.0, "domain_weight": 1.0},
    )
