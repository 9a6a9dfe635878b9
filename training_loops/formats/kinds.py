"""Detects the kind of a file from its first bytes, never from its name."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path

from training_loops.errors import InputError
from training_loops.formats.gzips import first_bytes
from training_loops.formats.text import printable

# torch.save's older format begins with a pickle of this number, in any pickle protocol.
_ROW = re.compile(rb"\x80[\x02-\x05](\x95.{8})?\x8a\x0a" + re.escape(bytes.fromhex("6cfc9c46f9206aa85019")), re.DOTALL)
_SHOWN = 12


class Kind(str, Enum):
    """The kinds of files that the readers here open."""

    PICKLE = "a pickle, the format of the hosts' snapshots"
    ARCHIVE = "a zip archive, as written by torch.save"
    ROW = "a file written by torch.save before PyTorch 1.6"
    TENSORS = "a .safetensors file"
    ARRAY = "a NumPy array"


# Common mistakes: a wrong download, a compressed file, an image, another framework's weights.
_OTHERS: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(start, re.DOTALL | re.IGNORECASE), what)
    for start, what in (
        (rb"\s*<(!doctype|html|\?xml|head|script)", "a web page; the download link leads to a page, not to the file"),
        (rb"version https://git-lfs", "a Git LFS pointer; download the file itself with `git lfs pull`"),
        (rb"\x1f\x8b", "gzip-compressed twice, or damaged gzip data; decompress it first"),
        (rb"BZh[1-9]", "compressed by bzip2; decompress it first"),
        (rb"\xfd7zXZ\0", "compressed by xz; decompress it first"),
        (rb"\x28\xb5\x2f\xfd", "compressed by zstd; decompress it first"),
        (rb"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
        (rb"Rar!\x1a\x07", "a RAR archive; unpack it first"),
        (rb".{257}ustar", "a tar archive; unpack it first"),
        (rb"PK\x05\x06", "an empty zip archive"),
        (rb"\x89HDF\r\n", "an HDF5 file, such as Keras weights"),
        (rb"GGUF", "a GGUF file of a language model"),
        (rb"\x89PNG", "a PNG image"),
        (rb"\xff\xd8\xff", "a JPEG image"),
        (rb"GIF8", "a GIF image"),
        (rb"RIFF.{4}WEBP", "a WebP image"),
        (rb"\s*[\[{]", "JSON text"),
        (rb"\0+$", "a file of zeros, such as an interrupted download"),
    )
)


def kind_of(head: bytes) -> Kind | None:
    """Return the kind of a file that begins with `head` (512 bytes, or the whole file), None for an unknown kind."""
    if _ROW.match(head):
        return Kind.ROW
    if head[4:9] == b"\0\0\0\0{":  # before pickles: a size of 640 begins with their two first bytes
        return Kind.TENSORS
    if re.match(rb"\x80[\x01-\xff]", head):
        return Kind.PICKLE
    if head.startswith(b"PK\x03\x04"):
        return Kind.ARCHIVE
    if head.startswith(b"\x93NUMPY"):
        return Kind.ARRAY
    if head[8:9] == b"{" and (b"\0" in head[:8] or not head[:8].isascii()):  # a size before JSON, not text
        return Kind.TENSORS
    return None


def looks_like(head: bytes) -> str:
    """Describe a file that begins with `head`, as far as it can be recognised."""
    if not head:
        return "an empty file"
    kind = kind_of(head)
    if kind is not None:
        return kind.value
    found = next((what for start, what in _OTHERS if start.match(head)), None)
    return found or f"an unknown kind of file (it begins with {head[:_SHOWN]!r})"


def kind_of_file(path: Path, wanted: tuple[Kind, ...], expected: str) -> Kind:
    """Return the kind of a file, or of its content if it is gzip-compressed.

    Args:
        wanted: the accepted kinds.
        expected: their description in the message.
    Raises:
        InputError: no such file, or another kind; says what it looks like.
    """
    head = first_bytes(path)
    kind = kind_of(head)
    if kind not in wanted:
        raise InputError(printable(f"{path}: {looks_like(head)}; expected {expected}"))
    return kind
