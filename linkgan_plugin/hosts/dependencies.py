"""Which packages a host's training needs and this environment lacks; reads import statements, imports nothing."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

# Folders that training imports; viewers and dataset tools need more, and are no business of ours.
FOLDERS = ("dnnlib", "torch_utils", "training", "metrics")
# Modules that a remedy brings back.
REMEDIED = ("pkg_resources", "distutils")


def missing_modules(root: Path) -> list[str]:
    """Return the top-level modules that the host at `root` imports for training and that are not installed, sorted.

    Imports within functions and ``try`` blocks do not count: the host can do without those.
    """
    files = [root / "train.py", *(file for folder in FOLDERS for file in sorted((root / folder).rglob("*.py")))]
    names = {name for file in files for name in _imported(file)}
    own = {path.stem for path in root.iterdir()}
    strange = names - own - set(sys.stdlib_module_names) - set(REMEDIED)
    return sorted(name for name in strange if name not in sys.modules and importlib.util.find_spec(name) is None)


def _imported(file: Path) -> Iterator[str]:
    """Yield the first names of the modules that a file imports as soon as it is imported itself."""
    try:
        statements = ast.parse(file.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            yield statement.module.partition(".")[0]
