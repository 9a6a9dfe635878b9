"""A byte stream that knows where it is and how much is left, so that a claimed size cannot outgrow the file."""

from __future__ import annotations

import copy
import io
import weakref
from typing import BinaryIO

from training_loops.errors import InputError
from training_loops.formats.text import printable

_LONGEST_LINE = 512


class PickleError(InputError):
    """A pickle that cannot be read, or that asks for something a network snapshot has no use for.

    Attributes:
        offset: the byte at which it was refused, None where the fault has no place.
        reference: the dotted name that was refused, None where the fault is another one.
    """

    def __init__(self, message: str, *, offset: int | None = None, reference: str | None = None) -> None:
        super().__init__(printable(message))
        self.offset, self.reference = offset, reference


class _Cursor:
    """A file and where it stands, shared by all who read parts of it."""

    def __init__(self, file: BinaryIO, at: int) -> None:
        self.file, self.at = file, at

    def go(self, position: int) -> BinaryIO:
        if position != self.at:
            self.file.seek(position)
            self.at = position
        return self.file


class Source:
    """Reads a seekable stream from where it stands to its end.

    Args:
        file: the stream.
        base: what to add to positions in messages, for a stream that lies inside another.
        close: whether to close the stream when neither this source nor any made from it is left.
    """

    def __init__(self, file: BinaryIO, base: int = 0, close: bool = False) -> None:
        start = file.tell()
        end = file.seek(0, io.SEEK_END)
        file.seek(start)
        self._cursor = _Cursor(file, start)
        if close:
            weakref.finalize(self._cursor, file.close)
        self._base, self._position, self._end = base, start, end

    @property
    def offset(self) -> int:
        """The position of the next byte."""
        return self._base + self._position

    @property
    def left(self) -> int:
        """How many bytes follow."""
        return self._end - self._position

    def part(self, size: int) -> Source:
        """Return the next `size` bytes as a source of their own, and move behind them; none is read.

        Raises:
            PickleError: fewer are left.
        """
        self.check(size)
        part = self.again()
        self._position += size
        part._end = self._position
        return part

    def at(self, position: int) -> Source:
        """Return a source that stands at a byte of the stream. Raises PickleError for one behind its end."""
        source = self.again()
        source._position = 0
        source.check(position)
        source._position = position
        return source

    def again(self) -> Source:
        """Return a source that stands where this one does, and moves by itself."""
        return copy.copy(self)

    def read(self, size: int) -> bytes:
        """Return exactly `size` bytes.

        Raises:
            PickleError: fewer are left; nothing is allocated then.
        """
        self.check(size)
        data = self._cursor.go(self._position).read(size)
        self._moved(len(data), size)
        return data

    def fill(self, buffer: memoryview) -> None:
        """Read as many bytes as `buffer`, a row of bytes, takes.

        Raises:
            PickleError: fewer are left, or the file has become shorter since it was opened.
        """
        self.check(len(buffer))
        file, done = self._cursor.go(self._position), 0
        while done < len(buffer):
            count = file.readinto(buffer[done:])  # type: ignore[attr-defined]
            if not count:
                break
            done += count
        self._moved(done, len(buffer))

    def number(self, size: int) -> int:
        """Return an unsigned little-endian integer of `size` bytes."""
        return int.from_bytes(self.read(size), "little")

    def line(self) -> str:
        """Return a line of text without its end; raises PickleError if it has none."""
        data = self._cursor.go(self._position).readline(min(_LONGEST_LINE, self.left))
        self._moved(len(data), len(data))
        if not data.endswith(b"\n"):
            raise PickleError(f"no end of line before byte {self.offset}", offset=self.offset)
        return data[:-1].decode("utf-8")

    def check(self, size: int) -> None:
        """Raise PickleError where fewer than `size` bytes are left."""
        if not 0 <= size <= self.left:
            raise PickleError(
                f"cut off: {size} bytes wanted at byte {self.offset}, {self.left} left", offset=self.offset
            )

    def _moved(self, done: int, wanted: int) -> None:
        self._position += done
        self._cursor.at += done
        if done != wanted:
            raise PickleError(f"cut off at byte {self.offset}", offset=self.offset)
