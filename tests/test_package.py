"""What `import linkgan_plugin` offers."""

from __future__ import annotations

import pytest

import linkgan_plugin


def test_every_public_name_can_be_imported() -> None:
    found = {name: getattr(linkgan_plugin, name) for name in linkgan_plugin.__all__}
    assert all(thing.__module__.startswith("linkgan_plugin.") for thing in found.values())
    assert all(thing.__name__ == name for name, thing in found.items())


def test_other_names_are_refused_as_ever() -> None:
    with pytest.raises(AttributeError, match="load_netwrk"):
        _ = linkgan_plugin.load_netwrk
