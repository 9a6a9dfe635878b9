"""The EG3D loss against its definitions: terms computed by hand, schedules, and what each network is shown."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.training_loops.eg3d.golden_cases import labels
from tests.training_loops.eg3d.test_networks import NARROW, small_generator
from training_loops import training_stats
from training_loops.eg3d import loss as loss_module
from training_loops.eg3d.blur import blurred
from training_loops.eg3d.loss import EG3DLoss
from training_loops.eg3d.networks import DualDiscriminator, SingleDiscriminator, TriPlaneGenerator
from training_loops.errors import OptionError

CAMERAS = labels(4, 2.7)
DENSITY = {"density_reg": 0.25, "density_reg_p_dist": 0.01, "reg_type": "l1"}
Nets = tuple[TriPlaneGenerator, DualDiscriminator]


@pytest.fixture
def nets() -> Nets:
    G = small_generator(DENSITY, use_noise=False).requires_grad_(False)
    D = DualDiscriminator(25, 16, 3, epilogue_kwargs={"mbstd_group_size": 2}, **NARROW).requires_grad_(False)
    return G, D


def _loss(nets: Any, **kwargs: Any) -> EG3DLoss:
    settings = {"r1_gamma": 3.0, "neural_rendering_resolution_initial": 8, **kwargs}
    return EG3DLoss("cpu", *nets, **settings)


def _inputs() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    real = torch.rand(4, 3, 16, 16, generator=generator) * 2 - 1
    return {
        "real_img": real,
        "real_c": CAMERAS,
        "gen_z": torch.randn(4, 6, generator=generator),
        "gen_c": CAMERAS.flip(0),
    }


def _gradients(loss: EG3DLoss, module: torch.nn.Module, phase: str, gain: float = 1) -> dict[str, Tensor]:
    module.zero_grad()
    module.requires_grad_(True)
    torch.manual_seed(5)
    loss.accumulate_gradients(phase=phase, gain=gain, cur_nimg=0, **_inputs())
    module.requires_grad_(False)
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}


def _assert_gradients_are_of(value: Tensor, module: torch.nn.Module, given: dict[str, Tensor]) -> None:
    named = dict(module.named_parameters())
    expected = torch.autograd.grad(value, [named[name] for name in given])
    for name, gradient in zip(given, expected, strict=True):
        torch.testing.assert_close(given[name], gradient, rtol=1e-4, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")


def test_g_is_scored_by_both_its_images_through_the_true_cameras(nets: Nets) -> None:
    G, D = nets
    given = _gradients(_loss(nets), G, "Gmain", gain=3)
    data = _inputs()
    G.requires_grad_(True)
    torch.manual_seed(5)
    ws = G.mapping(data["gen_z"], torch.zeros(4, 25))
    out = G.synthesis(ws, data["gen_c"], neural_rendering_resolution=8)
    assert out["image_raw"].shape[-1] == 8
    _assert_gradients_are_of(F.softplus(-D(out, data["gen_c"])).mean() * 3, G, given)


def test_d_compares_renders_with_real_images_of_their_size(nets: Nets) -> None:
    G, D = nets
    given = _gradients(_loss(nets), D, "Dmain")
    data = _inputs()
    D.requires_grad_(True)
    torch.manual_seed(5)
    ws = G.mapping(data["gen_z"], torch.zeros(4, 25))
    fake = G.synthesis(ws, data["gen_c"], neural_rendering_resolution=8)
    small = F.interpolate(data["real_img"], size=(8, 8), mode="bilinear", antialias=True)
    real = {"image": data["real_img"], "image_raw": small}
    expected = F.softplus(D(fake, data["gen_c"])).mean() + F.softplus(-D(real, CAMERAS)).mean()
    _assert_gradients_are_of(expected, D, given)


@pytest.mark.parametrize("dual", [True, False])
def test_r1_counts_the_gradient_of_every_image_that_d_sees(nets: Nets, dual: bool) -> None:
    G, D = nets
    if not dual:
        torch.manual_seed(0)
        D = SingleDiscriminator(25, 16, 3, epilogue_kwargs={"mbstd_group_size": 2}, **NARROW).requires_grad_(False)
    given = _gradients(_loss((G, D), dual_discrimination=dual), D, "Dreg", gain=16)
    image = _inputs()["real_img"].requires_grad_(True)
    raw = F.interpolate(image.detach(), size=(8, 8), mode="bilinear", antialias=True).requires_grad_(True)
    D.requires_grad_(True)
    shown = [image, raw] if dual else [image]
    score = D({"image": image, "image_raw": raw}, CAMERAS).sum()
    slopes = torch.autograd.grad(score, shown, create_graph=True)
    penalties = [slope.square().sum(dim=[1, 2, 3]) for slope in slopes]
    assert all((penalty > 0).all() for penalty in penalties)
    _assert_gradients_are_of(1.5 * sum(penalties, torch.zeros(4)).mean() * 16, D, given)


def test_density_is_regularized_as_a_loop_over_pairs_of_points_does(
    nets: Nets, monkeypatch: pytest.MonkeyPatch
) -> None:
    G, _D = nets
    monkeypatch.setattr(loss_module, "_POINTS", 5)
    G.rendering_kwargs["box_warp"] = 0.8
    reported: dict[str, Tensor] = {}
    monkeypatch.setattr(training_stats, "report", lambda name, value: reported.setdefault(name, value))
    seen: list[Tensor] = []
    sample = G.sample_mixed
    monkeypatch.setattr(G, "sample_mixed", lambda points, *a, **k: (seen.append(points), sample(points, *a, **k))[1])
    given = _gradients(_loss(nets), G, "Greg")
    points, near = seen[0].chunk(2, dim=1)
    assert points.shape == (4, 5, 3)
    assert 0.3 < points.abs().max() <= 0.4
    assert 0.003 < (near - points).std() < 0.03

    G.requires_grad_(True)
    ws = G.mapping(_inputs()["gen_z"], torch.zeros(4, 25))

    def sigma(image: int, point: Tensor) -> Tensor:
        at = point.view(1, 1, 3)
        return sample(at, torch.ones_like(at), ws[image : image + 1])["sigma"][0, 0, 0]

    pairs = [(n, points[n, m], near[n, m]) for n in range(4) for m in range(5)]
    expected = sum(((sigma(n, a) - sigma(n, b)).abs() for n, a, b in pairs), torch.zeros([])) / 20 * 0.25
    assert expected > 0
    assert reported["Loss/G/reg"].mean().item() == pytest.approx(expected.item(), rel=1e-4)
    _assert_gradients_are_of(expected, G, given)
    assert not any(name.startswith("superresolution") for name in given)


def test_density_of_weight_zero_is_left_alone(nets: Nets) -> None:
    nets[0].rendering_kwargs["density_reg"] = 0
    assert _gradients(_loss(nets), nets[0], "Greg") == {}


def test_schedules_go_in_straight_lines(nets: Nets) -> None:
    loss = _loss(
        nets,
        gpc_reg_prob=0.5,
        gpc_reg_fade_kimg=2,
        neural_rendering_resolution_final=16,
        neural_rendering_resolution_fade_kimg=4,
        blur_init_sigma=8,
        blur_fade_kimg=1,
    )
    seen = []
    for nimg in (0, 500, 1000, 2000, 4000, 9000):
        loss.cur_nimg = nimg
        seen.append((loss.swapping_prob, loss.neural_rendering_resolution, loss.blur_sigma))
    assert seen == [(1, 8, 8), (0.875, 9, 4), (0.75, 10, 0), (0.5, 12, 0), (0.5, 16, 0), (0.5, 16, 0)]
    still = _loss(nets, gpc_reg_prob=0.25, gpc_reg_fade_kimg=0)
    assert (still.swapping_prob, still.neural_rendering_resolution, still.blur_sigma) == (0.25, 8, 0)


def test_the_step_decides_the_size_of_the_render(nets: Nets) -> None:
    loss = _loss(nets, neural_rendering_resolution_final=12, neural_rendering_resolution_fade_kimg=1)
    sizes = []
    for nimg in (0, 1000):
        loss.cur_nimg = nimg
        out, _ws = loss.run_G(_inputs()["gen_z"], CAMERAS)
        sizes.append((out["image_raw"].shape[-1], loss.images_of(_inputs()["real_img"])["image_raw"].shape[-1]))
    assert sizes == [(8, 8), (12, 12)]
    assert nets[0].neural_rendering_resolution == 12


def test_the_mapping_sees_the_camera_of_another_image_with_the_given_probability(nets: Nets) -> None:
    loss = _loss(nets, gpc_reg_prob=0.3, gpc_reg_fade_kimg=0)
    c = torch.randn(1000, 25)
    torch.manual_seed(0)
    seen = loss.conditioning(c)
    own, other = (seen == c).all(dim=1), (seen == c.roll(1, 0)).all(dim=1)
    assert (own ^ other).all()
    assert 0.25 < other.float().mean() < 0.35
    assert not _loss(nets).conditioning(c).any()


def test_images_are_blurred_by_one_share_of_their_width(nets: Nets) -> None:
    loss = _loss(nets, blur_init_sigma=2, blur_fade_kimg=1)
    shown: list[dict[str, Tensor]] = []
    loss.D = lambda img, c, **kwargs: shown.append(img)
    images = {"image": torch.randn(1, 3, 16, 16), "image_raw": torch.randn(1, 3, 8, 8)}
    loss.run_D(images, CAMERAS[:1])
    torch.testing.assert_close(shown[0]["image"], blurred(images["image"], 2))
    torch.testing.assert_close(shown[0]["image_raw"], blurred(images["image_raw"], 1))
    loss.cur_nimg = 1000
    loss.run_D(images, CAMERAS[:1])
    assert shown[1]["image"] is images["image"]


def test_a_blurred_dot_has_half_its_height_at_sigma() -> None:
    dot = torch.zeros(1, 2, 33, 33, dtype=torch.float64)
    dot[:, :, 16, 16] = 1
    out = blurred(dot, 3)
    assert out.sum().item() == pytest.approx(2)
    assert (out[0, 0, 16, 19] / out[0, 0, 16, 16]).item() == pytest.approx(0.5)
    assert (out[0, 1, 13, 16] / out[0, 1, 16, 16]).item() == pytest.approx(0.5)
    plain = torch.full((1, 1, 8, 8), 0.7)
    torch.testing.assert_close(blurred(plain, 5), plain)


def test_both_images_are_augmented_alike(nets: Nets) -> None:
    loss = _loss(nets)
    loss.augment_pipe = lambda images: images.flip(-1)
    shown: list[dict[str, Tensor]] = []
    loss.D = lambda img, c, **kwargs: shown.append(img)
    image = torch.randn(1, 3, 8, 8)
    loss.run_D({"image": image, "image_raw": image * 2}, CAMERAS[:1])
    assert torch.equal(shown[0]["image"], image.flip(-1))
    assert torch.equal(shown[0]["image_raw"], 2 * image.flip(-1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pl_weight": 2}, "pl_weight=2: expected 0"),
        ({"gpc_reg_prob": 1.5}, r"gpc_reg_prob=1\.5: expected a probability"),
    ],
)
def test_settings_that_cannot_work_are_named(nets: Nets, change: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        _loss(nets, **change)


def test_another_kind_of_regularization_is_refused(nets: Nets) -> None:
    nets[0].rendering_kwargs["reg_type"] = "monotonic-detach"
    with pytest.raises(OptionError, match="reg_type='monotonic-detach': expected 'l1'"):
        _loss(nets)
