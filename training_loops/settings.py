"""Plain attributes of a generator that its loss changes while it trains: kept in its average and in snapshots."""

from __future__ import annotations

from typing import Any

# Name -> the largest value that can make sense; all are whole numbers from 1 on.
SETTINGS = {"neural_rendering_resolution": 1024}


def settings_of(net: Any) -> dict[str, int]:
    """Those that `net` has."""
    return {name: int(getattr(net, name)) for name in SETTINGS if hasattr(net, name)}


def set_settings(net: Any, values: dict[str, Any]) -> None:
    """Set what `settings_of` returned. ValueError for a name that `net` does not have, or a value out of range."""
    for name, value in values.items():
        if name not in SETTINGS or not hasattr(net, name):
            raise ValueError(f"setting {name!r} of a {type(net).__name__}")
        if type(value) is not int or not 1 <= value <= SETTINGS[name]:
            raise ValueError(f"{name} is {value!r}, expected a whole number from 1 to {SETTINGS[name]}")
        setattr(net, name, value)
