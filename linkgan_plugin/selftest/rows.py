"""The rows of a self-test, their verdicts, and texts that identify nobody."""

from __future__ import annotations

import getpass
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..bench.tables import markdown

OK, WARN, FAILED, SKIPPED = "ok", "warn", "failed", "skipped"
# An absolute path of at least two names, on any system; its last name is kept.
_PATH = re.compile(r"(?<![\w.<])(?:~|[A-Za-z]:)?(?:[/\\][^\s/\\:;,'\"()]+)+[/\\]([^\s/\\:;,'\"()]+)")
_QUOTED = re.compile(r"(['\"])(?:~|[A-Za-z]:)?[/\\][^'\"\n]*[/\\]([^'\"\n/\\]+)\1")  # may contain spaces
_LONGEST = 300


@dataclass(frozen=True)
class Row:
    """One result.

    Attributes:
        section: the part of the self-test that it belongs to.
        name: of what was measured.
        value: a number or a text; None where there is none.
        unit: of the number.
        verdict: `ok`, `warn`, `failed` or `skipped`.
        why: the reason of the verdict, in one sentence; may be empty where it is `ok`.
    """

    section: str
    name: str
    value: float | str | None = None
    unit: str = ""
    verdict: str = OK
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain data that identifies nobody."""
        plain = asdict(self)
        return {key: anonymous(value) if isinstance(value, str) else value for key, value in plain.items()}


def within(error: float, tolerance: float, what: str) -> tuple[str, str]:
    """Return the verdict on an error and its reason: `ok` to its tolerance, `warn` to four times that, else `failed`.

    Args:
        error: from 0; NaN and infinity fail.
        tolerance: more than 0.
        what: the unit, for the reason.
    """
    unit = f" {what}" if what else ""
    if error <= tolerance:
        return OK, f"at most {tolerance:g}{unit} is expected"
    if error <= 4 * tolerance:
        return WARN, f"more than the expected {tolerance:g}{unit}, but less than four times that"
    return FAILED, f"at most {tolerance:g}{unit} is expected; results on this device may be wrong"


def one_line(error: BaseException) -> str:
    """Return an exception as one line: its class and the first line of its message that is not empty."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}"[:_LONGEST] if lines else type(error).__name__


def anonymous(text: str) -> str:
    """Return a text without folders, the user's name and the machine's name."""
    text = _QUOTED.sub(r"\1.../\2\1", text.replace(str(Path.home()), "~"))
    text = _PATH.sub(r".../\1", text)
    for name, stand_in in ((_user(), "USER"), (platform.node(), "HOST")):
        if len(name) > 2 and name != "root":
            text = re.sub(rf"\b{re.escape(name)}\b", stand_in, text)
    return text


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without a name, as in some containers
        return ""


def shown(row: Row) -> str:
    """Return a row's value with its unit."""
    if row.value is None:
        return "-"
    value = f"{row.value:.4g}" if isinstance(row.value, float) else str(row.value)
    return f"{value} {row.unit}".strip()


def table(rows: Sequence[Row]) -> str:
    """Return rows as a Markdown table; the reason is shown where the verdict is not `ok`."""
    cells = [
        [row.section, row.name, anonymous(shown(row)), row.verdict, anonymous(row.why) if row.verdict != OK else ""]
        for row in rows
    ]
    return markdown(["section", "what", "value", "verdict", "why"], cells)


def counted(rows: Sequence[Row]) -> Mapping[str, int]:
    """Return verdict -> number of rows."""
    return {verdict: sum(row.verdict == verdict for row in rows) for verdict in (OK, WARN, FAILED, SKIPPED)}
