"""Turntables: cameras on an ellipse around the object, depth as grey values, and frames that begin as they end."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.labels import constant_labels
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.report import turntable
from linkgan_plugin.report.turntable import ViewSettings, ellipse, turntable_frames
from linkgan_plugin.report.view_sheet import view_sheet
from training_loops.data.face_oracle import FaceOracle
from training_loops.data.head_cameras import RADIUS, camera_labels
from training_loops.data.head_oracle import HeadOracle

FRONT = camera_labels(torch.zeros(1), torch.zeros(1))
LOOK = ViewSettings(FRONT, yaw=0.5, pitch=0.25, near=RADIUS - 0.4, far=RADIUS + 0.6, cell=16)


@pytest.fixture(scope="module")
def heads() -> LinkedGenerator:
    """The renderer, whose mouth is linked to what shapes it."""
    oracle = HeadOracle(16, 8)
    axes = ",".join(f"{axis}:{axis + 1}" for axis in oracle.axes_of("mouth"))
    spec = LinkSpec.parse([f"mouth={axes}@box3d(-0.111,-0.206,0.02,0.111,-0.055,0.215)"], dim=oracle.w_dim)
    return LinkedGenerator(oracle, spec, labels=constant_labels(FRONT))


@pytest.mark.parametrize("turns", [0.0, 0.1, 0.25, 0.6, 1.0, 2.4])
def test_cameras_are_those_of_the_heads_data_at_the_same_angles(turns: float) -> None:
    yaw, pitch = (
        torch.tensor([value]) for value in (0.5 * math.sin(2 * math.pi * turns), 0.25 * math.cos(2 * math.pi * turns))
    )
    torch.testing.assert_close(ellipse(FRONT, turns, 0.5, 0.25), camera_labels(yaw, pitch), atol=1e-5, rtol=0)


def test_a_turn_ends_where_it_began_and_keeps_its_distance() -> None:
    torch.testing.assert_close(ellipse(FRONT, 0, 0.5, 0.25), ellipse(FRONT, 1, 0.5, 0.25), atol=1e-5, rtol=0)
    cameras = torch.cat([ellipse(FRONT, turns, 0.5, 0.25) for turns in np.linspace(0, 1, 9)])
    places = cameras[:, :16].reshape(-1, 4, 4)[:, :3, 3]
    torch.testing.assert_close(places.norm(dim=1), torch.full([9], RADIUS))
    assert torch.equal(cameras[:, 16:], FRONT[:, 16:].expand(9, -1))


def test_depth_is_rendered_finely_and_the_generator_left_as_it_was(heads: LinkedGenerator) -> None:
    latents = heads.draw([0], FRONT)
    with heads.rendered_at(16):
        assert heads.rendering(latents, FRONT).depth.shape == (1, 1, 16, 16)
    assert heads.calls.settings == {}
    assert heads.rendering(latents, FRONT).depth.shape == (1, 1, 8, 8)


def test_the_camera_goes_round_while_one_region_changes_and_comes_back(
    heads: LinkedGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turntable, "AMOUNTS", (0.5, 1.0))
    monkeypatch.setattr(turntable, "TURN", 4)
    frames = list(turntable_frames({"one": heads, "two": heads}, [3, 4], ["mouth"], LOOK, changes=1))
    assert len(frames) == 4
    assert {frame.shape for frame in frames} == {(32 + 2 * (24 + 16), 2 * 2 * 16, 3)}
    assert np.array_equal(frames[0][56:72], frames[0][96:112]), "both rows are the same network"
    _, start, _ = LOOK.colour_and_depth(heads, heads.draw([3, 4], FRONT), ellipse(FRONT, 3 / 4, 0.5, 0.25))
    assert np.array_equal(frames[3][56:72, 0:16], start[0])
    _, away, _ = LOOK.colour_and_depth(heads, heads.draw([3, 4], FRONT), ellipse(FRONT, 1 / 4, 0.5, 0.25))
    assert not np.array_equal(frames[1][56:72, 0:16], away[0]), "a whole change later the mouth is another"


def test_a_sheet_shows_the_edit_from_three_sides_with_depth(heads: LinkedGenerator) -> None:
    sheet = view_sheet(heads, [0, 1], ["mouth", "rest"], LOOK, title="heads")
    assert sheet.shape == (32 + 26 + 2 * 3 * 16, 3 * 3 * 16 + 2 * 8, 3)
    latents = heads.draw([0, 1], FRONT)
    for row, camera in enumerate(camera_labels(torch.tensor([yaw]), torch.zeros(1)) for yaw in (-0.5, 0.0, 0.5)):
        _, colour, depth = LOOK.colour_and_depth(heads, latents, camera)
        left = 16 * row
        assert np.abs(sheet[58:74, left : left + 16].astype(int) - colour[0]).mean() < 1
        assert np.abs(sheet[74:90, left : left + 16].astype(int) - depth[0]).mean() < 1
    difference = sheet[90:106, 56:104].astype(int)
    assert difference.max() == 255, "the region is outlined"


def test_a_flat_generator_is_refused() -> None:
    flat = FaceOracle(16)
    generator = LinkedGenerator(flat, LinkSpec.parse(["a=2@box(0,0,1,0.5)"], dim=flat.w_dim))
    latents = generator.draw([0])
    with pytest.raises(LinkGANError, match="renders no depth"):
        LOOK.colour_and_depth(generator, latents, FRONT)
