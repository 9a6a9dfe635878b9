"""Runs a host's script as Python would, with insertions in memory, in this process and its children."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import LinkGANError
from . import importing
from .insertions import plan
from .session import Session

# Spawned children of a host import the parent's main module by this name; see child.py.
CHILD = f"{__package__}.child"


def prepare(session: Session) -> dict[Path, str]:
    """Prepare this process for the host's modules; return path -> text of the files with insertions."""
    if session.device == "cpu":
        from .cpu import emulate

        emulate()
    texts = plan(Path(session.root), session.groups)
    importing.install(texts)
    return texts


def source_of(session: Session, texts: dict[Path, str]) -> str:
    """Return the text of the session's script with insertions."""
    script = Path(session.script)
    return texts.get(script) or script.read_text(encoding="utf-8-sig")


def run(session: Session, args: Sequence[str]) -> None:
    """Run the script with `args` until it ends; exit codes, errors and interrupts are those of the script.

    The script becomes ``__main__``, so that children find the objects that it pickles. Its spec names child.py, so that
    Python's multiprocessing runs that module in spawned children instead of the script.

    Raises:
        LinkGANError: no known host, or an anchor is missing. Also everything the script raises, such as SystemExit.
    """
    texts = prepare(session)
    session.export()
    main = ModuleType("__main__")
    main.__file__ = session.script
    main.__spec__ = ModuleSpec(CHILD, None, origin=session.script)
    sys.argv = [session.script, *args]
    sys.path.insert(0, str(session.directory))
    sys.modules["__main__"] = main
    exec(importing.compiled(source_of(session, texts), session.script), main.__dict__)


def make_session(script: Path, *, compat: bool, device: str | None, smoke: bool, overrides: dict[str, Any]) -> Session:
    """Return the session for a run of a host's script.

    Raises:
        LinkGANError: no such script.
    """
    if not script.is_file():
        raise LinkGANError(f"no script {script}; give a script of the host, such as stylegan3/train.py")
    groups = ("link", *(["compat"] if compat else []), *(["smoke"] if smoke else []))
    path = script.resolve()
    return Session(str(path), str(path.parent), groups, device, smoke, overrides)
