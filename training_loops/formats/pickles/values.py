"""The inert values on the pickle machine's stack, in addition to plain Python data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training_loops.formats.budget import Budget
from training_loops.formats.pickles.source import Source

# Where a run of values begins on the stack.
MARK = object()


@dataclass(frozen=True)
class Allowed:
    """The meaning of a global of the allow-list; a global that is only data has neither `call` nor `new`.

    Attributes:
        name: the dotted name.
        call: returns the value of a REDUCE from its arguments, in time and memory linear in their length.
        new: returns an empty instance.
    """

    name: str
    call: Callable[..., Any] | None = None
    new: Callable[[], Any] | None = None


class Buildable:
    """A value that accepts the state of a BUILD; other values do not."""

    def build(self, state: Any) -> None:
        """Set the state; raises ValueError where it is invalid."""
        raise NotImplementedError


class Blob:
    """Bytes in a pickle, read from the file on demand.

    Attributes:
        source: positioned at the first byte; read a copy of it (`again`).
        budget: of the file that contains them.
        made: the value made from them, cached for later calls.
    """

    def __init__(self, source: Source, budget: Budget) -> None:
        self.source, self.budget = source, budget
        self.made: Any = None

    @property
    def data(self) -> bytes:
        """The bytes; each access makes a new copy, which is charged."""
        self.budget.charge(bytes=self.source.left)
        return self.source.again().read(self.source.left)


class Ordered(dict[Any, Any], Buildable):
    """An OrderedDict, created empty. Attributes that PyTorch sets on state dicts are ignored."""

    def __init__(self, *args: Any) -> None:
        if args:
            raise ValueError("an OrderedDict that is not made empty")
        super().__init__()

    def build(self, state: Any) -> None:
        """Ignore the attributes."""
