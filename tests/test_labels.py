"""Labels of seeds: from a data set, constant, or none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.labels import class_label, constant_labels, fixed_label, labels_from, no_labels
from linkgan_plugin.links import LinkSpec
from tests.calls.test_calls import MethodGenerator


class Data:
    rows = np.eye(5, dtype=np.float32)[:, :3]

    def __len__(self):
        return 5

    def get_label(self, index):
        return self.rows[index]


def test_a_seed_has_one_label_whatever_it_is_asked_with():
    labels = labels_from(Data(), 3)
    assert torch.equal(labels([4, 7, 4])[[0, 2]], labels([4]).expand(2, -1))
    assert {tuple(row) for row in labels(range(200)).tolist()} == {tuple(row) for row in Data.rows.tolist()}


def test_data_with_other_labels_is_refused_with_both_sizes():
    with pytest.raises(LinkGANError, match="labels have 3 numbers; this network takes 25"):
        labels_from(Data(), 25)


def test_zeros_are_no_camera():
    assert torch.equal(no_labels(3)([1, 2]), torch.zeros(2, 3))
    with pytest.raises(LinkGANError, match=r"camera.*--data"):
        no_labels(25, camera=True)([1])
    assert no_labels(25)([1]).shape == (1, 25), "as many classes are no camera"


def test_one_label_of_all_seeds_is_told_from_labels_that_differ():
    assert torch.equal(fixed_label(constant_labels(class_label(1, 3))), torch.tensor([[0.0, 1.0, 0.0]]))
    assert fixed_label(labels_from(Data(), 3)) is None
    assert fixed_label(None) is None


def test_a_conditional_network_asks_for_labels_instead_of_taking_zeros():
    spec = LinkSpec.parse(["left=0:4@box(0,0,0.5,1)"], dim=8)
    with pytest.raises(LinkGANError, match=r"takes labels of 2 numbers.*labels=labels_from\(data, 2\).*no_labels\(2\)"):
        LinkedGenerator(MethodGenerator(), spec)
    assert torch.equal(LinkedGenerator(MethodGenerator(), spec, labels=no_labels(2)).labels([3]), torch.zeros(1, 2))


def test_a_linked_generator_refuses_a_label_of_another_size():
    spec = LinkSpec.parse(["left=0:4@box(0,0,0.5,1)"], dim=8)
    generator = LinkedGenerator(MethodGenerator(), spec, labels=constant_labels(torch.ones(7)))
    with pytest.raises(LinkGANError, match="a label has 7 numbers; this network takes 2"):
        generator.sample([0])


def test_samples_carry_their_own_labels_and_edits_those_given():
    spec = LinkSpec.parse(["left=0:4@box(0,0,0.5,1)"], dim=8)
    generator = LinkedGenerator(MethodGenerator(), spec, labels=lambda seeds: torch.tensor([[s, 0.0] for s in seeds]))
    sample = generator.sample([1, 3])
    labels = generator.labels([1, 3])
    assert torch.equal(sample.images, generator.render(sample.latents, labels))
    edited = generator.mix(sample.latents, sample.latents, "left", labels)
    assert torch.equal(edited.images, sample.images)
    assert not torch.equal(generator.mix(sample.latents, sample.latents, "left").images, sample.images)
