"""Other sides of 3D images: cameras by hand, and what the page sees of regions from them."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from linkgan_plugin.cameras.orbit import STEEPEST, elevation, limited, pivot_of, turned
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.labels import constant_labels
from linkgan_plugin.links import LinkSpec
from tests.training_loops.eg3d.test_networks import small_generator
from tests.web.conftest import asking, session_of
from training_loops.formats.cameras import intrinsics, join_labels, look_at, positions_on_sphere, split_labels

PIVOT = torch.tensor([0.0, 0.1, 0.2])


def camera(horizontal=math.pi / 2, vertical=math.pi / 2, radius=2.7, pivot=PIVOT):
    """The label of a camera on a sphere around a pivot."""
    place = positions_on_sphere(torch.tensor([horizontal]), torch.tensor([vertical]), radius)
    return join_labels(look_at(place + pivot, pivot), intrinsics(18.8))


def place_of(label):
    return split_labels(label)[0][0, :3, 3]


def test_without_a_turn_the_camera_is_the_same_to_the_bit():
    label = camera(1.2, 1.7)
    assert torch.equal(turned(label, 0.0, 0.0, PIVOT), label)


@pytest.mark.parametrize(("yaw", "pitch"), [(0.5, 0.0), (0.0, 0.4), (-0.7, -0.3), (3.0, 0.9)])
def test_a_camera_that_looks_at_the_pivot_goes_on_doing_so_level_and_at_its_distance(yaw, pitch):
    label = turned(camera(1.2, 1.5), yaw, pitch, PIVOT)
    place = place_of(label)
    assert float((place - PIVOT).norm()) == pytest.approx(2.7, rel=1e-5)
    assert torch.allclose(split_labels(label)[0], look_at(place[None], PIVOT), atol=1e-5)


def test_a_quarter_to_the_right_is_where_the_right_side_is_seen():
    place = place_of(turned(camera(), math.pi / 2, 0.0, PIVOT)) - PIVOT
    assert torch.allclose(place, torch.tensor([2.7, 0.0, 0.0]), atol=1e-5)
    above = place_of(turned(camera(), 0.0, math.pi / 3, PIVOT)) - PIVOT
    assert torch.allclose(above, 2.7 * torch.tensor([0.0, math.sin(math.pi / 3), 0.5]), atol=1e-5)


def test_further_numbers_of_a_label_stay():
    label = torch.cat([camera(), torch.tensor([[7.0, 8.0]])], dim=1)
    assert turned(label, 0.3, 0.1, PIVOT)[:, 25:].tolist() == [[7.0, 8.0]]


def test_no_camera_comes_to_a_pole():
    label = camera(1.3, 1.3)
    for pitch in (10.0, -10.0):
        reached = elevation(turned(label, 0.0, limited(label, pitch, PIVOT), PIVOT), PIVOT)
        assert reached == pytest.approx(math.copysign(STEEPEST, pitch), abs=1e-3)


def test_the_pivot_is_the_one_that_the_network_names_else_where_the_camera_looks():
    named = SimpleNamespace(rendering_kwargs={"avg_camera_pivot": [0, 0.1, 0.2]})
    assert torch.allclose(pivot_of(named, camera()), PIVOT)
    origin = torch.zeros(3)
    assert torch.allclose(pivot_of(object(), camera(1.0, 1.4, pivot=origin)), origin, atol=1e-5)


@pytest.fixture
def solid_page(tmp_path):
    generator = LinkedGenerator(
        small_generator().requires_grad_(False),
        LinkSpec.parse(["nose=0:2@box3d(-0.2,-0.2,-0.5,0.2,0.2,0.5)"], dim=5),
        labels=constant_labels(camera(pivot=torch.zeros(3))),
    )
    with asking(session_of(generator, tmp_path)) as page:
        yield page


def test_looking_from_another_side_turns_image_and_regions_and_no_latents(solid_page):
    image = solid_page.new().state["image"]
    front = solid_page.get(f"images/{image}")
    masks = solid_page.client.get(f"/api/images/{image}/masks").content
    side = solid_page.post(f"images/{image}/look", {"yaw": 0.6})
    assert solid_page.client.get("/api/network").json()["is_3d_aware"] is True
    assert not np.array_equal(side.image, front.image)
    assert side.state["masks"] != front.state["masks"]
    assert solid_page.client.get(f"/api/images/{image}/masks").content != masks
    assert side.state["steps"] == 0
    back = solid_page.post(f"images/{image}/look", {"yaw": 0.0})
    assert np.array_equal(back.image, front.image)
    assert solid_page.client.get(f"/api/images/{image}/masks").content == masks


def test_edits_from_the_side_are_edits_of_the_object(solid_page):
    image = solid_page.new().state["image"]
    solid_page.post(f"images/{image}/look", {"yaw": 0.4, "pitch": 0.2})
    before = solid_page.get(f"images/{image}/before").image
    edited = solid_page.resample(image, "nose", seed=3)
    assert not np.array_equal(edited.image, before)
    assert np.array_equal(solid_page.post(f"images/{image}/undo").image, before)


def test_depth_and_normals_are_shown_before_and_after_edits(solid_page):
    image = solid_page.new().state["image"]
    colour = solid_page.get(f"images/{image}").image
    seen = {"colour": colour}
    for surface in ("depth", "normals"):
        answer = solid_page.post(f"images/{image}/look", {"surface": surface})
        assert answer.state["look"]["surface"] == surface
        seen[surface] = answer.image
        assert np.array_equal(solid_page.get(f"images/{image}/before").image, answer.image), "nothing is edited yet"
    assert len({part.tobytes() for part in seen.values()}) == 3
    edited = solid_page.resample(image, "nose", seed=3)
    assert not np.array_equal(edited.image, seen["normals"])
    assert np.array_equal(solid_page.get(f"images/{image}/before").image, seen["normals"])
    solid_page.post(f"images/{image}/undo")
    assert np.array_equal(solid_page.post(f"images/{image}/look", {"surface": "colour"}).image, colour)


def test_an_unknown_surface_is_refused(solid_page):
    image = solid_page.new().state["image"]
    answer = solid_page.post(f"images/{image}/look", {"surface": "skin"})
    assert answer.status == 400
    assert answer.error == "a look's surface is 'skin', expected one of: colour, depth, normals"


def test_flat_images_do_not_turn_and_have_no_depth(page):
    image = page.new().state["image"]
    look = page.post(f"images/{image}/look", {"yaw": 1.0, "surface": "depth"}).state["look"]
    assert (look["yaw"], look["surface"]) == (0, "colour")
