"""`project`: invert photographs with one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..networks import Network
from .conditions import labels_for
from .crop import read_photograph
from .encoder import Encoder
from .encoder_files import load_encoder
from .perceptual import Distance, PyramidDistance
from .projected import Projected
from .settings import SEARCH, STEPS, InversionSettings
from .stages import Inversion


def project(
    network: Network | LinkedGenerator | nn.Module,
    photographs: Tensor | str | Path | Sequence[str | Path],
    *,
    space: str = "w+",
    steps: int = STEPS,
    tune: int = 0,
    noise: bool = True,
    locality: float = 0.0,
    seed: int = 0,
    method: str = SEARCH,
    encoder: Encoder | str | Path | None = None,
    labels: Tensor | None = None,
    distance: Distance | None = None,
    batch: int = 8,
    progress: Callable[[int], object] | None = None,
) -> list[Projected]:
    """Find the latents of photographs.

    Args:
        network: the result of `load_network`, a linked generator, or any generator with a space W.
        photographs: files, cropped to their largest square, or tensors [N, C, R, R] in [-1, 1] of the network's size
            (see `linkgan_plugin.inversion.crop` for other crops and for alignment by landmarks).
        space: `w` or `w+`, which starts from the result in w.
        steps: steps in each space.
        tune: steps of pivotal tuning afterwards; 0 for none.
        noise: whether the noise maps, if any, are optimised.
        locality: weight that keeps tuning local.
        seed: of the start and of the noise.
        method: `search`; or with an encoder, `encoder` (one pass), `restyle` (all passes), `tune` (these, and
            pivotal tuning) or `details` (these, for renders with the encoder's details, as an `Editor` makes). Only
            `search` uses `space`, `steps` and `noise`.
        encoder: of this network, or its file; see `linkgan encoder train` and `linkgan encoder details`.
        labels: [1 or N, c_dim], classes or cameras; required by networks with labels.
        distance: minimised; by default `PyramidDistance`, which needs no trained network.
        batch: photographs inverted together.
        progress: called with the number of steps since the last call, like a progress bar's `update`.
    Returns:
        One inversion per photograph: ``.latents`` [1, num_ws, w_dim] and the other inputs of `Editor.of_projected`.
    Raises:
        LinkGANError: photographs, labels, settings or an encoder that do not fit the network.

    >>> from linkgan_plugin import project
    >>> from linkgan_plugin.editing.example import example_generator
    >>> g = example_generator()
    >>> face = g.sample([7])
    >>> found = project(g, face.images, space="w", steps=60)[0]
    >>> found.latents.shape
    torch.Size([1, 2, 12])
    >>> bool((g.render(found.latents) - face.images).abs().mean() < 0.05)
    True
    """
    generator = network if isinstance(network, nn.Module) else network.generator
    settings = InversionSettings(space, steps, tune, noise, locality, seed, method)
    device = next(iter(generator.parameters()), torch.zeros([])).device
    opened = load_encoder(encoder, device) if isinstance(encoder, (str, Path)) else encoder
    targets = _photographs(generator, photographs)
    rows = labels_for(generator, labels, len(targets))
    found = []
    for first in range(0, len(targets), batch):
        some = slice(first, first + batch)
        inversion = Inversion(generator, targets[some], rows[some], settings, distance or PyramidDistance(), opened)
        while (image := inversion.finished) < len(targets[some]):
            before = inversion.steps_done
            inversion.advance()
            if progress is not None:
                progress(inversion.steps_done - before)
            found += [inversion.take(done).projected for done in range(image, inversion.finished)]
    return found


def _photographs(generator: nn.Module, photographs: Tensor | str | Path | Sequence[str | Path]) -> Tensor:
    size, channels = (int(getattr(generator, name, 0)) for name in ("img_resolution", "img_channels"))
    if not isinstance(photographs, Tensor):
        paths = [photographs] if isinstance(photographs, (str, Path)) else list(photographs)
        if not paths:
            raise LinkGANError("no photograph was given")
        return torch.cat([read_photograph(Path(path), size, channels) for path in paths])
    if photographs.ndim != 4 or tuple(photographs.shape[1:]) != (channels, size, size) or not len(photographs):
        raise LinkGANError(f"photographs {list(photographs.shape)}, expected [N, {channels}, {size}, {size}]")
    return photographs.detach().float()
