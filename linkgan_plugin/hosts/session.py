"""The settings of `linkgan run`, as plain data that the host's child processes inherit."""

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
        groups: groups of insertions to apply in memory.
        device: `cpu` to emulate CUDA on the CPU, None for CUDA.
        smoke: a trial run with few steps, a small grid and few pairs.
        overrides: dotted option -> value, set in the options of the training loop.
    """

    script: str
    root: str
    groups: tuple[str, ...] = ("link",)
    device: str | None = None
    smoke: bool = False
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        """The folder of the script, the first entry of Python's search path."""
        return Path(self.script).parent

    def export(self) -> None:
        """Pass the session to every process started from now on."""
        os.environ[VARIABLE] = json.dumps(dataclasses.asdict(self), allow_nan=False)


def current() -> Session | None:
    """Return the session of this process, or None outside of `linkgan run`."""
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    data = json.loads(text)
    return Session(**{**data, "groups": tuple(data["groups"])})
