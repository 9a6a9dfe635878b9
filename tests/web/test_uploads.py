"""Photographs from outside: what is taken, and what hostile files get."""

from __future__ import annotations

import io
import resource
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from linkgan_plugin.web import uploads
from linkgan_plugin.web.uploads import UploadError, open_photograph


def encoded(kind, size=(20, 12), mode="RGB", **options):
    """A file of seeded noise."""
    bands = len(mode)
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], bands), dtype=np.uint8).squeeze()
    buffer = io.BytesIO()
    Image.fromarray(pixels, mode).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width, height, data, *chunks):
    """A PNG that claims a size and holds what it is given."""
    header = chunk(b"IHDR", struct.pack(">II5B", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_photographs_of_the_three_kinds_are_read(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    image = open_photograph(encoded(kind, **options))
    assert (image.size, image.mode) == ((20, 12), "RGB")
    if kind != "JPEG":
        assert image.tobytes() == Image.open(io.BytesIO(encoded("PNG"))).tobytes()


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA"])
def test_other_colours_become_rgb_on_white(mode):
    image = open_photograph(encoded("PNG", mode=mode))
    assert image.mode == "RGB"
    clear = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    buffer = io.BytesIO()
    clear.save(buffer, "PNG")
    assert open_photograph(buffer.getvalue()).getpixel((0, 0)) == (255, 255, 255)


def test_grey_of_16_bits_is_as_bright_as_the_same_in_colour():
    grey = np.linspace(0, 65535, 20 * 12).astype(">u2").reshape(12, 20)
    rows = b"".join(b"\0" + row.repeat(3).tobytes() for row in grey)
    header = chunk(b"IHDR", struct.pack(">II5B", 20, 12, 16, 2, 0, 0, 0))
    colour = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    buffer = io.BytesIO()
    Image.fromarray(grey.astype(np.uint16)).save(buffer, "PNG")
    assert open_photograph(buffer.getvalue()).tobytes() == open_photograph(colour).tobytes()
    assert np.asarray(open_photograph(colour)).mean() == pytest.approx(127.5, abs=0.5)


def test_cameras_that_were_held_sideways_are_turned_up():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert open_photograph(encoded("JPEG", exif=exif.tobytes())).size == (12, 20)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "BMP", "PPM", "ICO", "TGA", "PCX", "SGI", "DDS", "PDF", "EPS"])
def test_other_kinds_of_images_are_refused_by_what_they_are(kind):
    with pytest.raises(UploadError, match="choose a PNG, JPEG or WebP"):
        open_photograph(encoded(kind))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG",
        b"cos\nsystem\n(S'true'\ntR.",
        b"\x80\x04\x95",
        b"PK\x03\x04",
        b"\x7fELF",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"<!DOCTYPE html><script>alert(1)</script>",
        b"%!PS-Adobe\n(/etc/passwd) run",
        b"push graphic-context\nviewbox 0 0 1 1\nfill 'url(https://x/)'",
        b"RIFF\x00\x00\x00\x00WAVE",
        b"GIF89a" + encoded("PNG"),
    ],
)
def test_what_is_no_image_is_refused(data):
    with pytest.raises(UploadError, match="choose a PNG, JPEG or WebP"):
        open_photograph(data)


def test_sizes_are_looked_at_before_anything_is_decoded():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bombs = [
        png_of(60_000, 60_000, zlib.compress(bytes(1000))),
        png_of(2**31 - 1, 2**31 - 1, b""),
        png_of(9000, 9000, zlib.compress(bytes(9000 * 27_001 // 8), 9)),
        png_of(64, 64, b"", chunk(b"iTXt", b"x\0\1\0\0\0" + zlib.compress(bytes(40_000_000), 9))),
        png_of(64, 64, b"", chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(40_000_000), 9))),
    ]
    for bomb in bombs:
        with pytest.raises(UploadError):
            open_photograph(bomb)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024
    assert grown < 150, f"{grown:.0f} MiB more, of which 40 are the test's own"


@pytest.mark.parametrize(("size", "says"), [((5000, 4000), "at most 16 million"), ((7, 100), "at least 8 per side")])
def test_a_refusal_names_the_size_and_the_limit(size, says):
    with pytest.raises(UploadError, match=f"has {size[0]} x {size[1]} pixels; choose one with {says}"):
        open_photograph(png_of(*size, b""))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_damaged_files_are_refused_or_read_and_nothing_else_happens(kind):
    whole, random = encoded(kind), np.random.default_rng(1)
    damaged = [whole[:length] for length in range(0, len(whole), max(1, len(whole) // 60))]
    for _ in range(240):
        data = bytearray(whole)
        for place in random.integers(0, len(data), random.integers(1, 8)):
            data[place] = random.integers(0, 256)
        damaged.append(bytes(data))
    refused = 0
    for data in damaged:
        try:
            image = open_photograph(data)
        except UploadError:
            refused += 1
        else:
            assert image.width * image.height <= uploads.MOST_PIXELS
    assert 60 <= refused <= len(damaged)


def test_damaged_exif_is_refused():
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "maker", 6
    whole = encoded("JPEG", exif=exif.tobytes())
    damaged = whole.replace(b"\x01\x0f\x00\x02", b"\x01\x3e\x00\x02")  # the maker becomes a white point
    assert damaged != whole
    with pytest.raises(TypeError):
        ImageOps.exif_transpose(Image.open(io.BytesIO(damaged)))
    with pytest.raises(UploadError, match="this JPEG file is broken"):
        open_photograph(damaged)


def test_the_first_of_several_images_is_taken():
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert open_photograph(buffer.getvalue()).getpixel((3, 3)) == (255, 0, 0)
