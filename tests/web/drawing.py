"""Drawings for the tests: eight grey images, and what is asked of their page."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from linkgan_plugin.web.drawing import Drawing
from linkgan_plugin.web.drawn_links import Given, Latent, Reader, files_of
from linkgan_plugin.web.samples import DataSamples
from training_loops.formats.folder import write_dataset

SIZE, COUNT, DIM = 32, 12, 64


def grey_data(folder: Path) -> Path:
    """Images 0 to 11 of 32 pixels; every pixel of image i is 10 * i."""
    path = folder / "grey.zip"
    write_dataset(path, np.stack([np.full((SIZE, SIZE, 3), 10 * i, np.uint8) for i in range(COUNT)]))
    return path


def drawing_of(data: Path, *links: str, allow_overlap: bool = False) -> Drawing:
    """A drawing over a data set that begins with links."""
    samples = DataSamples(data)
    given = [Given.typed(text, DIM) for text in links]
    latent = Latent(DIM, samples.size, reader=Reader(files_of(given)))
    return Drawing(samples, *samples.mean(), latent, given, any_dim=True, allow_overlap=allow_overlap)
