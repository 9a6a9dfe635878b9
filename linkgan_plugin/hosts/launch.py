"""Running a host's script as Python would, with our insertions in memory, in this process and in its children."""

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

# Children that a host spawns import the parent's main module by this name; see child.py.
CHILD = f"{__package__}.child"


def prepare(session: Session) -> dict[Path, str]:
    """Make this process ready for the host's modules; returns path -> text of the files with insertions."""
    if session.device == "cpu":
        from .cpu import emulate

        emulate()
    texts = plan(Path(session.root), session.groups)
    importing.install(texts)
    return texts


def source_of(session: Session, texts: dict[Path, str]) -> str:
    """Return the text of the session's script, insertions included."""
    script = Path(session.script)
    return texts.get(script) or script.read_text(encoding="utf-8-sig")


def run(session: Session, args: Sequence[str]) -> None:
    """Run the script with `args` until it ends; it exits, fails and is interrupted as it would be alone.

    The script becomes ``__main__``, so what it pickles for its children is found there. Its spec names child.py: that
    is how Python's multiprocessing learns which module a spawned child has to run in place of the bare script.

    Raises:
        LinkGANError: no known host, or an anchor is missing. Whatever the script raises, SystemExit included.
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
    """Describe a run of a host's script.

    Raises:
        LinkGANError: no such script.
    """
    if not script.is_file():
        raise LinkGANError(f"there is no script {script}; give the host's own, such as stylegan3/train.py")
    groups = ("link", *(["compat"] if compat else []), *(["smoke"] if smoke else []))
    path = script.resolve()
    return Session(str(path), str(path.parent), groups, device, smoke, overrides)
