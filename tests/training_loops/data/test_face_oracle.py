"""The oracle maps each latent axis to one attribute and renders it."""

from __future__ import annotations

import torch

from training_loops.data.face_oracle import FaceOracle
from training_loops.data.faces import ATTRIBUTES, render


def test_the_oracle_has_the_shape_of_a_generator() -> None:
    oracle = FaceOracle(32)
    assert (oracle.z_dim, oracle.w_dim, oracle.num_ws, oracle.c_dim) == (len(ATTRIBUTES), len(ATTRIBUTES), 1, 0)
    assert (oracle.img_resolution, oracle.img_channels) == (32, 3)
    ws = oracle.mapping(torch.randn(4, oracle.z_dim), None)
    images = oracle.synthesis(ws, noise_mode="const")
    assert ws.shape == (4, 1, oracle.w_dim)
    assert images.shape == (4, 3, 32, 32)
    assert torch.equal(images, render(ws[:, 0], 32)[0])


def test_normal_latents_become_uniform_attributes() -> None:
    z = torch.randn(4000, len(ATTRIBUTES), generator=torch.Generator().manual_seed(0))
    ws = FaceOracle().mapping(z)[:, 0]
    for q in (0.1, 0.5, 0.9):
        assert (torch.quantile(ws, q, dim=0) - q).abs().max() < 0.04
    assert (ws.gather(0, z.argsort(0)).diff(dim=0) >= 0).all()


def test_truncation_pulls_every_attribute_to_its_middle() -> None:
    z = torch.randn(8, len(ATTRIBUTES))
    full, half = FaceOracle().mapping(z), FaceOracle().mapping(z, truncation_psi=0.5)
    assert torch.allclose(half - 0.5, (full - 0.5) / 2, atol=1e-6)


def test_axes_of_a_part_are_its_attributes() -> None:
    names = [ATTRIBUTES[axis].name for axis in FaceOracle().axes_of("mouth")]
    assert names == ["mouth_open", "smile", "lip_light"]
