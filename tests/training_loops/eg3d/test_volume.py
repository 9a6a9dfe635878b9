"""The generator without super-resolution: its background, and planes that end at a box."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.training_loops.eg3d.golden_cases import labels
from tests.training_loops.eg3d.test_networks import NARROW, RENDERING
from training_loops.eg3d.local_planes import LocalPlanes
from training_loops.eg3d.networks import VolumeGenerator
from training_loops.eg3d.planes import sample_planes
from training_loops.errors import OptionError
from training_loops.formats.cameras import split_labels
from training_loops.formats.rays import RaySampler

BOX = (-0.1, -0.1, -0.1, 0.15, 0.1, 0.3)
LOCAL = {"axes": [0, 3], "box": BOX}
CAMERAS = labels(2, 2.7)


def generator(*local: dict[str, Any]) -> VolumeGenerator:
    """A generator of 16 x 16 images with some density everywhere; features of local planes are not zero."""
    torch.manual_seed(0)
    dims = {"z_dim": 6, "c_dim": 25, "w_dim": 5, "img_resolution": 16, "img_channels": 3, "plane_resolution": 8}
    G = VolumeGenerator(
        **dims, mapping_kwargs={"num_layers": 2}, rendering_kwargs=RENDERING, local_planes=local, **NARROW
    )
    G.decoder.net[2].bias.data[0] = 1
    for name, value in G.local.named_parameters():
        if "torgb.weight" in name:
            torch.nn.init.normal_(value, std=5)
    return G.eval().requires_grad_(False)


def ws_of(G: VolumeGenerator) -> Tensor:
    return G.mapping(torch.randn(2, 6, generator=torch.Generator().manual_seed(1)), CAMERAS)


def render(G: VolumeGenerator, ws: Tensor) -> dict[str, Tensor]:
    torch.manual_seed(2)
    return G.synthesis(ws, CAMERAS, neural_rendering_resolution=16)


def background(G: VolumeGenerator, ws: Tensor) -> Tensor:
    return (torch.sigmoid(G.background(ws[:, -1])) * 2 - 1)[:, :, None, None]


def test_an_empty_volume_shows_its_background_at_the_end_of_the_rays() -> None:
    G = generator()
    G.decoder.net[2].bias[0] = -10
    ws = ws_of(G)
    out = render(G, ws)
    torch.testing.assert_close(out["image"], background(G, ws).expand(2, 3, 16, 16))
    torch.testing.assert_close(out["image_depth"], torch.full([2, 1, 16, 16], 3.3))
    assert out["image_raw"] is out["image"]


def test_light_that_passes_the_volume_comes_from_the_background() -> None:
    G = generator()
    ws = ws_of(G)
    G.decoder.net[2].weight[0] *= 0.1
    G.decoder.net[2].bias[0] = 0.5
    torch.manual_seed(2)
    rays = RaySampler()(*split_labels(CAMERAS), 16)
    planes = G.backbone.synthesis(ws).unflatten(1, (3, -1))
    colors, depth, opacity = (
        part.double().transpose(1, 2).unflatten(2, (16, 16))
        for part in G.renderer(planes, G.decoder, *rays, G.rendering_kwargs)
    )
    assert 0.05 < opacity.min() < opacity.max() < 0.95
    out = render(G, ws)
    # Colours of the renderer are on black, -1: (1 - alpha) of it becomes the background's.
    expected = colors + (1 - opacity) * (background(G, ws).double() + 1)
    torch.testing.assert_close(out["image"].double(), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(out["image_depth"].double(), opacity * depth + (1 - opacity) * 3.3, atol=1e-5, rtol=0)


def test_axes_of_local_planes_change_only_rays_through_the_box() -> None:
    G = generator(LOCAL)
    ws = ws_of(G)
    other = ws.clone()
    other[..., [0, 3]] += 1
    before, after = render(G, ws), render(G, other)
    origins, directions = (part.double() for part in RaySampler()(*split_labels(CAMERAS), 16))
    low, high = torch.tensor(BOX[:3]), torch.tensor(BOX[3:])
    steps = torch.linspace(2, 3.7, 400, dtype=torch.float64)
    points = origins[:, :, None] + steps[:, None] * directions[:, :, None]
    through = ((points > low) & (points < high)).all(-1).any(-1).view(2, 1, 16, 16)
    for name in ("image", "image_depth"):
        change = (after[name] - before[name]).abs().amax(dim=1, keepdim=True)
        assert (change[~through] == 0).all(), name
        assert change[through].max() > 1e-3, name
    assert 0.05 < through.double().mean() < 0.5


def test_the_other_axes_do_not_reach_local_planes_and_the_other_planes_not_theirs() -> None:
    G = generator(LOCAL)
    local = G.local[0]
    ws = ws_of(G)
    own, others = ws.clone(), ws.clone()
    own[..., [0, 3]] += 1
    others[..., [1, 2, 4]] += 1
    assert torch.equal(local.planes(others), local.planes(ws))
    assert not torch.equal(local.planes(own), local.planes(ws))
    assert torch.equal(G._volume(own)[0], G._volume(ws)[0])
    assert not torch.equal(G._volume(others)[0], G._volume(ws)[0])


def test_features_fade_to_zero_at_the_box() -> None:
    local = LocalPlanes(4, [1], BOX, resolution=4).double()
    planes = torch.randn(2, 3, 4, 4, 4, dtype=torch.float64)
    points = torch.rand(2, 200, 3, dtype=torch.float64) - 0.5
    low, high = np.array(BOX[:3]), np.array(BOX[3:])
    u = (points.numpy() - (low + high) / 2) / ((high - low) / 2)
    window = np.minimum(1, np.maximum(0, (1 - np.abs(u)) / 0.2)).prod(-1)
    found = local.features(planes, points)
    expected = sample_planes(planes, torch.from_numpy(u), 2).numpy() * window[..., None]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert 0 < (window > 0).mean() < 0.3
    # On an accelerator, all points are looked up.
    assert (found[torch.from_numpy(window == 0)] == 0).all()
    planes.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: local.features(p, points[:, :20]), planes)


def test_new_local_planes_change_nothing_of_the_others() -> None:
    plain, local = generator(), generator(LOCAL)
    local.load_state_dict({**local.state_dict(), **plain.state_dict()})
    for name, value in local.local.named_parameters():
        if "torgb.weight" in name:
            value.zero_()
    ws = ws_of(plain)
    ws[..., [0, 3]] = 0
    assert torch.equal(render(local, ws)["image"], render(plain, ws)["image"])
    fresh = LocalPlanes(4, [0], BOX)
    assert (fresh.planes(torch.randn(2, 3, 5)) == 0).all()


def test_the_network_can_be_rebuilt_from_its_arguments() -> None:
    G = generator(LOCAL)
    again = VolumeGenerator(**G.init_kwargs).eval().requires_grad_(False)
    again.load_state_dict(G.state_dict())
    assert torch.equal(render(again, ws_of(G))["image"], render(G, ws_of(G))["image"])
    assert "local_planes" not in generator().init_kwargs


@pytest.mark.parametrize(
    ("local", "message"),
    [
        ([{"axes": [5], "box": BOX}], r"axes \[5\]: expected different ones from 0 to 4"),
        ([LOCAL, LOCAL], r"axes \[0, 3, 0, 3\]: expected different ones"),
        ([{"axes": [], "box": BOX}], "expected axes, and x0 < x1"),
        ([{"axes": [0], "box": BOX[:4]}], "expected axes, and x0 < x1"),
        ([{"axes": [0], "box": (*BOX[3:], *BOX[:3])}], "expected axes, and x0 < x1"),
    ],
)
def test_axes_and_boxes_that_cannot_be_are_refused(local: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        generator(*local)


def test_rays_need_an_end() -> None:
    G = generator()
    kwargs = {**G.init_kwargs, "rendering_kwargs": {**RENDERING, "ray_start": "auto", "ray_end": "auto"}}
    with pytest.raises(OptionError, match="ray_end='auto': expected a number"):
        VolumeGenerator(**kwargs)
