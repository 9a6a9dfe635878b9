"""Which adapter a host gets: a plugin's where one matches, else the generic one."""

from __future__ import annotations

import pytest

from linkgan_plugin.calls.choose import host_for
from linkgan_plugin.calls.generic import GenericHost
from linkgan_plugin.errors import LinkGANError
from tests.toys import ToyGenerator, linked_weight

ADAPTER = """
from linkgan_plugin.calls.generator import GeneratorCalls
from linkgan_plugin.calls.generic import GenericHost

class DecoderHost(GenericHost):
    @classmethod
    def matches(cls, loss, networks):
        return "decoder" in networks

    def __init__(self, loss, networks):
        super().__init__(loss, {"G": networks["decoder"]})
"""


def toy():
    return ToyGenerator(linked_weight([range(4), range(4, 8)], 8, 8), 8)


def test_the_generic_adapter_serves_both_dialects():
    generator = toy()
    for networks in ({"G": generator}, {"G_mapping": generator.mapping, "G_synthesis": generator.synthesis}):
        host = host_for(object(), networks)
        assert type(host) is GenericHost
        assert host.calls.mapping.owner is generator.mapping


def test_a_plugins_adapter_is_taken_where_it_matches(fake_distribution):
    site = fake_distribution("linkgan-decoder", "1.0", "[linkgan.hosts]\ndecoder=decoder_host:DecoderHost\n")
    (site / "decoder_host.py").write_text(ADAPTER)
    generator = toy()
    assert type(host_for(object(), {"decoder": generator})).__name__ == "DecoderHost"
    assert type(host_for(object(), {"G": generator})) is GenericHost


def test_a_broken_adapter_is_named_and_passed_over(fake_distribution):
    fake_distribution("linkgan-broken", "2.0", "[linkgan.hosts]\nbroken=no_such_module:Host\n")
    with pytest.warns(UserWarning, match=r"linkgan-broken 2\.0"):
        assert type(host_for(object(), {"G": toy()})) is GenericHost


def test_a_host_without_a_generator_is_told_what_is_missing():
    with pytest.raises(LinkGANError, match="builds its loss with D, net; expected G"):
        host_for(object(), {"net": None, "D": None})


def test_a_generator_without_a_mapping_is_told_so():
    generator = toy()
    del generator.mapping
    with pytest.raises(LinkGANError, match="ToyGenerator has no mapping"):
        host_for(object(), {"G": generator})
