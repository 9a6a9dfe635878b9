"""Cutting squares out of photographs: to the pixel where nothing is resized, and aligned by the published formula."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from PIL import Image

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.inversion.crop import (
    Square,
    aligned_square,
    cut,
    given_square,
    largest_square,
    read_landmarks,
    read_photograph,
)
from tests.inversion.conftest import with_broken_chunk


@pytest.fixture
def image() -> Image.Image:
    """20 x 14 pixels of noise."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, [14, 20, 3], dtype=np.uint8))


def test_the_largest_square_is_cut_to_the_pixel(image):
    found = cut(image, largest_square(20, 14), 14)
    assert np.array_equal(np.asarray(found), np.asarray(image)[:, 3:17])


@pytest.mark.parametrize("text", ["4,2,12,10", "0.2,0.142857,0.6,0.714286"])
def test_a_crop_is_in_pixels_or_fractions(text, image):
    found = cut(image, given_square(text, 20, 14), 8)
    assert np.array_equal(np.asarray(found), np.asarray(image)[2:10, 4:12])


def test_a_resized_cut_is_what_lanczos_makes_of_the_pixels(image):
    expected = image.crop((4, 2, 12, 10)).resize((6, 6), Image.Resampling.LANCZOS)
    assert np.array_equal(np.asarray(cut(image, given_square("4,2,12,10", 20, 14), 6)), np.asarray(expected))


def test_a_large_photograph_is_averaged_down():
    stripes = np.zeros([64, 64, 3], np.uint8)
    stripes[:, ::2] = 255
    found = np.asarray(cut(Image.fromarray(stripes), largest_square(64, 64), 8)).astype(int)
    assert abs(found - 127.5).max() <= 3


def test_a_turned_square_turns_the_image(image):
    square = Square((10.0, 7.0), 8, math.pi / 2)
    expected = np.rot90(np.asarray(image)[3:11, 6:14])
    assert np.array_equal(np.asarray(cut(image, square, 8)), expected)


def test_beyond_its_edges_a_photograph_is_mirrored(image):
    found = np.asarray(cut(image, Square((2.0, 7.0), 8), 8))
    pixels = np.asarray(image)[3:11]
    assert np.array_equal(found, np.concatenate([pixels[:, 1::-1], pixels[:, :6]], axis=1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3", "expected x0,y0,x1,y1"),
        ("a,b,c,d", "expected x0,y0,x1,y1"),
        ("0,0,30,30", "not inside 20 x 14"),
        ("5,5,5,5", "not inside"),
        ("0,0,10,5", "10 x 5 pixels, expected a square"),
        ("0,0,0.5,1.0", "10 x 14 pixels, expected a square"),
        ("nan,0,1,1", "not inside"),
    ],
)
def test_other_crops_are_refused(text, message):
    with pytest.raises(LinkGANError, match=message):
        given_square(text, 20, 14)


FACE = np.array([[40.0, 50.0], [60.0, 50.0], [50.0, 60.0], [42.0, 75.0], [58.0, 75.0]])


def test_an_upright_face_is_cut_by_the_published_formula():
    square = aligned_square(FACE)
    # eyes are 20 apart and 25 above the mouth: side max(4 * 20, 3.6 * 25), centre a tenth of 25 below the eyes
    assert (square.side, square.angle) == (pytest.approx(90), pytest.approx(0))
    assert square.centre == pytest.approx((50, 52.5))


def test_a_turned_and_scaled_face_takes_the_square_with_it():
    angle, scale = 0.4, 1.7
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    square = aligned_square(FACE @ turn.T + [30, -20])
    assert square.angle == pytest.approx(angle)
    assert square.side == pytest.approx(90 * scale)
    assert square.centre == pytest.approx(tuple(turn @ [50, 52.5] + [30, -20]))


def test_68_points_are_those_of_ibug():
    points = np.zeros([68, 2])
    spread = np.array([[-2, 0], [-1, -1], [1, -1], [2, 0], [1, 1], [-1, 1]])
    points[36:42], points[42:48] = FACE[0] + spread, FACE[1] + spread
    points[48], points[54] = FACE[3], FACE[4]
    square, expected = aligned_square(points), aligned_square(FACE)
    assert square.centre == pytest.approx(expected.centre)
    assert (square.side, square.angle) == (pytest.approx(expected.side), pytest.approx(expected.angle))


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros([6, 2]), r"landmarks \[6, 2\], expected 5 or 68"),
        (np.zeros([5, 2]), "span a square of 0 pixels"),
        (FACE * 1e6, "span a square of 9e"),
        (FACE * np.nan, "span a square of nan"),
    ],
)
def test_points_that_are_no_face_are_refused(points, message):
    with pytest.raises(LinkGANError, match=message):
        aligned_square(points)


def test_landmarks_are_for_all_photographs_or_by_name(tmp_path):
    path = tmp_path / "points.json"
    path.write_text(json.dumps(FACE.tolist()))
    assert np.array_equal(read_landmarks(path), FACE)
    path.write_text(json.dumps({"me.png": FACE.tolist()}))
    assert np.array_equal(read_landmarks(path)["me.png"], FACE)
    for text in ("{", "[[1, 2], [3]]", '{"me.png": "here"}'):
        path.write_text(text)
        with pytest.raises(LinkGANError, match=r"points.json cannot be read as landmarks"):
            read_landmarks(path)


def test_a_photograph_is_read_the_right_way_up(image, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn a quarter clockwise
    image.save(tmp_path / "photo.png", exif=exif)
    found = read_photograph(tmp_path / "photo.png", 14)
    expected = np.rot90(np.asarray(image), -1)[3:17]
    assert np.allclose(((found[0] + 1) * 127.5).permute(1, 2, 0).numpy(), expected, atol=1e-3)
    grey = read_photograph(tmp_path / "photo.png", 14, channels=1)
    assert grey.shape == (1, 1, 14, 14)
    assert float((grey - found.mean(dim=1, keepdim=True)).abs().mean()) < 0.3


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
def test_grey_of_16_bits_keeps_its_brightness(mode, tmp_path):
    grey = np.arange(64).reshape(8, 8) * 1040
    pixels = grey.astype({"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}[mode])
    Image.frombytes(mode, (8, 8), pixels.tobytes()).save(tmp_path / "grey.tiff")
    assert Image.open(tmp_path / "grey.tiff").mode == mode
    found = read_photograph(tmp_path / "grey.tiff", 8, channels=1)
    assert np.allclose(found[0, 0].numpy(), 2 * grey / 65535 - 1, atol=2 / 255)


@pytest.mark.parametrize(("dtype", "highest"), [(np.float32, 0.5), (np.int32, 70000)])
def test_pixels_of_unknown_range_are_refused(dtype, highest, tmp_path):
    pixels = np.zeros([8, 8], dtype)
    pixels[3, 3] = highest
    Image.fromarray(pixels).save(tmp_path / "grey.tiff")
    with pytest.raises(LinkGANError, match=f"grey.tiff: pixels from 0 to {highest}, expected 8 or 16 bits each"):
        read_photograph(tmp_path / "grey.tiff", 8)


def test_what_is_transparent_is_white_as_on_the_page(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, [8, 8, 4], dtype=np.uint8)
    pixels[:4, :, 3], pixels[4:, :, 3] = 0, 255
    Image.fromarray(pixels).save(tmp_path / "clear.png")
    found = ((read_photograph(tmp_path / "clear.png", 8)[0] + 1) * 127.5).permute(1, 2, 0).numpy()
    assert np.allclose(found[:4], 255)
    assert np.allclose(found[4:], pixels[4:, :, :3], atol=1e-3)


def test_errors_name_the_photograph(image, tmp_path):
    image.save(tmp_path / "photo.png")
    with pytest.raises(LinkGANError, match=r"photo.png: crop '0,0,30,30'"):
        read_photograph(tmp_path / "photo.png", 8, crop="0,0,30,30")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(LinkGANError, match=r"text.png is not a readable image"):
        read_photograph(tmp_path / "text.png", 8)
    (tmp_path / "photo.png").write_bytes(with_broken_chunk((tmp_path / "photo.png").read_bytes()))
    with pytest.raises(LinkGANError, match=r"photo.png is not a readable image \(broken PNG file"):
        read_photograph(tmp_path / "photo.png", 8)
