"""Constructor arguments as hosts take those of synthesis: in one dict, or by keyword."""

from __future__ import annotations

import io
from typing import Any

import pytest

from linkgan_plugin.pickles.arguments import arranged
from linkgan_plugin.pickles.checkout import rebuild
from linkgan_plugin.pickles.reader import read_pickle
from tests.pickles import checkouts

FLAT = {"z_dim": 6, "use_noise": False, "channel_max": 8}
NESTED = {"z_dim": 6, "synthesis_kwargs": {"use_noise": False, "channel_max": 8}}


class TakesDict:
    def __init__(self, z_dim: int, mapping_kwargs: Any = None, synthesis_kwargs: Any = None) -> None: ...


class TakesKeywords:
    def __init__(self, z_dim: int, mapping_kwargs: Any = None, **synthesis_kwargs: Any) -> None: ...


class TakesBoth:
    def __init__(self, z_dim: int, synthesis_kwargs: Any = None, **rest: Any) -> None: ...


class TakesNeither:
    def __init__(self, z_dim: int) -> None: ...


def persistent(network: type) -> type:
    """Wrap a class as hosts do: the constructor takes anything and passes it on."""

    class Persistent(network):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)

    return Persistent


@pytest.mark.parametrize("wrap", [persistent, lambda network: network])
@pytest.mark.parametrize(
    ("given", "network", "expected"),
    [
        (FLAT, TakesDict, NESTED),
        (NESTED, TakesDict, NESTED),
        (FLAT, TakesKeywords, FLAT),
        (NESTED, TakesKeywords, FLAT),
        (FLAT, TakesBoth, FLAT),
        (NESTED, TakesBoth, NESTED),
        (FLAT, TakesNeither, FLAT),  # its constructor names what it does not know
    ],
)
def test_arguments_of_synthesis_are_given_as_the_class_takes_them(
    given: dict[str, Any], network: type, expected: dict[str, Any], wrap: Any
) -> None:
    assert arranged(given, wrap(network)) == expected


def test_arguments_in_the_dict_and_beside_it_are_joined() -> None:
    given = {"z_dim": 6, "use_noise": False, "synthesis_kwargs": {"channel_max": 8}}
    assert arranged(given, TakesDict) == NESTED
    assert arranged(given, TakesKeywords) == FLAT


@pytest.mark.usefixtures("fresh_modules")
def test_a_network_of_one_host_is_rebuilt_with_the_class_of_another(made: tuple[bytes, Any], tmp_path: Any) -> None:
    other = checkouts.NETWORKS.replace("settings={}", "synthesis_kwargs={}").replace(
        "self.settings = settings", 'self.settings = synthesis_kwargs["settings"]'
    )
    node = read_pickle(io.BytesIO(made[0])).generator
    generator: Any = rebuild(node, checkouts.write(tmp_path, networks=other))
    assert generator.settings == checkouts.KWARGS["settings"]
    assert generator._init_kwargs["synthesis_kwargs"] == {"settings": checkouts.KWARGS["settings"]}
