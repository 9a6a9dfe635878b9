"""The quick PNG: every reader takes it, and it is the picture to the bit."""

from __future__ import annotations

import io

import numpy as np
import pyspng
import pytest
from PIL import Image

from linkgan_plugin.editing.web.png import stored_png


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 5), (16, 16), (150, 200)])
def test_other_readers_find_the_pixels_that_were_written(height, width):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    data = stored_png(pixels)
    assert np.array_equal(pyspng.load(data), pixels)
    with Image.open(io.BytesIO(data)) as image:
        image.verify()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
    assert len(data) < pixels.size + height + 200 + pixels.size // 1000
