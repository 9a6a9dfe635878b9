"""Attributes of a generator that its loss changes during training; they are copied to G_ema and snapshots."""

from __future__ import annotations

from typing import Any

# Name -> largest valid value; all are integers from 1.
SETTINGS = {"neural_rendering_resolution": 1024}


def settings_of(net: Any) -> dict[str, int]:
    """Return the settings of `net`."""
    return {name: int(getattr(net, name)) for name in SETTINGS if hasattr(net, name)}


def set_settings(net: Any, values: dict[str, Any]) -> None:
    """Set settings from `settings_of`. ValueError for a name that `net` does not have, or a value out of range."""
    for name, value in values.items():
        if name not in SETTINGS or not hasattr(net, name):
            raise ValueError(f"setting {name!r} of a {type(net).__name__}")
        if type(value) is not int or not 1 <= value <= SETTINGS[name]:
            raise ValueError(f"{name} is {value!r}, expected a whole number from 1 to {SETTINGS[name]}")
        setattr(net, name, value)
