"""An extension of griffe, which reads our docstrings for the Python reference: it separates sections."""

from __future__ import annotations

import re
from typing import Any

import griffe

HEADER = re.compile(r"(?<!\n)\n( *)(Args|Attributes|Returns|Raises):\n")


class Sections(griffe.Extension):
    """Lets a section begin without an empty line above it."""

    def on_object(self, *, obj: griffe.Object, **others: Any) -> None:
        """Add the empty lines that griffe expects."""
        if obj.docstring is not None:
            text = HEADER.sub(r"\n\n\1\2:\n", obj.docstring.value)
            obj.docstring.value = text.replace("\nExample:\n", "\nExamples:\n")
