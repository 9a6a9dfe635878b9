"""`project_video`: invert a video with one call."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ..generators import LinkedGenerator
from ..networks import Network
from .conditions import labels_for
from .encoder import Encoder
from .encoder_files import load_encoder
from .projected_video import ProjectedVideo
from .settings import SEARCH, STEPS, InversionSettings
from .video_job import VideoJob


def project_video(
    network: Network | LinkedGenerator | nn.Module,
    video: str | Path,
    out: str | Path,
    *,
    space: str = "w+",
    steps: int = STEPS,
    tune: int = 0,
    locality: float = 0.0,
    seed: int = 0,
    method: str = SEARCH,
    encoder: Encoder | str | Path | None = None,
    labels: Tensor | None = None,
    crop: str | None = None,
    frames: tuple[int, int | None] = (0, None),
    batch: int = 8,
) -> ProjectedVideo:
    """Find the latents of all frames of a video, in constant memory; or read them where the folder has them already.

    Args:
        network: the result of `load_network`, a linked generator, or any generator with a space W.
        video: the file.
        out: folder of this video's inversion. A call that was stopped is resumed.
        space: as for `project`.
        steps: of the first frame in each space; each further frame takes a tenth, from the latents of the one before.
        tune: steps of pivotal tuning of one network for all frames; 0 for none.
        locality: weight that keeps tuning local.
        seed: of the search and of tuning.
        method: as for `project`.
        encoder: of this network, or its file; see `linkgan encoder train`.
        labels: [1, c_dim], the class or camera of all frames; required by networks with labels.
        crop: the square of all frames (see `crop.given_square`); by default the largest in the middle.
        frames: the first, and the one after the last or None for all.
        batch: frames encoded or rendered together; it changes results only by rounding.
    Raises:
        LinkGANError: not a video, settings or an encoder that do not fit the network, or a folder of something else.
        Interrupted: after Ctrl-C; call again to resume.
    """
    generator = network if isinstance(network, nn.Module) else network.generator
    settings = InversionSettings(space, steps, tune, False, locality, seed, method)
    device = next(iter(generator.parameters()), torch.zeros([])).device
    opened = load_encoder(encoder, device) if isinstance(encoder, (str, Path)) else encoder
    return VideoJob(
        Path(out),
        generator,
        Path(video),
        settings,
        labels_for(generator, labels, 1),
        "linkgan_plugin.project_video",
        crop=crop,
        span=frames,
        encoder=opened,
        batch=batch,
    ).run()
