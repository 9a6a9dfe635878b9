"""The registry: listing imports nothing, one plugin loads alone, and each way to fail names who is at fault."""

from __future__ import annotations

import json
import sys

import pytest

from linkgan_plugin import registry
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.regions.box import Box

BROKEN = "[linkgan.regions]\nbroken = no_such_module_here:Thing\n"


def test_built_ins_come_in_through_the_groups():
    assert {"box", "polygon", "mask"} <= set(registry.names("regions"))
    assert {"gaussian", "swap"} <= set(registry.names("perturbations"))
    assert registry.load("regions", "box") is Box
    entry = registry.find("regions", "box")
    assert (entry.kind, entry.target, entry.distribution) == (
        "regions",
        "linkgan_plugin.regions.box:Box",
        "linkgan_plugin",
    )


def test_listing_every_kind_imports_no_plugin(run_python, example_site):
    code = (
        "import sys, json; from linkgan_plugin import registry\n"
        "found = [(e.name, e.distribution, e.version) for kind in registry.GROUPS for e in registry.entries(kind)]\n"
        "print(json.dumps([found, [m for m in sys.modules if m.partition('.')[0] in "
        "('linkgan_example', 'linkgan_plugin', 'torch', 'numpy')]]))"
    )
    found, modules = json.loads(run_python("-c", code, path=(example_site,)).stdout)
    assert ["circle", "linkgan-example", "1.2.3"] in found
    assert ["swap", "linkgan_plugin"] in [entry[:2] for entry in found]
    assert sorted(modules) == [
        "linkgan_plugin",
        "linkgan_plugin.errors",
        "linkgan_plugin.registry",
        "linkgan_plugin.version",
    ]


def test_loading_imports_that_plugin_alone(example_plugin):
    fade = registry.load("perturbations", "fade")
    assert fade.__module__ == "linkgan_example.perturbations"
    assert "linkgan_example.regions" not in sys.modules


def test_an_unknown_name_lists_the_right_ones_and_the_nearest():
    with pytest.raises(
        LinkGANError, match=r"no plugin 'swop' among the perturbations; known: .*swap.*\(did you mean 'swap'"
    ):
        registry.load("perturbations", "swop")
    with pytest.raises(LinkGANError, match=r"unknown plugin kind 'region'; known: .*\(did you mean 'regions'\?\)"):
        registry.entries("region")


def test_a_broken_plugin_is_named_and_stops_no_other(fake_distribution):
    fake_distribution("sad-plugin", "0.3", BROKEN)
    entry = registry.find("regions", "broken")
    message = (
        "plugin 'broken' (no_such_module_here:Thing) of sad-plugin 0.3 does not load: "
        "ModuleNotFoundError: No module named 'no_such_module_here'"
    )
    assert registry.check(entry) == message
    assert registry.check(entry, importing=False) is None
    assert registry.check(registry.find("regions", "box")) is None


@pytest.mark.parametrize("fault", ["raise SystemExit(3)", "1 / 0", "def broken(:", "Thing_ = 1"])
def test_whatever_a_plugin_does_on_import_is_reported(fault, fake_distribution):
    site = fake_distribution("sad-plugin", "0.3", "[linkgan.regions]\nbroken = faulty_module:Thing\n")
    (site / "faulty_module.py").write_text(fault)
    with pytest.raises(LinkGANError, match=r"of sad-plugin 0\.3 does not load: (SystemExit|ZeroDiv|Syntax|Attribute)"):
        registry.load("regions", "broken")
    sys.modules.pop("faulty_module", None)


def test_a_damaged_installation_is_listed_too(fake_distribution):
    site = fake_distribution("sad-plugin", "0.3", BROKEN)
    (site / "sad_plugin-0.3.dist-info" / "METADATA").unlink()
    entry = registry.find("regions", "broken")
    assert (entry.distribution, entry.version) == ("unknown", "unknown")


def test_a_name_claimed_twice_names_both_distributions(fake_distribution):
    fake_distribution("other-swap", "2.0", "[linkgan.perturbations]\nswap = other:swap\n")
    expected = (
        r"'swap' of perturbations is registered by linkgan_plugin .* and by other-swap 2\.0: uninstall one of them"
    )
    with pytest.raises(LinkGANError, match=expected):
        registry.load("perturbations", "swap")
    assert [entry.distribution for entry in registry.entries("perturbations") if entry.name == "swap"] == [
        "linkgan_plugin",
        "other-swap",
    ]
    assert all(registry.check(e, importing=False) for e in registry.entries("perturbations") if e.name == "swap")
    assert registry.load("perturbations", "gaussian")
