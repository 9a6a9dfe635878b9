"""The EG3D networks' shapes, states and errors."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.training_loops.eg3d.golden_cases import labels
from training_loops.eg3d.networks import (
    DualDiscriminator,
    DummyDualDiscriminator,
    OSGDecoder,
    SingleDiscriminator,
    TriPlaneGenerator,
    filtered_resizing,
)
from training_loops.errors import OptionError

HEAD = "training.superresolution.SuperresolutionHybrid2X"
RENDERING: dict[str, Any] = {
    "superresolution_module": HEAD,
    "superresolution_noise_mode": "none",
    "c_gen_conditioning_zero": False,
    "c_scale": 1,
    "clamp_mode": "softplus",
    "disparity_space_sampling": False,
    "depth_resolution": 4,
    "depth_resolution_importance": 4,
    "ray_start": 2.25,
    "ray_end": 3.3,
    "box_warp": 1,
}
NARROW: dict[str, Any] = {"channel_base": 64, "channel_max": 8, "num_fp16_res": 0}


def small_generator(rendering: dict[str, Any] | None = None, **kwargs: Any) -> TriPlaneGenerator:
    """A generator of 16 x 16 images from planes of 8 x 8 texels."""
    torch.manual_seed(0)
    dims = {"z_dim": 6, "c_dim": 25, "w_dim": 5, "img_resolution": 16, "img_channels": 3, "plane_resolution": 8}
    parts = {"mapping_kwargs": {"num_layers": 2}, "sr_kwargs": {"widths": (8, 4)}, **NARROW}
    return TriPlaneGenerator(
        **{**dims, **parts, "rendering_kwargs": {**RENDERING, **(rendering or {})}, **kwargs}
    ).eval()


@pytest.fixture(scope="module")
def G() -> TriPlaneGenerator:
    return small_generator().requires_grad_(False)


@pytest.fixture
def z() -> Tensor:
    return torch.randn(2, 6, generator=torch.Generator().manual_seed(1))


CAMERAS = labels(2, 2.7)


def _render(G: TriPlaneGenerator, ws: Tensor, c: Tensor = CAMERAS, **kwargs: Any) -> dict[str, Tensor]:
    torch.manual_seed(2)
    return G.synthesis(ws, c, noise_mode="const", **kwargs)


def test_images_and_depths_have_their_shapes_and_ranges(G: TriPlaneGenerator, z: Tensor) -> None:
    out = G(z, CAMERAS, neural_rendering_resolution=12)
    assert {key: list(value.shape) for key, value in out.items()} == {
        "image": [2, 3, 16, 16],
        "image_raw": [2, 3, 12, 12],
        "image_depth": [2, 1, 12, 12],
    }
    assert (out["image_raw"].abs() <= 1.002).all()
    # Jitter reaches one step beyond the end.
    assert 2.25 <= out["image_depth"].min() <= out["image_depth"].max() <= 3.3 + 1.05 / 3
    assert all(value.dtype == torch.float32 for value in out.values())


def test_forward_is_mapping_then_synthesis(G: TriPlaneGenerator, z: Tensor) -> None:
    ws = G.mapping(z, CAMERAS, truncation_psi=0.5)
    assert ws.shape == (2, G.backbone.num_ws, 5)
    torch.manual_seed(2)
    whole = G(z, CAMERAS, 0.5, noise_mode="const", neural_rendering_resolution=8)
    assert torch.equal(whole["image"], _render(G, ws)["image"])


def test_the_rendering_resolution_is_kept_for_later_calls(z: Tensor) -> None:
    G = small_generator()
    assert G.neural_rendering_resolution == 64
    ws = G.mapping(z, CAMERAS)
    assert _render(G, ws, neural_rendering_resolution=6)["image_raw"].shape[-1] == 6
    assert _render(G, ws)["image_raw"].shape[-1] == 6


def test_super_resolution_leaves_the_rendered_image_as_it_is(G: TriPlaneGenerator, z: Tensor) -> None:
    ws = G.mapping(z, CAMERAS)
    given: list[Tensor] = []
    hook = G.superresolution.register_forward_pre_hook(lambda _, args: given.append(args[0].clone()))
    out = _render(G, ws, neural_rendering_resolution=8)  # the head's own resolution: nothing is resized
    hook.remove()
    assert torch.equal(out["image_raw"], given[0])


def test_kept_planes_are_seen_from_other_cameras(z: Tensor) -> None:
    G = small_generator().requires_grad_(False)
    a, b = G.mapping(z, CAMERAS), G.mapping(z.flip(0), CAMERAS)
    _render(G, a, neural_rendering_resolution=8, cache_backbone=True)
    expected = _render(G, a, CAMERAS.flip(0))
    again = _render(G, b, CAMERAS.flip(0), use_cached_backbone=True)
    assert torch.equal(again["image_raw"], expected["image_raw"])
    assert not torch.equal(_render(G, b, CAMERAS.flip(0))["image_raw"], expected["image_raw"])
    # Without planes that were kept there is nothing to use.
    fresh = _render(small_generator(), b, neural_rendering_resolution=8, use_cached_backbone=True)
    assert torch.equal(fresh["image_raw"], _render(G, b)["image_raw"])


@pytest.mark.parametrize(("zero", "scale", "same"), [(True, 1, True), (False, 0, True), (False, 1, False)])
def test_labels_condition_where_the_options_let_them(z: Tensor, zero: bool, scale: float, same: bool) -> None:
    G = small_generator({"c_gen_conditioning_zero": zero, "c_scale": scale})
    assert torch.equal(G.mapping(z, CAMERAS), G.mapping(z, CAMERAS.flip(0))) is same


def test_averages_move_only_when_asked(z: Tensor) -> None:
    G = small_generator().train()
    G(z, CAMERAS, neural_rendering_resolution=4)
    assert not G.backbone.mapping.w_avg.any()
    G(z, CAMERAS, neural_rendering_resolution=4, update_emas=True)
    assert G.backbone.mapping.w_avg.any()


def test_features_at_points_are_those_that_rays_see(G: TriPlaneGenerator, z: Tensor) -> None:
    torch.manual_seed(3)
    ws, points = G.mapping(z, CAMERAS), torch.rand(2, 7, 3) - 0.5
    mixed = G.sample_mixed(points, points, ws, noise_mode="const")
    assert {key: list(value.shape) for key, value in mixed.items()} == {"rgb": [2, 7, 32], "sigma": [2, 7, 1]}
    sampled = G.sample(points, points, z, CAMERAS, noise_mode="const")
    assert all(torch.equal(sampled[key], mixed[key]) for key in mixed)
    # One ray through one point sees its colour times the light that the point's surroundings stop.
    planes = G.backbone.synthesis(ws, noise_mode="const").unflatten(1, (3, -1))
    options = {**RENDERING, "depth_resolution": 2, "depth_resolution_importance": 0, "ray_start": 0, "ray_end": 1e-6}
    direction = torch.tensor([0.0, 0.0, 1.0]).expand_as(points)
    rgb, _, opacity = G.renderer(planes, G.decoder, points, direction, options)
    torch.testing.assert_close((rgb + 1) / 2, mixed["rgb"] * opacity, atol=1e-6, rtol=0)


def test_the_same_network_can_be_built_from_what_it_keeps() -> None:
    G = small_generator()
    again = TriPlaneGenerator(**G.init_kwargs)
    assert [(n, p.shape) for n, p in again.named_parameters()] == [(n, p.shape) for n, p in G.named_parameters()]
    assert again.init_kwargs == G.init_kwargs
    G.rendering_kwargs["depth_resolution"] = 9
    assert G.init_kwargs["rendering_kwargs"]["depth_resolution"] == 4
    assert "plane_resolution" not in small_generator(plane_resolution=256, channel_base=512).init_kwargs
    D = DualDiscriminator(25, 16, 3, disc_c_noise=0.5, **NARROW)
    assert [p.shape for p in DualDiscriminator(**D.init_kwargs).parameters()] == [p.shape for p in D.parameters()]
    assert DualDiscriminator(**D.init_kwargs).disc_c_noise == 0.5


def test_a_copy_renders_the_same_in_double_precision(G: TriPlaneGenerator, z: Tensor) -> None:
    torch.manual_seed(3)
    ws, points = G.mapping(z, CAMERAS), torch.rand(2, 50, 3) - 0.5
    single = G.sample_mixed(points, points, ws, noise_mode="const")
    double = copy.deepcopy(G).double().sample_mixed(points.double(), points.double(), ws.double(), noise_mode="const")
    for key, value in double.items():
        assert value.dtype == torch.float64
        torch.testing.assert_close(single[key].double(), value, atol=1e-5, rtol=0)


def test_gradients_reach_every_parameter(z: Tensor) -> None:
    G = small_generator()
    out = G(z, CAMERAS, neural_rendering_resolution=8, noise_mode="const")
    (out["image"].square().mean() + out["image_depth"].mean()).backward()
    without = {name for name, p in G.named_parameters() if p.grad is None or not p.grad.isfinite().all()}
    # The head is told to do without noise.
    assert without == {name for name, _ in G.named_parameters() if name.startswith("super") and "strength" in name}


@pytest.mark.parametrize(
    ("rendering", "kwargs", "message"),
    [
        ({}, {"img_channels": 1}, "img_channels=1: EG3D generates images with 3 channels"),
        ({"superresolution_module": "os.system"}, {}, f"superresolution_module='os.system': known are {HEAD}, "),
        ({"superresolution_module": None}, {}, "superresolution_module=None: known are "),
        ({}, {"img_resolution": 2}, "img_resolution=2: expected a multiple of 2"),
        ({}, {"plane_resolution": 12}, "img_resolution=12: expected a power of two"),
    ],
)
def test_a_generator_that_cannot_be_is_refused(rendering: dict[str, Any], kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        small_generator(rendering, **kwargs)


def test_calls_that_cannot_work_are_refused(z: Tensor) -> None:
    G = small_generator()
    ws = G.mapping(z, CAMERAS)
    with pytest.raises(ValueError, match=r"camera labels c: got \[2, 16\], expected \[N, 25\]"):
        G.synthesis(ws, CAMERAS[:, :16])
    del G.rendering_kwargs["superresolution_noise_mode"]
    with pytest.raises(OptionError, match="superresolution_noise_mode is missing: random, const or none"):
        _render(G, ws, neural_rendering_resolution=4)
    del G.rendering_kwargs["box_warp"]
    with pytest.raises(OptionError, match="box_warp is missing; given are superresolution_module, "):
        _render(G, ws)


def test_the_head_makes_noise_as_the_options_say(z: Tensor) -> None:
    images = {}
    for mode in ("none", "const", "random"):
        G = small_generator({"superresolution_noise_mode": mode}).requires_grad_(False)
        for name, parameter in G.superresolution.named_parameters():
            if name.endswith("noise_strength"):
                parameter.fill_(0.5)
        ws = G.mapping(z, CAMERAS)
        images[mode] = [_render(G, ws, neural_rendering_resolution=8)["image"] for _ in range(2)]
        torch.manual_seed(3)
        images[mode].append(G.synthesis(ws, CAMERAS, noise_mode="const")["image"])
    assert not torch.equal(images["none"][0], images["const"][0])
    changes = {mode: (b - a).std() for mode, (a, _, b) in images.items()}  # new jitter; new noise if random
    assert changes["random"] > 5 * max(changes["none"], changes["const"])


def test_the_decoder_is_one_hidden_layer_on_the_mean_over_the_planes() -> None:
    torch.manual_seed(0)
    decoder = OSGDecoder(4, {"decoder_lr_mul": 0.5, "decoder_output_dim": 2}).double()
    features = torch.randn(2, 3, 5000, 4).double()
    out = decoder(features, None)
    first, last = decoder.net[0], decoder.net[2]
    hidden = torch.log1p(torch.exp(features.mean(1) @ first.weight.T * 0.5 / 2 + first.bias * 0.5))
    y = hidden @ last.weight.T * 0.5 / 8 + last.bias * 0.5
    torch.testing.assert_close(out["sigma"], y[..., :1])
    torch.testing.assert_close(out["rgb"], torch.sigmoid(y[..., 1:]) * 1.002 - 0.001)


def _images(n: int = 4) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(4)
    return {key: torch.randn(n, 3, size, size, generator=generator) for key, size in (("image", 16), ("image_raw", 8))}


@pytest.mark.parametrize("make", [DualDiscriminator, SingleDiscriminator, DummyDualDiscriminator])
def test_discriminators_see_the_images_they_are_for(make: Any) -> None:
    torch.manual_seed(0)
    D = make(25, 16, 3, **NARROW).requires_grad_(False)
    images, c = _images(), labels(4, 2.7)
    logits = D(images, c)
    assert logits.shape == (4, 1)
    assert not torch.equal(D({**images, "image": -images["image"]}, c), logits)
    blind = torch.allclose(D({**images, "image_raw": -images["image_raw"]}, c), logits, atol=1e-4)
    assert blind is (make is SingleDiscriminator)
    assert not torch.equal(D(images, c.flip(0)), logits)


def test_the_view_of_the_rendered_image_fades() -> None:
    torch.manual_seed(0)
    D = DummyDualDiscriminator(0, 16, 3, **NARROW).requires_grad_(False)
    images = _images()
    negative = {**images, "image_raw": -images["image_raw"]}
    D(images, None)
    assert D.raw_fade == 1 - 32 / 500_000
    D.raw_fade = 32 / 500_000
    assert torch.equal(D(images, None), D(negative, None))
    assert D.raw_fade == 0


def test_noise_on_labels_is_in_their_own_deviations() -> None:
    torch.manual_seed(0)
    D = DualDiscriminator(25, 16, 3, disc_c_noise=0.5, **NARROW).requires_grad_(False)
    seen: list[Tensor] = []
    D.mapping.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    c = torch.randn(400, 25) * torch.arange(25)
    images = {key: value.expand(400, -1, -1, -1) for key, value in _images(1).items()}
    D(images, c)
    D({key: value[:1] for key, value in images.items()}, c[:1])
    torch.testing.assert_close((seen[0] - c).std(dim=0), 0.5 * c.std(dim=0), rtol=0.15, atol=0)
    assert torch.equal(seen[1], c[:1]), "one label has no deviation"


def test_resizing_in_an_unknown_way_is_refused() -> None:
    for mode in ("cubic", 0.0, 1.0, True):
        with pytest.raises(OptionError, match=rf"filter_mode={mode!r}: known are 'antialiased', 'classic', 'none'"):
            filtered_resizing(torch.zeros(1, 3, 8, 8), 4, torch.ones(4, 4) / 16, filter_mode=mode)
