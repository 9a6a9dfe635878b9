"""The ways to invert photographs that `linkgan bench photographs` compares; a new way is one more entry of ROWS."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import LinkGANError, suggest
from ..inversion.details import TRAIN
from ..inversion.settings import (
    DETAILED,
    ENCODED,
    METHODS,
    RESTYLED,
    SEARCH,
    STEPS,
    TUNE,
    TUNING_STEPS,
    InversionSettings,
)


@dataclass(frozen=True)
class Row:
    """One way to invert photographs.

    Attributes:
        key: names it in options and files.
        title: in tables.
        settings: attributes of `InversionSettings` that differ from their defaults.
        encoder: name of the encoder that it uses; None for rows that use none.
    """

    key: str
    title: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    encoder: str | None = None

    @property
    def encodes(self) -> bool:
        """Whether its method needs an encoder."""
        return bool(METHODS[self.settings.get("method", SEARCH)])

    @property
    def details(self) -> bool:
        """Whether its method needs the details of an encoder."""
        return self.settings.get("method") == DETAILED

    def inversion(self) -> InversionSettings:
        """Return the settings of the inversions."""
        return InversionSettings(**self.settings)


DRAWN = Row("drawn", "drawn latents")  # the reference: it inverts nothing
ROWS = (
    Row("search-w", "search W", {"space": "w"}),
    Row("search-w+", "search W+", {"space": "w+"}),
    Row("search-w+-tuned", "search W+, tuned", {"space": "w+", "tune": TUNING_STEPS}),
    Row("encoder", "encoder, one pass", {"method": ENCODED}),
    Row("restyle", "ReStyle, all passes", {"method": RESTYLED}),
    Row("details", "ReStyle with details", {"method": DETAILED}),
    Row("tune", "ReStyle, tuned", {"method": TUNE, "tune": TUNING_STEPS}),
)


def rows_for(
    encoders: Mapping[str, bool], wanted: Sequence[str] = (), steps: int = STEPS, tune: int = TUNING_STEPS
) -> list[Row]:
    """Return the rows of a study; those that need an encoder, or one with details, once for each.

    Args:
        encoders: name -> whether it has details; a single name is left out of keys and titles.
        wanted: keys of ROWS; () for all that the encoders allow.
        steps: of a search, in each space.
        tune: of pivotal tuning, where a row tunes.
    Raises:
        LinkGANError: an unknown key, or a row that needs an encoder, or details, and none is given.
    """
    known = {row.key: row for row in ROWS}
    for key in wanted:
        if key not in known:
            raise LinkGANError(f"no row '{key}'; {suggest(key, known)}")
        if known[key].encodes and not encoders:
            raise LinkGANError(f"row '{key}' needs an encoder; train one with `linkgan encoder train`")
        if known[key].details and not any(encoders.values()):
            raise LinkGANError(f"row '{key}' needs an encoder with details; {TRAIN}")
    found = []
    for row in (row for row in ROWS if not wanted or row.key in wanted):
        own = {} if row.encodes else {"steps": steps}
        own |= {"tune": tune} if row.settings.get("tune") else {}
        row = dataclasses.replace(row, settings={**row.settings, **own})
        fitting = [name for name, has_details in encoders.items() if has_details or not row.details]
        found += [_with(row, name, len(encoders) > 1) for name in fitting] if row.encodes else [row]
    return found


def _with(row: Row, encoder: str, named: bool) -> Row:
    key, title = (f"{row.key}-{encoder}", f"{row.title} ({encoder})") if named else (row.key, row.title)
    return dataclasses.replace(row, key=key, title=title, encoder=encoder)
