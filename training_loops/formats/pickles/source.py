"""A byte stream that knows its position and remaining length, so that a claimed size cannot exceed the file."""

from __future__ import annotations

import copy
import io
import weakref
from typing import BinaryIO

from training_loops.errors import InputError
from training_loops.formats.text import printable

_LONGEST_LINE = 512
_AHEAD = 4096  # bytes read at once for the small reads of a pickle


class PickleError(InputError):
    """A pickle that cannot be read, or that uses something a network snapshot does not need.

    Attributes:
        offset: the byte of the error, None where it has no position.
        reference: the dotted name that was rejected, None for other errors.
    """

    def __init__(self, message: str, *, offset: int | None = None, reference: str | None = None) -> None:
        super().__init__(printable(message))
        self.offset, self.reference = offset, reference


class _Cursor:
    """A file and its position, shared by all sources that read it."""

    def __init__(self, file: BinaryIO, at: int) -> None:
        self.file, self.at = file, at

    def go(self, position: int) -> BinaryIO:
        if position != self.at:
            self.file.seek(position)
            self.at = position
        return self.file


class Source:
    """Reads a seekable stream from its current position to its end.

    Args:
        file: the stream.
        base: added to positions in messages, for a stream inside another.
        close: whether to close the stream when this source and all sources made from it are deleted.
    """

    def __init__(self, file: BinaryIO, base: int = 0, close: bool = False) -> None:
        start = file.tell()
        end = file.seek(0, io.SEEK_END)
        file.seek(start)
        self._cursor = _Cursor(file, start)
        if close:
            weakref.finalize(self._cursor, file.close)
        self._base, self._position, self._end = base, start, end
        self._held, self._held_at = b"", start  # bytes read ahead and their position

    @property
    def offset(self) -> int:
        """The position of the next byte."""
        return self._base + self._position

    @property
    def left(self) -> int:
        """The number of remaining bytes."""
        return self._end - self._position

    def part(self, size: int) -> Source:
        """Return the next `size` bytes as a separate source and skip them, without reading.

        Raises:
            PickleError: fewer are left.
        """
        self.check(size)
        part = self.again()
        self._position += size
        part._end = self._position
        return part

    def at(self, position: int) -> Source:
        """Return a source at a byte position of the stream. Raises PickleError for a position after its end."""
        source = self.again()
        source._position = 0
        source.check(position)
        source._position = position
        return source

    def again(self) -> Source:
        """Return an independent source at the same position."""
        return copy.copy(self)

    def read(self, size: int) -> bytes:
        """Return exactly `size` bytes.

        Raises:
            PickleError: fewer are left; nothing is allocated then.
        """
        first = self._position - self._held_at
        data = self._held[first : first + size] if first >= 0 <= size <= self._end - self._position else b""
        if len(data) == size > 0:
            self._position += size
            return data
        self.check(size)
        return self._ahead(size)

    def _ahead(self, size: int) -> bytes:
        """Return the next `size` bytes, which are left; the bytes after them are kept if there are few."""
        data = self._cursor.go(self._position).read(min(max(size, _AHEAD), self.left))
        self._cursor.at += len(data)
        if size < _AHEAD:
            self._held, self._held_at = data, self._position
        self._position += min(size, len(data))
        if len(data) < size:
            raise PickleError(f"truncated at byte {self.offset}", offset=self.offset)
        return data[:size]

    def fill(self, buffer: memoryview) -> None:
        """Fill `buffer`, a one-dimensional view of bytes.

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
        """Return a line of text without its line feed; raises PickleError if there is none."""
        data = self._cursor.go(self._position).readline(min(_LONGEST_LINE, self.left))
        self._moved(len(data), len(data))
        if not data.endswith(b"\n"):
            raise PickleError(f"no end of line before byte {self.offset}", offset=self.offset)
        return data[:-1].decode("utf-8")

    def check(self, size: int) -> None:
        """Raise PickleError where fewer than `size` bytes are left."""
        if not 0 <= size <= self.left:
            raise PickleError(
                f"truncated: expected {size} bytes at byte {self.offset}, {self.left} left", offset=self.offset
            )

    def _moved(self, done: int, wanted: int) -> None:
        self._position += done
        self._cursor.at += done
        if done != wanted:
            raise PickleError(f"truncated at byte {self.offset}", offset=self.offset)
