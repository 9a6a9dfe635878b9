"""`ProgressFile`: how far a stopped inversion came, beside what it writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training_loops.formats.atomic import atomic_file
from training_loops.snapshots import SnapshotError, load_tensors

NAME = "progress.pt"


@dataclass(frozen=True)
class ProgressFile:
    """The progress of an inversion in its folder.

    Attributes:
        folder: of the inversion.
        kind: of its content, which other kinds are told from.
        version: of the kind.
    """

    folder: Path
    kind: str
    version: int = 1

    @property
    def path(self) -> Path:
        """The file; it exists after `save` and until `remove`."""
        return self.folder / NAME

    def load(self) -> dict[str, Any] | None:
        """Return the progress of a stopped call; None if it is missing or damaged, as it only saves time."""
        try:
            return load_tensors(self.path, self.kind, self.version) if self.path.exists() else None
        except SnapshotError:
            return None

    def save(self, **parts: Any) -> None:
        """Write the progress atomically: tensors and plain data by name."""
        with atomic_file(self.path) as file:
            torch.save({"format": self.kind, "version": self.version, **parts}, file)

    def remove(self) -> None:
        """Remove the file, if there is one."""
        self.path.unlink(missing_ok=True)
