"""Pasting: what is the photograph's stays the photograph's to the bit, also where regions move."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from linkgan_plugin.editing.editor import Editor, Resample, Transplant
from linkgan_plugin.editing.example import example_generator
from linkgan_plugin.editing.paste import feathered, paste
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.links import Link, LinkSpec
from linkgan_plugin.regions.base import Region, Scene


def brute_feathered(mask: np.ndarray, feather: float) -> np.ndarray:
    """The seam pixel by pixel, from the distance to every pixel of the region."""
    inside = np.argwhere(mask >= 0.5)
    result = mask.astype(np.float64)
    for y, x in np.ndindex(*mask.shape):
        distance = min((math.hypot(y - v, x - u) for v, u in inside), default=math.inf)
        if distance < feather + 1:
            result[y, x] = max(mask[y, x], (1 + math.cos(math.pi * distance / (feather + 1))) / 2)
    return result


@pytest.mark.parametrize("feather", [0.5, 2, 3.7])
def test_the_seam_is_that_of_its_definition(feather):
    random = np.random.default_rng(0)
    mask = np.zeros([14, 12])
    mask[3:6, 2:7] = random.uniform(0, 1, [3, 5])
    mask[10, 11] = 1
    found = feathered(torch.from_numpy(mask).float(), feather)
    assert found.dtype == torch.float32
    assert np.allclose(found.numpy(), brute_feathered(mask, feather), atol=1e-6)


def test_the_seam_ends_exactly_where_it_is_said_to():
    mask = torch.zeros(9, 32)
    mask[:, 16] = 1
    row = feathered(mask, 3)[4]
    assert (row > 0).nonzero().flatten().tolist() == list(range(13, 20))
    assert row[16] == 1
    assert (feathered(mask)[4] > 0).nonzero().flatten().tolist() == list(range(14, 19)), "a 16th of the width: 2"


def test_no_feather_leaves_soft_masks_and_no_region_has_no_seam():
    soft = torch.rand(5, 5)
    assert torch.equal(feathered(soft, 0), soft)
    assert feathered(torch.zeros(5, 5), 4).max() == 0


@pytest.mark.parametrize("feather", [-1.0, math.nan, math.inf])
def test_a_feather_that_is_no_width_is_refused(feather):
    with pytest.raises(LinkGANError, match="width in pixels"):
        feathered(torch.ones(4, 4), feather)


def test_pasting_keeps_the_photograph_where_the_mask_is_zero_and_the_edit_where_it_is_one():
    photograph, edited = torch.randn(2, 1, 3, 8, 8)
    edited[..., 0] = math.nan  # must not even be looked at
    mask = torch.zeros(8, 8)
    mask[2:5] = 1
    mask[5] = 0.25
    mask[:, 0] = 0
    pasted = paste(photograph, edited, mask)
    assert torch.equal(pasted[..., mask == 0], photograph[..., mask == 0])
    assert torch.equal(pasted[..., mask == 1], edited[..., mask == 1])
    blend = (0.75 * photograph + 0.25 * edited)[..., 5, 1:]
    assert torch.allclose(pasted[..., 5, 1:], blend, atol=1e-6)


def test_a_photograph_of_another_size_is_refused():
    with pytest.raises(LinkGANError, match=r"\[1, 3, 8, 8\].*\[1, 3, 16, 16\]"):
        paste(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 16, 16), torch.zeros(16, 16))


def test_an_unedited_photograph_is_itself():
    editor = with_photograph()
    assert torch.equal(editor.pasted(), editor.photograph)
    editor.do(Resample("left", 1))
    editor.undo()
    assert torch.equal(editor.pasted(5), editor.photograph)


def test_only_the_edited_regions_are_pasted_in():
    editor = with_photograph()
    editor.do(Resample("left", 1))
    pasted = editor.pasted(feather=1)
    assert torch.equal(pasted[..., :6], editor.image()[..., :6])
    assert torch.equal(pasted[..., 7:], editor.photograph[..., 7:])
    assert not torch.equal(pasted[..., 6], editor.photograph[..., 6])
    editor.do(Resample("rest", 1))
    assert torch.equal(editor.pasted(0)[..., :10], editor.image()[..., :10])


def test_without_a_photograph_the_image_at_the_start_is_the_ground():
    editor = Editor.of_seed(example_generator(), 0)
    editor.do(Resample("left", 1))
    assert torch.equal(editor.pasted(0)[..., 6:], editor.original()[..., 6:])


def with_photograph() -> Editor:
    generator = example_generator()
    random = torch.Generator().manual_seed(1)
    return Editor(generator, generator.draw([0]), photograph=torch.rand([1, 3, 16, 16], generator=random) * 2 - 1)


class Marked(Region):
    """The pixels of the row that the image marks with 1 in its first channel."""

    def mask(self, scene: Scene) -> Tensor:
        return (scene.images[:, :1] == 1).float()

    def __str__(self) -> str:
        return "marked()"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Marked)

    __hash__ = Region.__hash__


def marking_generator(rows: Sequence[int]) -> LinkedGenerator:
    """An example generator whose first axis says, by its sign, which of two rows is marked."""
    example = example_generator()
    synthesis = example.generator.synthesis
    plain = synthesis.forward

    def marked(ws: Tensor) -> Tensor:
        images = plain(ws).clone()
        for image, negative in zip(images, ws[:, 0, 0] < 0, strict=True):
            image[0, rows[int(negative)]] = 1
        return images

    synthesis.forward = marked
    return LinkedGenerator(example.generator, LinkSpec((Link("mark", (0, 1, 2, 3), Marked()),), dim=12))


def test_a_region_that_moves_is_pasted_where_it_was_and_where_it_is():
    generator = marking_generator([3, 11])
    latents, donor = torch.ones(1, 2, 12), -torch.ones(1, 2, 12)
    editor = Editor(generator, latents, photograph=torch.zeros(1, 3, 16, 16))
    editor.do(Transplant("mark", donor))
    assert editor.masks()["mark"][11].min() == 1
    assert editor.masks()["mark"][3].max() == 0
    pasted = editor.pasted(feather=0)
    edited = [3, 11]
    others = [row for row in range(16) if row not in edited]
    assert torch.equal(pasted[..., edited, :], editor.image()[..., edited, :])
    assert pasted[..., others, :].abs().max() == 0
