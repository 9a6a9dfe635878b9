"""Finds packages that a host's training needs and that are not installed; reads import statements, imports nothing."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

# Folders that training imports; viewers and dataset tools, which need more packages, are not checked.
FOLDERS = ("dnnlib", "torch_utils", "training", "metrics")
# Modules that a compatibility fix provides.
PROVIDED = ("pkg_resources", "distutils")


def missing_modules(root: Path) -> list[str]:
    """Return the top-level modules that the host at `root` imports for training and that are not installed, sorted.

    Imports in functions and ``try`` blocks are ignored, since they are optional.
    """
    files = [root / "train.py", *(file for folder in FOLDERS for file in sorted((root / folder).rglob("*.py")))]
    names = {name for file in files for name in _imported(file)}
    own = {path.stem for path in root.iterdir()}
    others = names - own - set(sys.stdlib_module_names) - set(PROVIDED)
    return sorted(name for name in others if name not in sys.modules and importlib.util.find_spec(name) is None)


def _imported(file: Path) -> Iterator[str]:
    """Yield the top-level names of the modules that are imported when the file is imported."""
    try:
        statements = ast.parse(file.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            yield statement.module.partition(".")[0]
