"""The oracle maps each latent axis to one attribute and renders it as EG3D's generators answer."""

from __future__ import annotations

import torch

from training_loops.data.head_cameras import sample_cameras
from training_loops.data.head_oracle import HeadOracle
from training_loops.data.heads3d import ATTRIBUTES, render


def test_the_oracle_answers_as_a_3d_aware_generator() -> None:
    oracle, c = HeadOracle(32, neural_rendering_resolution=16), sample_cameras(3, 0)
    assert (oracle.z_dim, oracle.w_dim, oracle.num_ws, oracle.c_dim) == (len(ATTRIBUTES), len(ATTRIBUTES), 1, 25)
    assert (oracle.img_resolution, oracle.img_channels) == (32, 3)
    ws = oracle.mapping(torch.randn(3, oracle.z_dim), c)
    assert ws.shape == (3, 1, oracle.w_dim)
    out = oracle.synthesis(ws, c, noise_mode="const")
    assert torch.equal(out["image"], render(ws[:, 0], c, 32).images)
    small = render(ws[:, 0], c, 16)
    assert torch.equal(out["image_raw"], small.images)
    assert torch.equal(out["image_depth"], small.depth)


def test_the_rendering_resolution_is_kept_for_later_calls() -> None:
    oracle, c = HeadOracle(16, neural_rendering_resolution=8), sample_cameras(1, 0)
    ws = torch.full([1, 1, oracle.w_dim], 0.5)
    assert oracle.synthesis(ws, c)["image_depth"].shape == (1, 1, 8, 8)
    for given in (16, None):
        out = oracle.synthesis(ws, c, neural_rendering_resolution=given)
        assert out["image_depth"].shape == (1, 1, 16, 16)
        assert torch.equal(out["image"], out["image_raw"])
        assert out["image"].data_ptr() != out["image_raw"].data_ptr()


def test_latents_follow_the_label_alone_where_the_camera_is_concerned() -> None:
    oracle, z = HeadOracle(16, 8), torch.randn(1, len(ATTRIBUTES)).expand(2, -1)
    c = sample_cameras(2, 0)
    ws = oracle.mapping(z, c)
    assert torch.equal(ws[0], ws[1])
    images = oracle(z, c)["image"]
    assert (images[0] - images[1]).abs().mean() > 0.05


def test_axes_of_a_part_are_its_attributes() -> None:
    names = [ATTRIBUTES[axis].name for axis in HeadOracle().axes_of("nose")]
    assert names == ["nose_red", "nose_length", "nose_width"]
