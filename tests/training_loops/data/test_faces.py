"""Procedural faces: exact masks, parts that keep to their boxes, attributes that change their own part alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import avg_pool2d

from training_loops.data.faces import (
    ATTRIBUTES,
    DEMO_LINKS,
    EYES_BOX,
    MOUTH_BOX,
    PARTS,
    part_axes,
    render,
    sample_attributes,
)
from training_loops.formats.archive import DatasetError

NAMES = [attribute.name for attribute in ATTRIBUTES]
BOXES = {"eyes": EYES_BOX, "mouth": MOUTH_BOX}
SMALLEST_CHANGE = 5e-5  # mean squared change over the whole image when one attribute is redrawn


def box_mask(box: tuple[float, float, float, float], size: int = 32) -> Tensor:
    x0, y0, x1, y1 = (edge * size for edge in box)
    assert all(edge == int(edge) for edge in (x0, y0, x1, y1)), "the demo's boxes end between pixels"
    mask = torch.zeros(size, size)
    mask[int(y0) : int(y1), int(x0) : int(x1)] = 1
    return mask


def redraw(attributes: Tensor, axes: tuple[int, ...], seed: int) -> Tensor:
    changed = attributes.clone()
    changed[:, axes] = sample_attributes(len(attributes), seed)[:, axes]
    return changed


def test_masks_share_every_pixel_out_and_images_stay_in_range() -> None:
    images, masks = render(sample_attributes(40, 0), 32)
    assert images.shape == (40, 3, 32, 32)
    assert masks.shape == (40, len(PARTS), 32, 32)
    assert images.min() >= -1
    assert images.max() <= 1
    assert masks.min() >= 0
    assert torch.allclose(masks.sum(1), torch.ones(40, 32, 32), atol=1e-5)
    assert (masks.mean((0, 2, 3)) > 0.004).all(), "every part shows"


def test_the_same_seed_gives_the_same_faces_and_more_faces_keep_the_first() -> None:
    assert torch.equal(sample_attributes(5, 3), sample_attributes(9, 3)[:5])
    assert not torch.equal(sample_attributes(5, 3), sample_attributes(5, 4))


def test_a_face_does_not_depend_on_the_others_in_its_batch() -> None:
    attributes = sample_attributes(70, 0)
    images, masks = render(attributes, 32)
    alone, alone_masks = render(attributes[64:65], 32)
    assert torch.allclose(images[64:65], alone, atol=1e-5)
    assert torch.allclose(masks[64:65], alone_masks, atol=1e-5)


@pytest.mark.parametrize("size", [16, 32, 64])
def test_images_look_the_same_at_every_resolution(size: int) -> None:
    attributes = sample_attributes(16, 0)
    images, masks = render(attributes, size)
    fine_images, fine_masks = render(attributes, 256)
    assert (avg_pool2d(fine_images, 256 // size) - images).square().mean() < 1.5e-3
    assert (avg_pool2d(fine_masks, 256 // size) - masks).abs().mean() < 3e-3


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**31), extreme=st.booleans())
def test_eyes_and_mouth_lie_in_their_boxes_for_all_attributes(seed: int, extreme: bool) -> None:
    attributes = sample_attributes(64, seed)
    _, masks = render(attributes.round() if extreme else attributes, 32)
    for part, box in BOXES.items():
        shown = masks[:, PARTS.index(part)]
        inside = (shown * box_mask(box)).sum((1, 2)) / shown.sum((1, 2))
        assert inside.min() >= 0.995


def test_the_boxes_are_clear_of_hair_and_background() -> None:
    _, masks = render(sample_attributes(300, 1), 32)
    for box in BOXES.values():
        share = (masks * box_mask(box)).sum((0, 2, 3)) / box_mask(box).sum() / len(masks)
        assert share[PARTS.index("hair")] + share[PARTS.index("background")] < 0.005


def test_the_demo_links_name_the_boxes() -> None:
    assert DEMO_LINKS == ("eyes=16@box(0.25,0.3125,0.75,0.59375)", "mouth=8@box(0.3125,0.625,0.6875,0.84375)")
    assert box_mask(EYES_BOX).mean() == pytest.approx(0.1406, abs=1e-4)
    assert box_mask(MOUTH_BOX).mean() == pytest.approx(0.0820, abs=1e-4)


@pytest.mark.parametrize(("part", "least"), [("eyes", 0.12), ("mouth", 0.06)])
def test_redrawing_a_part_changes_its_box_much_and_the_rest_not_at_all(part: str, least: float) -> None:
    attributes = sample_attributes(500, 2)
    change = (render(attributes, 32)[0] - render(redraw(attributes, part_axes(part), 3), 32)[0]).square().mean(1)
    inside = box_mask(BOXES[part])
    assert (change * inside).sum() / inside.sum() / 500 > least
    assert (change * (1 - inside)).max() < 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_every_attribute_shows_and_changes_its_own_part_alone(name: str) -> None:
    attributes = sample_attributes(48, 5)
    axis = NAMES.index(name)
    before, masks_before = render(attributes, 32)
    after, masks_after = render(redraw(attributes, (axis,), 6), 32)
    change = (before - after).square().mean(1)
    assert change.mean() > SMALLEST_CHANGE
    part = ATTRIBUTES[axis].part
    if part != "skin":  # whose colour shows through on the nose
        own = (masks_before + masks_after)[:, PARTS.index(part)] > 0
        assert change[~own].max() < 1e-6


def test_unusable_attributes_and_sizes_are_refused() -> None:
    with pytest.raises(DatasetError, match=rf"shape \[2, 3\], expected \[n, {len(NAMES)}\]"):
        render(torch.zeros(2, 3), 32)
    with pytest.raises(DatasetError, match="size is 4, expected at least 8"):
        render(sample_attributes(1, 0), 4)
    with pytest.raises(DatasetError, match="part is 'eye', expected one of: background, hair"):
        part_axes("eye")


def test_no_faces_give_empty_tensors() -> None:
    images, masks = render(sample_attributes(0, 0), 32)
    assert images.shape == (0, 3, 32, 32)
    assert masks.shape == (0, len(PARTS), 32, 32)
