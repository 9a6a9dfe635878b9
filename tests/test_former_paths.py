"""Dotted paths that users' files store, and third parties import, lead where they led before modules moved."""

from __future__ import annotations

from importlib import import_module

import pytest

FORMER = {
    "linkgan_plugin.losses.LinkGANLoss": "linkgan_plugin.losses.LinkGANLoss",
    "linkgan_plugin.generators.build_linked": "linkgan_plugin.generators.build_linked",
    "linkgan_plugin.generators.spec_of": "linkgan_plugin.network_links.spec_of",
    "linkgan_plugin.hosts.generic.GenericHost": "linkgan_plugin.calls.generic.GenericHost",
    "linkgan_plugin.hosts.build.build_by_name": "linkgan_plugin.calls.build.build_by_name",
    "linkgan_plugin.hosts.clock.StepClock": "linkgan_plugin.calls.clock.StepClock",
    "training_loops.data.folder.ImageFolderDataset": "training_loops.formats.folder.ImageFolderDataset",
}


def _find(name: str) -> object:
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


@pytest.mark.parametrize(("former", "present"), FORMER.items())
def test_a_former_path_is_the_very_same_object(former: str, present: str) -> None:
    assert _find(former) is _find(present)


# What the lines that the first version inserted into hosts call.
CALLED = {
    "linkgan_plugin.hosts.hooks": (
        "train_options metric_options apply give_links check_resume begin_step snapshot_written small_grid"
    ),
    "linkgan_plugin.hosts.compat": "apply broadcast_buffers grid_sample zero_broken_averages zero_inputs",
    "linkgan_plugin.metrics.runner": "register",
}


@pytest.mark.parametrize("module", CALLED)
def test_a_host_patched_by_the_first_version_finds_what_it_calls(module: str) -> None:
    found = import_module(module)
    assert [name for name in CALLED[module].split() if not callable(getattr(found, name, None))] == []
