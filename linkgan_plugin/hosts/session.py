"""What `linkgan run` was asked for, as plain data that the host's child processes inherit."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VARIABLE = "LINKGAN_RUN"


@dataclass(frozen=True)
class Session:
    """One host command under `linkgan run`.

    Attributes:
        script: absolute path of the host's script.
        root: absolute path of the host.
        groups: groups of insertions to make in memory.
        device: `cpu` to emulate CUDA on the CPU, None for the real thing.
        smoke: a few steps, a small grid, few pairs.
        overrides: dotted option -> value, set on what the training loop gets.
    """

    script: str
    root: str
    groups: tuple[str, ...] = ("link",)
    device: str | None = None
    smoke: bool = False
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        """The folder of the script, which Python puts first on its search path."""
        return Path(self.script).parent

    def export(self) -> None:
        """Hand the session to every process started from here on."""
        os.environ[VARIABLE] = json.dumps(dataclasses.asdict(self), allow_nan=False)


def current() -> Session | None:
    """Return the session that this process belongs to, or None outside of `linkgan run`."""
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    data = json.loads(text)
    return Session(**{**data, "groups": tuple(data["groups"])})
