"""Rows of a study in files: each with what its figures depend on, so that other settings never mix with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training_loops.formats.atomic import write_json

from ..errors import LinkGANError


def stored(out: Path, key: str, claim: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the figures of a row in `out`, None if it was not measured.

    Args:
        out: folder of the study.
        key: of the row.
        claim: what its figures depend on.
    Raises:
        LinkGANError: they were measured with other settings.
    """
    path = out / "rows" / f"{key}.json"
    if not path.exists():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    wanted = json.loads(json.dumps(claim))
    other = [name for name in {**found["claim"], **wanted} if found["claim"].get(name) != wanted.get(name)]
    if other:
        raise LinkGANError(f"{path} was measured with other {', '.join(other)}; choose another --out, or remove it")
    figures: dict[str, Any] = found["figures"]
    return figures


def store(out: Path, key: str, claim: Mapping[str, Any], figures: Mapping[str, Any], command: str) -> None:
    """Write the figures of a row, as `stored` reads them."""
    (out / "rows").mkdir(parents=True, exist_ok=True)
    write_json(out / "rows" / f"{key}.json", {"claim": dict(claim), "figures": dict(figures), "command": command})
