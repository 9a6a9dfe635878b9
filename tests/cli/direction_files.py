"""Files of directions for tests of what uses them, not of their format."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from linkgan_plugin.directions.directions import Directions
from linkgan_plugin.editing.saved_directions import directions_from_json, directions_to_json


def write(path: Path, directions: Directions) -> Path:
    """Write directions to a file that `read_as_json` makes `load_directions` read."""
    path.write_text(json.dumps(directions_to_json(directions)))
    return path


def read_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace `load_directions` by a reader of those files."""

    def load_directions(path: Path, num_ws: int | None = None, dim: int | None = None) -> Directions:
        return directions_from_json(json.loads(Path(path).read_text()), "w")

    module = ModuleType("linkgan_plugin.directions.files")
    module.load_directions = load_directions
    monkeypatch.setitem(sys.modules, module.__name__, module)
