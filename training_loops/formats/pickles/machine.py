"""The pickle machine: runs opcodes on inert values; it imports nothing and calls only what the allow-list defines.

Python's `pickle.Unpickler` with a restricted `find_class` is not enough: errors must name the byte offset, memory and
time must be bounded while the file is read, and tensors must stay in the file until they are used.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

from training_loops.errors import InputError
from training_loops.formats.budget import PICKLE, Budget
from training_loops.formats.pickles.opcodes import INSTRUCTIONS
from training_loops.formats.pickles.source import PickleError, Source
from training_loops.formats.pickles.values import MARK, Allowed

_STEPS = 64  # charged at once

Lookup = Callable[[str, str], Allowed | None]
Refuse = Callable[[str, int], PickleError]


def refuse(name: str, offset: int) -> PickleError:
    """Return the error for a global outside the allow-list."""
    message = f"refers to {name[:200]} at byte {offset}, which network snapshots do not need; no code was run"
    return PickleError(message, offset=offset, reference=name)


class Machine:
    """Runs one pickle.

    Args:
        source: the pickle.
        lookup: the allow-list: returns the meaning of a module and qualified name, or None.
        budget: cost limits of the file; by default its own.
        persistent: returns the value of a persistent id; without it such ids are rejected.
        refuse: returns the error for an unknown global, from its dotted name and byte offset.
    """

    def __init__(
        self,
        source: Source,
        lookup: Lookup,
        *,
        budget: Budget | None = None,
        persistent: Callable[[Any], Any] | None = None,
        refuse: Refuse = refuse,
    ) -> None:
        self.source, self.persistent = source, persistent
        self.budget = budget or Budget("the pickle", PICKLE)
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.globals: dict[tuple[str, str], int] = {}
        self.at = source.offset
        self._lookup, self.refuse = lookup, refuse

    def run(self) -> Any:
        """Return the value that the pickle describes.

        Raises:
            PickleError: a global outside the allow-list, or a damaged file; the message names the byte.
            BudgetError: it exceeds the cost limits.
        """
        with self.budget:
            return self._run()

    def _run(self) -> Any:
        stop, steps = pickle.STOP[0], 0
        while True:
            self.at = self.source.offset
            if not steps:  # a function call per step would take as long as the step
                self.budget.charge(items=_STEPS)
                steps = _STEPS
            steps -= 1
            code = self.source.read(1)[0]
            try:
                if code == stop:
                    self.budget.charge(items=-steps)
                    return self.pop()
                instruction = INSTRUCTIONS.get(code)
                if instruction is None:
                    raise ValueError(f"instruction 0x{code:02x} is not used by network snapshots")
                instruction(self)
            except InputError:
                raise
            except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RuntimeError) as error:
                reason = (str(error) or type(error).__name__).splitlines()[0][:200]
                raise PickleError(f"damaged at byte {self.at} ({reason})", offset=self.at) from error

    def call(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Return ``function(*args)`` and charge the size of its arguments, since it may copy them once."""
        for value in args:
            if type(value) in (list, tuple, dict, set):
                self.budget.charge(items=len(value))
            elif type(value) is str:
                self.budget.charge(bytes=len(value))
        return function(*args)

    def pop(self) -> Any:
        """Remove and return the top of the stack."""
        value = self.stack.pop()
        if value is MARK:
            raise ValueError("a mark where a value should be")
        return value

    def top(self, *kinds: type) -> Any:
        """Return the value on top of the stack, whose type must be exactly one of `kinds`."""
        if type(self.stack[-1]) not in kinds:
            raise ValueError(f"a {type(self.stack[-1]).__name__} where a {kinds[0].__name__} should be")
        return self.stack[-1]

    def pop_to_mark(self) -> list[Any]:
        """Remove the last mark and the values above it, and return the values."""
        start = len(self.stack) - 1
        while self.stack[start] is not MARK:
            start -= 1
            if start < 0:
                raise ValueError("no mark")
        values = self.stack[start + 1 :]
        del self.stack[start:]
        return values

    def find(self, module: Any, name: Any) -> None:
        """Push the meaning of the global ``module.name``."""
        if type(module) is not str or type(name) is not str:
            raise ValueError("a global whose name is not text")
        allowed = self._lookup(module, name)
        if allowed is None:
            raise self.refuse(f"{module}.{name}", self.at)
        self.globals.setdefault((module, name), self.at)
        self.stack.append(allowed)

    def allowed(self, value: Any) -> Allowed:
        """Return `value` if it is a global of the allow-list."""
        if type(value) is not Allowed:
            raise ValueError(f"a call of a {type(value).__name__}")
        return value
