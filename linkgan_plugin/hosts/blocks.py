"""Blocks: lines inserted between two marks into a host's source file; removing them restores the file exactly."""

from __future__ import annotations

import hashlib
import re
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import LinkGANError
from .families import Insertion

_BOM = "\ufeff"
_MARK = re.compile(r"[ \t]*# (>>>|<<<) linkgan_plugin:")
_OPENING = re.compile(r"(?P<indent>[ \t]*)# >>> linkgan_plugin: (?P<name>\w+) (?P<digest>[0-9a-f]{8})")

# A text is split by `text.split("\n")`: removing lines is then the exact inverse of inserting them, for all line ends
# and with or without a line end at the end of the file.


@dataclass(frozen=True)
class Block:
    """A block of inserted lines.

    Attributes:
        name: of the insertion.
        at: the line that the block precedes, counted from 0 in the text without blocks.
        indent: the indentation of the block.
        lines: without the indentation.
        digest: of the lines as the plugin wrote them.
    """

    name: str
    at: int
    indent: str
    lines: tuple[str, ...]
    digest: str

    @property
    def edited(self) -> bool:
        """Whether the lines between the marks were changed."""
        return self.digest != _digest(self.lines)

    def text_lines(self) -> list[str]:
        """Return the lines of the block in a file, including marks, without line ends."""
        opening = f"# >>> linkgan_plugin: {self.name} {self.digest}"
        return [self.indent + line for line in (opening, *self.lines, f"# <<< linkgan_plugin: {self.name}")]


def split(text: str, file: str = "the text") -> tuple[str, list[Block]]:
    """Remove all blocks from `text`, including edited ones; return (the text without them, the blocks).

    Raises:
        LinkGANError: an unpaired or damaged mark; names `file`, the line and the mark.
    """
    bom, lines = _lines(text)
    kept: list[str] = []
    blocks: list[Block] = []
    position = 0
    while position < len(lines):
        if _MARK.match(lines[position]):
            block, position = _read_block(lines, position, len(kept), file)
            blocks.append(block)
        else:
            kept.append(lines[position])
            position += 1
    return bom + "\n".join(kept), blocks


def strip(text: str, file: str = "the text") -> str:
    """Return `text` without the blocks: byte for byte the text before `insert`.

    Raises:
        LinkGANError: damaged marks, or edited lines between them; names `file` and the mark.
    """
    stripped, blocks = split(text, file)
    for block in blocks:
        if block.edited:
            raise LinkGANError(
                f"{file}: the lines between the marks of {block.name!r} were edited; move your changes outside "
                "the marks, delete the block with both of its marks, and try again"
            )
    return stripped


def insert(text: str, insertions: Sequence[Insertion], file: str | None = None) -> str:
    """Return `text` with exactly the blocks of `insertions`; earlier blocks are removed first.

    Raises:
        LinkGANError: as `strip` does, and for an insertion without an anchor line, unless it is optional.
    """
    file = file or (insertions[0].file if insertions else "the text")
    stripped = strip(text, file)
    bom, lines = _lines(stripped)
    blocks = place(stripped, insertions, file)
    # From the end, so that the positions of the others stay valid; blocks at one line keep the order of the data.
    for block in sorted(blocks, key=lambda block: block.at)[::-1]:
        end = "\r" if lines[max(block.at - 1, 0)].endswith("\r") else ""
        lines[block.at : block.at] = [line + end for line in block.text_lines()]
    return bom + "\n".join(lines)


def place(stripped: str, insertions: Sequence[Insertion], file: str) -> list[Block]:
    """Return the blocks of `insertions` in a text without blocks, in their order; optional ones may be omitted.

    Raises:
        LinkGANError: a required insertion has no anchor line; names `file` and the expected line.
    """
    lines = _lines(stripped)[1]
    obstacles = problems(stripped, insertions)
    for insertion in insertions:
        if obstacles[insertion.name] and not insertion.optional:
            raise LinkGANError(
                f"{file} {obstacles[insertion.name]}: the lines of {insertion.name!r} cannot be inserted"
            )
    return [_block(lines, insertion) for insertion in insertions if not obstacles[insertion.name]]


def problems(stripped: str, insertions: Sequence[Insertion]) -> dict[str, str | None]:
    """Return, for each name of the `insertions` of one file, why it cannot be inserted into a text, or None if it can.

    The text has no blocks. Optional insertions of the group `link` are only inserted together, since they form one
    feature.
    """
    found = {insertion.name: missing(stripped, insertion) for insertion in insertions}
    torn = next((i.name for i in insertions if i.group == "link" and found[i.name]), None)
    together = [i.name for i in insertions if torn and i.group == "link" and i.optional]
    return found | {name: found[name] or f"is inserted only together with {torn!r}" for name in together}


def missing(stripped: str, insertion: Insertion) -> str | None:
    """Return None where the anchor matches one line of a text without blocks, else ``has no line like '...'``."""
    found = [number + 1 for number, _ in _matches(_lines(stripped)[1], insertion.anchor)]
    if len(found) == 1:
        return None
    wanted = f"like {readable(insertion.anchor)!r}"
    if found:
        return f"has {len(found)} lines {wanted} (lines {', '.join(map(str, found))}), expected one"
    return f"has no line {wanted}"


def readable(anchor: str) -> str:
    """Return an anchor in readable form: ``launch\\(c=(?P<name>\\w+)`` is ``launch(c=...)``."""
    text = re.sub(r"\(\?P<\w+>[^)]*\)|\\w\+", "...", anchor).strip("^$")
    text = re.sub(r"\\(.)", r"\1", text)
    if text.count("(") > text.count(")"):
        text += ")" if text.endswith("...") else "...)"
    return text


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:8]


def _lines(text: str) -> tuple[str, list[str]]:
    """Return (the byte order mark or '', the lines); with CRLF line ends, lines end in a carriage return."""
    bom = _BOM if text.startswith(_BOM) else ""
    return bom, text[len(bom) :].split("\n")


def _matches(lines: Sequence[str], anchor: str) -> list[tuple[int, re.Match[str]]]:
    """Return (number from 0, match) of every line that an anchor matches, except comments."""
    found = ((number, re.search(anchor, line.removesuffix("\r"))) for number, line in enumerate(lines))
    return [(number, match) for number, match in found if match and not match.string.lstrip().startswith("#")]


def _block(lines: Sequence[str], insertion: Insertion) -> Block:
    """Return the block of an insertion whose anchor matches one line of `lines`."""
    ((number, match),) = _matches(lines, insertion.anchor)
    inner = tuple(line.format(**match.groupdict()) for line in insertion.lines)
    indent = re.match(r"[ \t]*", match.string)[0]  # type: ignore[index]  # it matches any text
    at = number if insertion.place == "before" else _statement_end(lines, number)
    return Block(insertion.name, at, indent, inner, _digest(inner))


def _statement_end(lines: Sequence[str], number: int) -> int:
    """Return the line after the statement that starts at line `number`; forks may wrap it over several lines."""
    rest = (line.removesuffix("\r") + "\n" for line in lines[number:])
    try:
        for token in tokenize.generate_tokens(lambda: next(rest, "")):
            if token.type == tokenize.NEWLINE:
                return number + token.end[0]
    except (tokenize.TokenError, SyntaxError, ValueError):
        pass
    return number + 1


def _read_block(lines: Sequence[str], start: int, at: int, file: str) -> tuple[Block, int]:
    """Read the block whose first mark is at line `start`; return it and the number of the line after its last mark."""

    def broken(reason: str) -> LinkGANError:
        return LinkGANError(
            f"{file}, line {start + 1}: the mark {lines[start].strip()!r} {reason}; delete what linkgan_plugin "
            "inserted there together with its marks, or restore the file, and try again"
        )

    opening = _OPENING.fullmatch(lines[start].removesuffix("\r"))
    if opening is None:
        raise broken("opens no block" if "<<<" in lines[start] else "is damaged")
    indent, name = opening["indent"], opening["name"]
    end = next((i for i in range(start + 1, len(lines)) if _MARK.match(lines[i])), None)
    if end is None or lines[end].strip() != f"# <<< linkgan_plugin: {name}":
        raise broken(f"is not followed by '# <<< linkgan_plugin: {name}'")
    inner = [line.removesuffix("\r") for line in lines[start + 1 : end]]
    # A line without the block's indentation gets a prefix, so that the digest differs: the block was edited.
    body = tuple(line[len(indent) :] if line.startswith(indent) else f"<{line}" for line in inner)
    return Block(name, at, indent, body, opening["digest"]), end + 1
