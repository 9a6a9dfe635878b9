"""What lies on the pickle machine's stack besides plain Python data: inert values of our own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Where a run of values begins on the stack.
MARK = object()


@dataclass(frozen=True)
class Allowed:
    """What a global of the allow-list stands for; a global that is only data has neither way of making values.

    Attributes:
        name: the dotted name. call: makes the value of a REDUCE from its arguments. new: makes an empty instance.
    """

    name: str
    call: Callable[..., Any] | None = None
    new: Callable[[], Any] | None = None


class Buildable:
    """A value that takes the state of a BUILD; no other value does."""

    def build(self, state: Any) -> None:
        """Take over `state`; raises ValueError where it does not fit."""
        raise NotImplementedError


class Blob:
    """Bytes in a pickle. They can be taken out once, so that what is made of them need not be held twice.

    The pickle's memo refers to everything it has seen; it keeps this holder alive, not the bytes.

    Attributes:
        offset: where the bytes begin in the file. made: what was made of them, for whoever asks again.
    """

    def __init__(self, data: bytes, offset: int) -> None:
        self._data: bytes | None = data
        self.offset = offset
        self.made: Any = None

    def take(self) -> bytes:
        """Return the bytes and forget them."""
        data, self._data = self._data, None
        if data is None:
            raise ValueError("bytes that were used before")
        return data

    @property
    def data(self) -> bytes:
        """The bytes."""
        if self._data is None:
            raise ValueError("bytes that were used before")
        return self._data
