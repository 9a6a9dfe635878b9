"""A byte stream that knows where it is and how much is left, so that a claimed size cannot outgrow the file."""

from __future__ import annotations

import io
from typing import BinaryIO

from ..errors import LinkGANError

_LONGEST_LINE = 512


class PickleError(LinkGANError):
    """A pickle that cannot be read, or that asks for something a network snapshot has no use for.

    Attributes:
        offset: the byte at which it was refused, None where the fault has no place. reference: the dotted name that was
            refused, None where the fault is another one.
    """

    def __init__(self, message: str, *, offset: int | None = None, reference: str | None = None) -> None:
        super().__init__(printable(message))
        self.offset, self.reference = offset, reference


def printable(message: str) -> str:
    """Return a message in which what a file says cannot break lines or steer a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in message)


class Source:
    """Reads a seekable stream from where it stands to its end.

    Args:
        file: the stream. base: what to add to positions in messages, for a stream that lies inside another.
    """

    def __init__(self, file: BinaryIO, base: int = 0) -> None:
        self._file = file
        start = file.tell()
        self._end = file.seek(0, io.SEEK_END)
        file.seek(start)
        self._base, self._position = base, start

    @property
    def offset(self) -> int:
        """The position of the next byte."""
        return self._base + self._position

    @property
    def left(self) -> int:
        """How many bytes follow."""
        return self._end - self._position

    def read(self, size: int) -> bytes:
        """Return exactly `size` bytes.

        Raises:
            PickleError: fewer are left; nothing is allocated then.
        """
        if not 0 <= size <= self.left:
            raise PickleError(
                f"cut off: {size} bytes wanted at byte {self.offset}, {self.left} left", offset=self.offset
            )
        data = self._file.read(size)
        self._position += len(data)
        if len(data) != size:
            raise PickleError(f"cut off at byte {self.offset}", offset=self.offset)
        return data

    def number(self, size: int) -> int:
        """Return an unsigned little-endian integer of `size` bytes."""
        return int.from_bytes(self.read(size), "little")

    def line(self) -> str:
        """Return a line of text without its end."""
        data = self._file.readline(_LONGEST_LINE)
        self._position += len(data)
        if not data.endswith(b"\n"):
            raise PickleError(f"no end of line before byte {self.offset}", offset=self.offset)
        return data[:-1].decode("utf-8")
