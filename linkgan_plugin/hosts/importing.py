"""Insertions in memory: a host's modules are compiled from their text with inserted lines; files are unchanged."""

from __future__ import annotations

import ast
import difflib
import importlib.abc
import importlib.machinery
import sys
import tokenize
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import CodeType, ModuleType

from .insertions import encode


class InsertedLoader(importlib.machinery.SourceFileLoader):
    """Loads a module from a text instead of its file."""

    def __init__(self, fullname: str, path: str, text: str) -> None:
        super().__init__(fullname, path)
        self.text = text

    def get_code(self, fullname: str) -> CodeType:
        """Compile the text, bypassing Python's cache of compiled files."""
        return compiled(self.text, self.path)


class InsertingFinder(importlib.abc.MetaPathFinder):
    """Finds modules as Python does, and replaces the loader of files with insertions.

    Args:
        texts: absolute, resolved path -> the text to compile instead of the file's.
    """

    def __init__(self, texts: Mapping[Path, str]) -> None:
        self.texts = texts

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the module's spec if its file has insertions, else None."""
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or not spec.has_location or spec.origin is None:
            return None
        text = self.texts.get(Path(spec.origin).resolve())
        if text is None:
            return None
        spec.loader = InsertedLoader(fullname, spec.origin, text)
        return spec


def compiled(text: str, path: str) -> CodeType:
    """Compile a file's text so that tracebacks show the lines of the file on disk.

    An inserted line gets the number of the line before it.
    """
    tree = ast.parse(encode(text), path)
    with tokenize.open(path) as file:
        numbers = _numbers(text.splitlines(), file.read().splitlines())
    for node in ast.walk(tree):
        for name in ("lineno", "end_lineno"):
            if hasattr(node, name):
                setattr(node, name, numbers[getattr(node, name) - 1])
    return compile(tree, path, "exec", dont_inherit=True)


def _numbers(lines: Sequence[str], disk: Sequence[str]) -> list[int]:
    """Return for every line the number, from 1, of the same line on disk, or of the previous one there."""
    numbers: list[int] = []
    matcher = difflib.SequenceMatcher(None, lines, disk, autojunk=False)
    for tag, start, stop, first, _ in matcher.get_opcodes():
        numbers += [first + 1 + k if tag == "equal" else max(first, 1) for k in range(stop - start)]
    return numbers


def install(texts: Mapping[Path, str]) -> None:
    """Make this process import the given files with their new text; call it before the host's first import."""
    sys.meta_path.insert(0, InsertingFinder({path.resolve(): text for path, text in texts.items()}))
