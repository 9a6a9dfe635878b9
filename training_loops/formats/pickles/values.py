"""What lies on the pickle machine's stack besides plain Python data: inert values of our own."""

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
    """What a global of the allow-list stands for; a global that is only data has neither way of making values.

    Attributes:
        name: the dotted name.
        call: makes the value of a REDUCE from its arguments, in time and memory that grow with their length alone.
        new: makes an empty instance.
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
    """Bytes in a pickle, left in the file until they are asked for.

    Attributes:
        source: stands at the first of the bytes; read a copy of it (`again`).
        budget: of the file that they lie in.
        made: what was made of them, for whoever asks again.
    """

    def __init__(self, source: Source, budget: Budget) -> None:
        self.source, self.budget = source, budget
        self.made: Any = None

    @property
    def data(self) -> bytes:
        """The bytes, a new copy each time, which is charged."""
        self.budget.charge(bytes=self.source.left)
        return self.source.again().read(self.source.left)


class Ordered(dict[Any, Any], Buildable):
    """An OrderedDict without items yet. What PyTorch notes on state dicts beside their items is left out."""

    def __init__(self, *args: Any) -> None:
        if args:
            raise ValueError("an OrderedDict that is not made empty")
        super().__init__()

    def build(self, state: Any) -> None:
        """Ignore the attributes."""
