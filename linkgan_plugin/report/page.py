"""The report page: one self-contained HTML file with embedded images and video, which opens offline."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_loops.formats.atomic import write_bytes

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1200px; margin: 2rem auto; padding: 0 1rem; color: #202024; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.2rem; } p.lead { color: #55555c; margin-top: .3rem; }
img, video, svg { max-width: 100%; height: auto; }
img { image-rendering: pixelated; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid #e4e4e8; }
th:first-child, td:first-child { text-align: left; } td { white-space: nowrap; }
td.hint { text-align: left; white-space: normal; color: #77777f; font-size: .85em; }
pre { background: #f5f5f7; padding: .8rem; overflow-x: auto; border-radius: 6px; }
figcaption { color: #55555c; font-size: .9em; } figure { margin: 1rem 0; }
"""


@dataclass(frozen=True)
class Table:
    """A table of text cells; the first column is the names of the rows, the last may be a hint."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    hint: bool = False

    def to_html(self) -> str:
        """Return the table with all text escaped."""
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in self.header)
        body = "".join(f"<tr>{self._row(row)}</tr>" for row in self.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _row(self, row: Sequence[str]) -> str:
        cells = [f"<td>{html.escape(cell)}</td>" for cell in row]
        if self.hint:
            cells[-1] = cells[-1].replace("<td>", '<td class="hint">', 1)
        return "".join(cells)


def section(title: str, *parts: str) -> str:
    """Return a heading and its HTML parts."""
    return f"<section><h2>{html.escape(title)}</h2>{''.join(parts)}</section>"


def paragraph(text: str) -> str:
    """Return escaped text as a paragraph."""
    return f"<p>{html.escape(text)}</p>"


def code(value: Any) -> str:
    """Return text, or plain data as JSON, in a code block."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, allow_nan=False)
    return f"<pre>{html.escape(text)}</pre>"


def image_tag(path: Path, text: str) -> str:
    """Return an embedded PNG file with a caption."""
    return (
        f'<figure><img alt="{html.escape(text, quote=True)}" src="data:image/png;base64,{_base64(path)}">'
        f"<figcaption>{html.escape(text)}</figcaption></figure>"
    )


def video(path: Path, text: str) -> str:
    """Return an embedded MP4 file with a caption."""
    return (
        f'<figure><video controls loop muted playsinline src="data:video/mp4;base64,{_base64(path)}"></video>'
        f"<figcaption>{html.escape(text)}</figcaption></figure>"
    )


def write_page(path: Path, title: str, lead: str, sections: Sequence[str]) -> None:
    """Write the page atomically."""
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f'<h1>{html.escape(title)}</h1><p class="lead">{html.escape(lead)}</p>{"".join(sections)}</body></html>\n'
    )
    write_bytes(path, text.encode())


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
