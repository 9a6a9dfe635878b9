"""Patches a host on disk with the same insertions as in memory: all files or none, and reversible byte for byte."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ..errors import LinkGANError
from .blocks import Block, place, problems, split, strip
from .families import HostFamily
from .insertions import FileChange, changes, closest, encode, host_root, misfit, texts_of

# The group `smoke` is for short trial runs and is never written to disk.
ON_DISK = ("link", "compat")


class State(Enum):
    """The state of one insertion in one file."""

    APPLIED = "applied"
    NOT_APPLIED = "not applied"
    OUTDATED = "outdated"  # written by another version of the plugin
    EDITED = "edited"  # the lines between the marks were changed
    ANCHOR_MISSING = "anchor missing"
    FILE_MISSING = "file missing"


@dataclass(frozen=True)
class PatchRow:
    """The state of one insertion; `note` says more where the state alone does not tell what to do."""

    file: str
    name: str
    group: str
    state: State
    note: str = ""


@dataclass(frozen=True)
class Status:
    """The patch status of a host: the closest family, its missing parts (or None), and the state of every insertion."""

    root: Path
    family: str
    problem: str | None
    rows: tuple[PatchRow, ...]

    @property
    def overall(self) -> str:
        """One of: edited, outdated, patched, patched without compat, partly patched, not patched."""
        states = {group: {row.state for row in self.rows if row.group == group} for group in (*ON_DISK, "unknown")}
        present = set().union(*states.values()) - {State.ANCHOR_MISSING, State.FILE_MISSING}
        for state in (State.EDITED, State.OUTDATED):
            if state in present:
                return state.value
        if State.APPLIED not in present:
            return "not patched"
        if State.NOT_APPLIED not in present:
            return "patched"
        if State.NOT_APPLIED not in states["link"] and State.APPLIED not in states["compat"]:
            return "patched without compat"
        return "partly patched"


def status(root: Path) -> Status:
    """Return the patch status of the host at `root`; a tree of no known family is compared with the closest one.

    Raises:
        LinkGANError: not the folder of a host, or a file with damaged marks.
    """
    root = host_root(root)
    family, obstacles = closest(root)
    texts = texts_of(root)
    rows = [row for file in {**dict.fromkeys(family.files), **texts} for row in _rows(family, file, texts.get(file))]
    return Status(root, family.name, misfit(family, obstacles) if obstacles else None, tuple(rows))


def applying(root: Path, compat: bool = True) -> list[FileChange]:
    """Return what `apply` would change.

    Raises:
        LinkGANError: no family matches, an anchor is missing, marks are damaged, blocks are edited, or a file is a link
            to outside the host.
    """
    groups = ON_DISK if compat else ("link",)
    return _inside(host_root(root), [change for change in changes(root, groups) if change.before != change.after])


def reverting(root: Path) -> list[FileChange]:
    """Return what `revert` would change; the marks alone suffice for it.

    Raises:
        LinkGANError: marks are damaged, blocks are edited, or a file is a link to outside the host.
    """
    root = host_root(root)
    found = [FileChange(root / file, file, text, strip(text, file)) for file, text in texts_of(root).items()]
    return _inside(root, [change for change in found if change.before != change.after])


def _inside(root: Path, found: list[FileChange]) -> list[FileChange]:
    """Return changes of files that lie in the folder `root`.

    Raises:
        LinkGANError: a file resolves by a symbolic link to a place outside `root`; names it.
    """
    for change in found:
        real = change.path.resolve()
        if not real.is_relative_to(root):
            raise LinkGANError(
                f"{change.path} is a symbolic link to {real}, which is not in {root}; replace it by a copy, or "
                "patch the folder it points to (nothing was changed)"
            )
    return found


def apply(root: Path, compat: bool = True) -> list[FileChange]:
    """Insert our lines into the host at `root`, with or (taking them out) without the group `compat`.

    Returns:
        the changed files; none where the host is patched already.
    Raises:
        LinkGANError: as `applying`, or a file cannot be written; the tree is then unchanged.
    """
    found = applying(root, compat)
    write(found)
    return found


def revert(root: Path) -> list[FileChange]:
    """Take our lines out of the host at `root`; edits outside of the marks stay.

    Returns:
        the changed files.
    Raises:
        LinkGANError: as `reverting`, or a file cannot be written; the tree is then unchanged.
    """
    found = reverting(root)
    write(found)
    return found


def diff(found: Sequence[FileChange]) -> str:
    """Return changes as a unified diff that `git apply` and `patch -p1` take."""
    return "".join(_file_diff(change) for change in found)


def write(found: Sequence[FileChange]) -> None:
    """Write all changes or none: new texts are staged beside the files first, then renamed onto them.

    Raises:
        LinkGANError: a file is read-only or cannot be written; files written before it are restored.
    """
    for change in found:
        if not os.access(change.path, os.W_OK):
            raise LinkGANError(f"{change.path} is read-only; make it writable and try again (nothing was changed)")
    done: list[FileChange] = []
    try:
        with _staged(found) as temporaries:
            for change, temporary in zip(found, temporaries, strict=True):
                with _naming(change):
                    os.replace(temporary, change.path.resolve())
                done.append(change)
    except BaseException:
        _put_back(done)
        raise


@contextmanager
def _staged(found: Sequence[FileChange]) -> Iterator[list[Path]]:
    """Write every new text to a temporary file beside the old one, with its mode; in the end remove what is left."""
    temporaries: list[Path] = []
    try:
        for change in found:
            with _naming(change):
                temporaries.append(_stage(change))
        yield temporaries
    finally:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)


def _stage(change: FileChange) -> Path:
    """Write the new text of one file beside it and return where."""
    target = change.path.resolve()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(encode(change.after))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, target.stat().st_mode & 0o7777)
    except BaseException:
        os.unlink(name)
        raise
    return Path(name)


@contextmanager
def _naming(change: FileChange) -> Iterator[None]:
    """Turn a failure of the operating system into an error that names the file."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise LinkGANError(f"{change.path} cannot be written: {reason}; the host is unchanged") from error


def _put_back(done: Sequence[FileChange]) -> None:
    """Give files that were written already their old text again."""
    try:
        write([FileChange(change.path, change.file, change.after, change.before) for change in done])
    except LinkGANError as error:
        files = ", ".join(str(change.path) for change in done)
        raise LinkGANError(f"{files} changed and cannot be restored; run `linkgan patch revert` ({error})") from error


def _rows(family: HostFamily, file: str, text: str | None) -> list[PatchRow]:
    """Return the states of one file: of the family's insertions, then of blocks that it does not know."""
    insertions = [insertion for insertion in family.of(file) if insertion.group in ON_DISK]
    if text is None:
        return [PatchRow(file, insertion.name, insertion.group, State.FILE_MISSING) for insertion in insertions]
    stripped, blocks = split(text, file)
    obstacles = problems(stripped, insertions)
    rows = []
    for insertion in insertions:
        own = [block for block in blocks if block.name == insertion.name]
        problem = obstacles[insertion.name]
        expected = [] if problem else place(stripped, [insertion], file)
        rows.append(PatchRow(file, insertion.name, insertion.group, _state(own, expected), problem or ""))
    known = {insertion.name for insertion in insertions}
    for block in blocks:
        if block.name not in known:
            state = State.EDITED if block.edited else State.OUTDATED
            rows.append(PatchRow(file, block.name, "unknown", state, "has no such lines in this version"))
    return rows


def _state(own: Sequence[Block], expected: Sequence[Block]) -> State:
    """Compare the blocks of one insertion in a file with the expected ones (none: no anchor)."""
    if any(block.edited for block in own):
        return State.EDITED
    if not own:
        return State.NOT_APPLIED if expected else State.ANCHOR_MISSING
    return State.APPLIED if list(own) == list(expected) else State.OUTDATED


def _file_diff(change: FileChange) -> str:
    before, after = (text.split("\n") for text in (change.before, change.after))
    rows = difflib.unified_diff(_ended(before), _ended(after), f"a/{change.file}", f"b/{change.file}")
    return "".join(row if row.endswith("\n") else f"{row}\n\\ No newline at end of file\n" for row in rows)


def _ended(lines: list[str]) -> list[str]:
    """Restore the line ends of ``text.split("\\n")``."""
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
