"""Parses region expressions: kinds, presets, `+`, `&`, parentheses, quoted arguments. Used through `links`."""

from __future__ import annotations

import re
from collections.abc import Callable

from training_loops.formats.text import printable

from .. import registry
from ..errors import LinkGANError, suggest
from .base import Files, Read, Region
from .compose import INTERSECTION, UNION, combine
from .presets import PRESETS

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEEPEST = 50  # parentheses within parentheses
_LONGEST_NAME = 80
_SHOWN = 200  # characters of an expression in messages, on each side


def read_expression(text: str, read: Read) -> Region:
    """Return the region of an expression; `read` returns the bytes of a file named in it.

    expression = term {"+" term};  term = factor {"&" factor};  factor = "(" expression ")" | preset | kind(arg,...)

    Raises:
        LinkGANError: the text does not follow this grammar; shows the position.
    """
    if not text.isprintable():
        raise LinkGANError(f"a region with characters that cannot be printed: {printable(text[:80])!r}")
    reader = _Reader(text, read if isinstance(read, Files) else Files(read))
    region = reader.expression()
    if reader.peek():
        raise reader.error("expected '+', '&' or the end")
    return region


class _Reader:
    """A recursive-descent reader: one method per rule, `at` is the position of the next character."""

    def __init__(self, text: str, read: Files) -> None:
        self.text, self.read, self.at, self.depth = text, read, 0, 0

    def expression(self) -> Region:
        return self._joined(UNION, self._term)

    def _term(self) -> Region:
        return self._joined(INTERSECTION, self._factor)

    def _joined(self, symbol: str, part: Callable[[], Region]) -> Region:
        parts = [part()]
        while self.take(symbol):
            parts.append(part())
        self.read.budget.charge()  # joining takes time
        return combine(symbol, parts)

    def _factor(self) -> Region:
        if self.take("("):
            if self.depth == _DEEPEST:
                raise LinkGANError(f"more than {_DEEPEST} parentheses within each other: {self.text[:80]}...")
            self.depth += 1
            region = self.expression()
            if not self.take(")"):
                raise self.error("expected ')'")
            self.depth -= 1
            return region
        self.peek()
        name = _NAME.match(self.text, self.at)
        if not name or len(name.group()) > _LONGEST_NAME:
            raise self.error("expected a region such as box(0.25,0.35,0.75,0.5) or eyes")
        self.at = name.end()
        return self._kind(name.group()) if self.take("(") else self._preset(name.group())

    def _kind(self, name: str) -> Region:
        args = self._arguments()
        self.read.budget.charge(items=1 + len(args))
        if name in PRESETS:
            raise LinkGANError(f"'{name}' is a preset and takes no arguments; write {name}")
        kind = registry.load("regions", name)
        try:
            region = kind.parse(args, self.read)
        except LinkGANError:
            raise
        except Exception as error:  # an error of a plugin: name it
            raise LinkGANError(
                f"region kind '{name}' failed on {args!s:.200}: {type(error).__name__}: {error}"
            ) from error
        if not isinstance(region, Region):
            raise LinkGANError(f"region kind '{name}' returned {type(region).__name__}, not a Region")
        self.read.budget.charge(items=region.cost())
        return region

    def _preset(self, name: str) -> Region:
        if name in PRESETS:
            return read_expression(PRESETS[name], self.read)
        if name in registry.names("regions"):
            raise LinkGANError(f"region kind '{name}' needs arguments; write {name}(...)")
        known = suggest(name, PRESETS)
        kinds = ", ".join(f"{kind}(...)" for kind in registry.names("regions"))
        raise LinkGANError(f"unknown region '{name}'; presets {known}; kinds: {kinds}")

    def _arguments(self) -> list[str]:
        """Read up to the closing parenthesis; the opening one is already consumed."""
        if self.take(")"):
            return []
        args = [self._argument()]
        while self.take(","):
            args.append(self._argument())
        if not self.take(")"):
            raise self.error("expected ',' or ')'")
        return args

    def _argument(self) -> str:
        quote = self.peek()
        return self._quoted(quote) if quote and quote in "'\"" else self._bare()

    def _quoted(self, quote: str) -> str:
        """Read a quoted argument, in which a doubled quote means one quote."""
        start, pieces = self.at, []
        while True:
            end = self.text.find(quote, self.at + 1)
            if end < 0:
                self.at = start
                raise self.error(f"expected a closing {quote} for the quote that starts")
            pieces.append(self.text[self.at + 1 : end])
            self.at = end + 1
            if self.text[self.at : self.at + 1] != quote:
                return quote.join(pieces)

    def _bare(self) -> str:
        """Read up to the next ',' or ')' outside inner parentheses."""
        start, depth = self.at, 0
        while self.at < len(self.text):
            char = self.text[self.at]
            if depth == 0 and char in ",)":
                break
            depth += (char == "(") - (char == ")")
            self.at += 1
        arg = self.text[start : self.at].strip()
        if not arg:
            raise self.error("expected an argument")
        return arg

    def peek(self) -> str:
        """Skip spaces and return the next character, or "" at the end."""
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1
        return self.text[self.at : self.at + 1]

    def take(self, char: str) -> bool:
        """Skip `char` if it is next."""
        if self.peek() != char:
            return False
        self.at += 1
        return True

    def error(self, message: str) -> LinkGANError:
        """Return an error that shows where reading stopped."""
        before, after = self.text[: self.at], self.text[self.at :]
        return LinkGANError(printable(f"{message} at <here>: {before[-_SHOWN:]}<here>{after[:_SHOWN]}"))
