"""Rebuilding networks with the classes of a checkout."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.pickles.checkout import rebuild
from linkgan_plugin.pickles.nodes import Node
from linkgan_plugin.pickles.reader import read_pickle
from tests.pickles import checkouts
from training_loops.formats.pickles.stored import HeldTensor

pytestmark = pytest.mark.usefixtures("fresh_modules")

OTHER = """
import torch
from torch_utils import persistence


@persistence.persistent_class
class Generator(torch.nn.Module):
    def __init__(self, z_dim, w_dim, img_resolution, settings={}):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(w_dim))
"""

PICKY = OTHER.replace("settings={}", "channels")


def node_of(made: tuple[bytes, Any]) -> Node:
    return read_pickle(io.BytesIO(made[0])).generator


def test_the_network_is_the_one_that_was_saved(checkout, made):
    generator = rebuild(node_of(made), checkout)
    original = made[1]
    z = torch.randn(3, 6)
    assert torch.equal(generator(z, None), original(z, None))
    assert type(generator).__mro__[1].__module__ == "training.networks"
    assert torch.equal(generator.dataset_label_std, original.dataset_label_std)
    assert generator.rendering_resolution == 32
    assert generator.wide.stride() == original.wide.stride()
    assert not generator.training
    assert not any(parameter.requires_grad for parameter in generator.parameters())
    assert str(checkout) not in sys.path


def test_data_where_a_module_or_a_buffer_belongs_is_left_or_refused(checkout, made):
    node = node_of(made)
    node.state["mapping"] = 5
    assert rebuild(node, checkout).mapping.w_dim == 4
    node.state["_buffers"]["a.b"] = HeldTensor(torch.zeros(1))
    with pytest.raises(LinkGANError, match=r"a\.b is not in the class"):
        rebuild(node, checkout)


def test_two_rebuilt_networks_share_nothing(checkout, made):
    node = node_of(made)
    first, second = rebuild(node, checkout), rebuild(node, checkout)
    first.wide.zero_()
    assert second.wide.abs().min() > 0
    assert node.state_dict()["wide"].abs().min() > 0


def test_data_on_a_network_never_replaces_its_methods(checkout):
    made = checkouts.snapshot_bytes(checkout, forward="hello", link_spec={"a": [1, (2,)]})
    generator = rebuild(node_of(made), checkout)
    assert generator(torch.randn(1, 6), None).shape == (1, 3, 8, 8)
    assert generator.link_spec == {"a": [1, (2,)]}


@pytest.mark.parametrize("others", [{"a": OTHER}, {"a": PICKY}, {"a": OTHER, "b": PICKY}])
def test_among_classes_of_one_name_the_fitting_one_is_found(others, made, tmp_path):
    edited = checkouts.NETWORKS + "\n# edited since\n"
    host = checkouts.write(tmp_path, networks=edited, **others)
    assert type(rebuild(node_of(made), host)).__mro__[1].__module__ == "training.networks"


def test_the_very_source_that_made_the_snapshot_wins_over_a_copy(made, tmp_path):
    copy = checkouts.NETWORKS + "\n# edited since\n"
    host = checkouts.write(tmp_path, networks=checkouts.NETWORKS, a=copy)
    assert type(rebuild(node_of(made), host)).__mro__[1].__module__ == "training.networks"


def test_copies_that_fit_alike_are_not_guessed_between(made, tmp_path):
    host = checkouts.write(tmp_path, a=checkouts.NETWORKS + "\n# 1\n", b=checkouts.NETWORKS + "\n# 2\n")
    with pytest.raises(LinkGANError, match=r"training.a and training.b .* keep only"):
        rebuild(node_of(made), host)


def test_classes_that_do_not_fit_say_why(made, tmp_path):
    wrong = checkouts.NETWORKS.replace("torch.randn(3)", "torch.randn(4)")
    host = checkouts.write(tmp_path, a=OTHER, b=PICKY, c=wrong)
    with pytest.raises(LinkGANError) as caught:
        rebuild(node_of(made), host)
    message = str(caught.value)
    assert "training.a has other tensors (weight is not in the file; wide is not in the class" in message
    assert "training.b does not accept its arguments (TypeError: " in message
    assert "training.c has other tensors (fine is float16 [3] in the file and float16 [4] in the class)" in message


def test_a_class_that_is_nowhere_is_named(made, tmp_path):
    host = checkouts.write(tmp_path, networks="")
    with pytest.raises(LinkGANError, match="no class Generator in"):
        rebuild(node_of(made), host)


@pytest.mark.parametrize("source", ["import nothing_of_that_name\nclass Generator: pass", "class Generator: 1 +"])
def test_code_that_does_not_import_is_one_line(source, made, tmp_path):
    host = checkouts.write(tmp_path, networks=source)
    with pytest.raises(LinkGANError, match=r"training.networks of .* cannot be imported"):
        rebuild(node_of(made), host)


def test_a_folder_that_is_no_checkout_is_refused(made, tmp_path):
    with pytest.raises(LinkGANError, match=r"expected the folder with train.py"):
        rebuild(node_of(made), tmp_path)


def test_modules_of_another_checkout_are_not_mixed_in(checkout, made, tmp_path):
    rebuild(node_of(made), checkout)
    other = checkouts.write(tmp_path)
    with pytest.raises(
        LinkGANError, match=r"has already imported 'torch_utils' from .*; open a network of .* in another process"
    ):
        rebuild(node_of(made), other)


@pytest.mark.parametrize(
    "name", ["os.system", "training.parts.torch.hub.load", "training.networks.nothing", "training.os.system"]
)
def test_a_part_named_in_the_file_must_be_a_class_of_the_checkout(name, checkout, made):
    node = node_of(made)
    node.state["_init_kwargs"]["settings"]["part"] = name
    with pytest.raises(LinkGANError, match=f"the file names '{name}' as a class to build"):
        rebuild(node, checkout)


def test_paths_are_taken_as_they_are(checkout, made, tmp_path, monkeypatch):
    link = tmp_path / "link"
    link.symlink_to(checkout, target_is_directory=True)
    rebuild(node_of(made), link)
    monkeypatch.chdir(checkout.parent)
    assert rebuild(node_of(made), Path(checkout.name)).rendering_resolution == 32
