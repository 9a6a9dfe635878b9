"""Settings of the methods that find directions: their list, and reading KEY=VALUE."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import LinkGANError, suggest
from .params import aligned

if TYPE_CHECKING:
    from ..directions.task import Method

_SWITCHES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def settings_from(texts: Sequence[str], method: Method, name: str) -> dict[str, Any]:
    """Return the settings in ``KEY=VALUE`` texts, each of the type of its default.

    Raises:
        LinkGANError: no such setting, given twice, or a value of another type.
    """
    from ..directions.find import defaults

    known = defaults(method)
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals:
            raise LinkGANError(f"--set {text:.80}: expected KEY=VALUE")
        if key not in known:
            raise LinkGANError(f"{name} has no setting '{key:.80}'; {suggest(key, known) if known else 'it has none'}")
        if key in found:
            raise LinkGANError(f"--set {key} is given twice")
        found[key] = _value(value.strip(), known[key], f"--set {key}")
    return found


def _value(text: str, default: Any, what: str) -> Any:
    try:
        if isinstance(default, bool):
            return _SWITCHES[text.lower()]
        value = type(default)(text)
    except (ValueError, KeyError, OverflowError):
        value = math.nan
    if isinstance(value, float) and not math.isfinite(value):
        raise LinkGANError(f"{what}={text:.80}: expected {type(default).__name__} such as {default!r}")
    return value


def listing() -> str:
    """Return every installed method with its paper, what it needs, and its settings with their defaults."""
    from .. import registry
    from ..directions.find import method_of

    lines = []
    for name in registry.names("directions"):
        try:
            method = method_of(name)
        except LinkGANError as error:
            lines.append(f"{name}: {error}")
            continue
        needs = [flag for flag, needed in (("--region", method.local), ("--reader", method.reads)) if needed]
        lines.append("; needs ".join([f"{name}: {method.paper}", *needs]))
        lines += [f"  {line}" for line in _settings(method)]
    return "\n".join(lines)


def _settings(method: Method) -> list[str]:
    from ..directions.find import defaults

    known = defaults(method)
    text = inspect.getdoc(method.find) or ""
    rows = []
    for name, default in known.items():
        # The method's docstring explains its settings, one `Args:` entry each.
        match = re.search(rf"^    {re.escape(name)}: (.+(?:\n        .+)*)", text, re.MULTILINE)
        rows.append([f"{name}={default}", " ".join(match[1].split()) if match else ""])
    return aligned(rows).splitlines() if rows else []
