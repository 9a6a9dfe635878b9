"""A long list of names in little memory: their bytes in one string, and where each begins and ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np


class Names(Sequence[str]):
    """Different names in the order of `sorted`: 40 bytes each instead of the 100 of a list of strings.

    Args:
        text: the names as UTF-8, in any order.
        starts: int64 [N], where each name begins in `text`.
        ends: int64 [N].
    """

    __slots__ = ("_ends", "_starts", "_text")

    def __init__(self, text: bytes, starts: np.ndarray, ends: np.ndarray) -> None:
        self._text, self._starts, self._ends = text, starts, ends

    @classmethod
    def joined(cls, sorted_names: Sequence[bytes]) -> Names:
        """Return names given as UTF-8, sorted as bytes: that is the order of their code points, as of strings."""
        ends = np.cumsum(np.fromiter(map(len, sorted_names), np.int64, len(sorted_names)))
        return cls(b"".join(sorted_names), np.concatenate([np.zeros(min(1, len(ends)), np.int64), ends[:-1]]), ends)

    @classmethod
    def of(cls, names: Iterable[str]) -> Names:
        """Return different names, sorted."""
        return cls.joined(sorted(encoded(name) for name in names))

    def chosen(self, rows: np.ndarray) -> Names:
        """Return the names at `rows`, int [M] increasing; shares the text."""
        return Names(self._text, self._starts[rows], self._ends[rows])

    def find(self, name: str) -> int | None:
        """Return the row of a name, None where it is not among them."""
        key, low, high = encoded(name), 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self._bytes(middle) < key:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self) and self._bytes(low) == key else None

    def _bytes(self, row: int) -> bytes:
        return self._text[self._starts[row] : self._ends[row]]

    def __len__(self) -> int:
        return len(self._ends)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(name) is not None

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> Names: ...
    def __getitem__(self, row: int | slice) -> str | Names:
        if isinstance(row, slice):
            return self.chosen(np.arange(len(self))[row])
        return self._bytes(row).decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        # Views make one number at a time; lists of a million numbers are 40 MB each.
        for start, end in zip(self._starts.data, self._ends.data, strict=True):
            yield self._text[start:end].decode("utf-8", "surrogatepass")


def encoded(name: str) -> bytes:
    """Return a name as UTF-8; file names with other bytes have surrogates, which are kept."""
    return name.encode("utf-8", "surrogatepass")
