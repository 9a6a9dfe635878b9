"""The insertions of a whole host: the family of a folder, and the new text of each file."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import LinkGANError
from .blocks import Block, insert, missing, split, strip
from .families import HostFamily, Insertion, families

__all__ = [
    "Block",
    "FileChange",
    "HostFamily",
    "Insertion",
    "changes",
    "closest",
    "encode",
    "families",
    "host_root",
    "insert",
    "misfit",
    "plan",
    "recognize",
    "split",
    "strip",
    "texts_of",
]


@dataclass(frozen=True)
class FileChange:
    """A change of one file of a host: absolute path, path relative to the root, old text and new text."""

    path: Path
    file: str
    before: str
    after: str


def host_root(path: Path) -> Path:
    """Return the resolved folder with train.py: `path`, the folder of the script `path`, or the only such subfolder.

    Raises:
        LinkGANError: no such folder, or not exactly one train.py.
    """
    folder = (path.parent if path.is_file() else path).resolve()
    if not folder.is_dir():
        raise LinkGANError(f"no folder {path}; give the folder of a host's train.py")
    if (folder / "train.py").is_file():
        return folder
    below = sorted(script.parent for script in folder.glob("*/train.py"))
    if len(below) == 1:
        return below[0]
    if below:
        names = ", ".join(folder.name for folder in below)
        raise LinkGANError(f"{path} has no train.py, but several subfolders have one ({names}); give one of them")
    raise LinkGANError(f"{path} has no train.py; give the folder of a host such as stylegan3")


def recognize(root: Path) -> HostFamily:
    """Return the most specific family whose files and required anchors all exist.

    Raises:
        LinkGANError: no family matches; names the closest one and what is missing. Also for a file with damaged marks.
    """
    family, problems = closest(root)
    if problems:
        raise LinkGANError(f"{root} is not a known host; {misfit(family, problems)}")
    return family


def misfit(family: HostFamily, problems: Sequence[str]) -> str:
    """Return one line with the differences of a tree from the closest family."""
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return f"the closest is {family.name}, but {'; '.join(problems[:3])}{more}"


def closest(root: Path) -> tuple[HostFamily, list[str]]:
    """Return the family closest to `root` and what is missing, such as ``train.py has no line like '...'``."""
    root = host_root(root)
    texts = {file: split(text, file)[0] for file, text in texts_of(root).items()}
    fits = [(family, _problems(family, root, texts)) for family in families()]
    return min(fits, key=lambda fit: (len(fit[1]), _left_out(fit[0], texts) if fit[1] else 0))


def changes(root: Path, groups: Collection[str]) -> list[FileChange]:
    """Return the files of the host at `root`, with their text now and with the insertions of `groups` only.

    Raises:
        LinkGANError: no family matches, marks are damaged, blocks are edited, or a result would not be valid Python.
    """
    root = host_root(root)
    family = recognize(root)
    result = []
    for file, text in texts_of(root).items():
        after = insert(text, [insertion for insertion in family.of(file) if insertion.group in groups], file)
        _check_syntax(file, text, after)
        result.append(FileChange(root / file, file, text, after))
    return result


def plan(root: Path, groups: Collection[str]) -> dict[Path, str]:
    """Return absolute path -> text with the insertions of `groups`, of every file that has insertions or loses some.

    A patched tree gives the same texts as an unpatched one. Bytes that are not UTF-8 are surrogates in the texts.

    Raises:
        LinkGANError: as `changes`.
    """
    return {
        change.path: change.after
        for change in changes(root, groups)
        if not change.before == change.after == strip(change.before)
    }


def texts_of(root: Path) -> dict[str, str]:
    """Return name -> text of the existing files that any family inserts into."""
    files = dict.fromkeys(file for family in families() for file in family.files)
    return {file: _read(root / file) for file in files if (root / file).is_file()}


def encode(text: str) -> bytes:
    """Return the bytes of a text from `texts_of`: UTF-8, with other bytes unchanged."""
    return text.encode("utf-8", "surrogateescape")


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise LinkGANError(f"{path} cannot be read: {error.strerror}") from error


def _problems(family: HostFamily, root: Path, texts: dict[str, str]) -> list[str]:
    """Return what a tree lacks to belong to a family."""
    absent = [file for file in dict.fromkeys(family.has) if not (root / file).is_file()]
    required = [i for i in family.insertions if not i.optional and i.file not in absent]
    absent += dict.fromkeys(i.file for i in required if i.file not in texts)
    found = [(i.file, missing(texts[i.file], i)) for i in required if i.file in texts]
    return [f"it has no {file}" for file in absent] + [f"{file} {problem}" for file, problem in found if problem]


def _left_out(family: HostFamily, texts: dict[str, str]) -> int:
    """Return how many optional anchors of a family are missing; this decides between families with equal problems."""
    return sum(1 for i in family.insertions if i.optional and (i.file not in texts or missing(texts[i.file], i)))


def _check_syntax(file: str, before: str, after: str) -> None:
    """Raise LinkGANError if the insertions would make a valid Python file invalid."""
    if _is_python(before) and not _is_python(after):
        raise LinkGANError(
            f"{file}: the inserted lines would not be valid Python at their anchors; nothing was changed"
        )


def _is_python(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(encode(text))
        except (SyntaxError, ValueError):
            return False
    return True
