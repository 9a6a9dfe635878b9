"""An extension of griffe, which reads our docstrings for the Python reference: it sets sections and entries apart."""

from __future__ import annotations

import re
from typing import Any

import griffe

HEADER = re.compile(r"(?<!\n)\n( *)(Args|Attributes|Returns|Raises):\n")


class Sections(griffe.Extension):
    """Lets a section begin without an empty line above it, and several entries stand on one line."""

    def on_function(self, *, func: griffe.Function, **others: Any) -> None:
        """Set apart what the docstring says of the function's own parameters."""
        self._rewrite(func, [parameter.name.lstrip("*") for parameter in func.parameters])

    def on_class(self, *, cls: griffe.Class, **others: Any) -> None:
        """Set apart what the docstring says of the class's own attributes."""
        self._rewrite(cls, list(cls.members))

    def _rewrite(self, found: griffe.Function | griffe.Class, names: list[str]) -> None:
        if found.docstring is None:
            return
        text = HEADER.sub(r"\n\n\1\2:\n", found.docstring.value).replace("\nExample:\n", "\nExamples:\n")
        for name in names:
            # `    one: a sentence. other: another sentence.` -> an entry each
            text = re.sub(rf"\n(    \S.*[.;]) ({re.escape(name)}: )", r"\n\1\n    \2", text)
        found.docstring.value = text
