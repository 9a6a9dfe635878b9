"""Mask images: what counts as one, and the area-exact resize."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.regions.mask import MaskImage
from tests.regions.shapes import SIZES, masks, png

HALF = np.array([[255, 0], [255, 0]], np.uint8)


@settings(max_examples=40, deadline=None)
@given(masks(), SIZES)
def test_resize_is_the_mean_over_each_pixel(mask, size):
    image, (height, width) = mask.shares, size
    fine = np.kron(image, np.ones(size))  # image pixels and image pixels are whole numbers of its cells
    expected = fine.reshape(height, image.shape[0], width, image.shape[1]).mean(axis=(1, 3))
    np.testing.assert_allclose(mask.coverage(height, width), expected, atol=1e-6)


def test_white_is_the_region():
    assert MaskImage("m.png", png(HALF)).coverage(2, 4).tolist() == [[1, 1, 0, 0], [1, 1, 0, 0]]


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "P"])
def test_gray_images_of_every_png_mode_read_alike(mode):
    assert MaskImage("m.png", png(HALF, mode)).coverage(2, 2).tolist() == [[1, 0], [1, 0]]


def test_sixteen_bit_gray_is_scaled_by_its_own_white():
    mask = MaskImage("m.png", png(np.array([[65535, 0, 32768]], np.uint16)))
    np.testing.assert_allclose(mask.coverage(1, 3), [[1, 0, 32768 / 65535]], atol=1e-6)


def test_alpha_is_the_region_whatever_the_colours():
    rgba = np.zeros((1, 2, 4), np.uint8)
    rgba[0, 0] = (10, 200, 30, 255)
    rgba[0, 1, 3] = 51
    np.testing.assert_allclose(MaskImage("m.png", png(rgba)).coverage(1, 2), [[1, 0.2]], atol=1e-6)
    gray_alpha = np.array([[[0, 255], [255, 0]]], np.uint8)
    assert MaskImage("m.png", png(gray_alpha)).coverage(1, 2).tolist() == [[1, 0]]


def test_a_transparent_palette_colour_is_alpha():
    assert MaskImage("m.png", png(HALF, "P", transparency=0)).coverage(2, 2).tolist() == [[1, 0], [1, 0]]


def test_the_files_bytes_are_embedded_by_the_name_in_the_expression():
    data = png(HALF)
    mask = MaskImage.parse(["my logo.png"], {"my logo.png": data}.__getitem__)
    assert mask.files() == {"my logo.png": data}
    assert str(mask) == "mask(my logo.png)"
    assert "PNG" not in repr(mask)


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(HALF).save(buffer, format="JPEG")
    return buffer.getvalue()


COLOUR = np.zeros((2, 2, 3), np.uint8)
COLOUR[0, 0] = (255, 0, 0)
OPAQUE = np.full((2, 2, 4), 255, np.uint8)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png(COLOUR), "mask 'm.png' is a colour image; use mask(file.png): a grayscale PNG, white where the region"),
        (jpeg(), "mask 'm.png' is a JPEG file, not a PNG"),
        (b"", "mask 'm.png' is an empty file"),
        (b"hello", "mask 'm.png' cannot be read as an image"),
        (png(HALF)[:40], "mask 'm.png' cannot be read as an image"),
        (png(HALF * 0), "mask 'm.png' is empty: no pixel is white (or opaque)"),
        (png(OPAQUE), "opaque everywhere, so it selects the whole image; save it as grayscale without alpha"),
    ],
    ids=["colour", "jpeg", "empty file", "text", "truncated", "black", "opaque"],
)
def test_a_file_that_is_no_mask_is_refused(data, message):
    with pytest.raises(LinkGANError) as error:
        MaskImage("m.png", data)
    assert message in str(error.value)


def test_mask_takes_one_file():
    with pytest.raises(LinkGANError, match=r"mask takes one file, not 2; write mask\(file.png\)"):
        MaskImage.parse(["a.png", "b.png"], lambda name: png(HALF))


@pytest.mark.parametrize(
    "pixels",
    [
        np.array([[1, 0], [1, 0]], np.uint8),
        np.array([[0, 1, 2, 5]], np.uint8),  # a map of classes
        np.array([[1, 0]], np.uint16),
        np.dstack([np.full([1, 2, 3], 200, np.uint8), np.array([[[1], [0]]], np.uint8)]),  # as transparency
    ],
)
def test_a_mask_of_zeros_and_ones_is_refused_with_the_way_out(pixels):
    with pytest.raises(LinkGANError, match=r"mask 'm.png' is almost black: .* multiply a mask of 0 and 1 by 255"):
        MaskImage("m.png", png(pixels))


def test_a_faint_mask_and_one_of_one_bit_are_masks():
    assert MaskImage("m.png", png(np.array([[16, 0]], np.uint8))).coverage(1, 2)[0, 0] == pytest.approx(16 / 255)
    assert MaskImage("m.png", png(np.array([[1, 0]], np.uint8) * 255, "1")).coverage(1, 2).tolist() == [[1, 0]]


def test_a_file_that_is_no_image_is_named_and_no_buffer_of_ours():
    with pytest.raises(
        LinkGANError, match=r"mask 'm.png' cannot be read as an image \(.* is not a readable image \(expected PNG"
    ) as raised:
        MaskImage("m.png", b"not an image")
    assert "BytesIO" not in str(raised.value)
