"""Conversions between uint8 and [-1, 1]."""

import numpy as np
import torch

from training_loops.formats.pixels import to_float, to_uint8


def test_each_of_the_256_values_comes_back_and_spans_minus_1_to_1():
    pixels = np.arange(256, dtype=np.uint8).reshape(4, 64)
    images = to_float(pixels)
    assert images.dtype == torch.float32
    assert np.allclose(images.numpy(), pixels.astype(np.float64) / 127.5 - 1, rtol=0, atol=1e-7)
    assert np.array_equal(to_uint8(images).numpy(), pixels)


def test_values_are_rounded_to_the_nearest_and_clipped():
    images = torch.tensor([-9.0, -1.0, -1 + 0.4 / 127.5, -1 + 0.6 / 127.5, 1.0, 9.0])
    assert to_uint8(images).tolist() == [0, 0, 0, 1, 255, 255]
