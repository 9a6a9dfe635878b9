"""The main module of a host's spawned child processes under `linkgan run`: the host's script with insertions."""

from __future__ import annotations

from .importing import compiled
from .launch import prepare, source_of
from .session import current


def _load_script() -> None:
    """Define in this module everything that the script defines, as a child's import of the script would."""
    session = current()
    if session is not None:
        globals()["__file__"] = session.script
        exec(compiled(source_of(session, prepare(session)), session.script), globals())


# Python runs this file under the name __mp_main__ in a spawned child; a plain import does nothing.
if __name__ == "__mp_main__":
    _load_script()
