"""PNG files with metadata for reproducing the image."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, PngImagePlugin

from training_loops.formats.atomic import write_bytes

from .pixels import Pixels


def png_bytes(pixels: Pixels, metadata: dict[str, str] | None = None) -> bytes:
    """Encode [H, W, 3] as PNG, with text metadata."""
    info = PngImagePlugin.PngInfo()
    for key, value in (metadata or {}).items():
        info.add_itxt(key, value)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", pnginfo=info, optimize=True)
    return buffer.getvalue()


def save_png(path: Path, pixels: Pixels, metadata: dict[str, str] | None = None) -> None:
    """Write [H, W, 3] as a PNG with `metadata` (command, seeds, spec)."""
    write_bytes(path, png_bytes(pixels, metadata))
