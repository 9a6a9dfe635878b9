"""The volume renderer against its definitions: loops and quadrature in float64, distributions and derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import cumulative_trapezoid, trapezoid
from scipy.stats import kstest
from torch import Tensor

from training_loops.eg3d import ray_marcher
from training_loops.eg3d.depths import importance_depths, stratified_depths
from training_loops.eg3d.networks import ImportanceRenderer, MipRayMarcher2, RaySampler
from training_loops.eg3d.options import RenderOptions
from training_loops.eg3d.planes import sample_planes
from training_loops.errors import OptionError
from training_loops.formats.cameras import intrinsics, look_at
from training_loops.formats.rays import box_limits

OPTIONS: dict[str, Any] = {
    "clamp_mode": "softplus",
    "disparity_space_sampling": False,
    "depth_resolution": 24,
    "depth_resolution_importance": 24,
    "ray_start": 1.2,
    "ray_end": 2.8,
    "box_warp": 2.0,
}


def _bilinear(plane: np.ndarray, column: float, row: float) -> np.ndarray:
    """The feature of a plane [C, S, S] at coordinates in [-1, 1] (edges of the texels), zero outside."""
    size = plane.shape[-1]
    u, v = ((coordinate + 1) * size / 2 - 0.5 for coordinate in (column, row))
    total = np.zeros(plane.shape[0])
    for i in range(size):
        for j in range(size):
            total += max(0, 1 - abs(v - i)) * max(0, 1 - abs(u - j)) * plane[:, i, j]
    return total


def test_points_see_the_mean_of_three_planes() -> None:
    rng = np.random.default_rng(0)
    planes, points = rng.normal(size=[2, 3, 4, 5, 5]), rng.uniform(-1.3, 1.3, size=[2, 40, 3])
    given = sample_planes(torch.tensor(planes), torch.tensor(points), box_warp=1.8)
    for n, m in np.ndindex(2, 40):
        x, y, z = points[n, m] / 0.9
        expected = sum(_bilinear(planes[n, k], *at) for k, at in enumerate([(x, y), (x, z), (z, x)])) / 3
        np.testing.assert_allclose(given[n, m], expected, atol=1e-12)


@pytest.mark.parametrize("by_points", [False, True])
def test_features_of_planes_have_derivatives_by_texels_and_points(by_points: bool) -> None:
    torch.manual_seed(0)
    planes = torch.randn(2, 3, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    points = (torch.rand(2, 4, 3, dtype=torch.float64) * 1.6 - 0.8).requires_grad_(by_points)
    assert torch.autograd.gradcheck(lambda a, b: sample_planes(a, b, 1.5), (planes, points))


@pytest.mark.parametrize(
    ("planes", "points", "message"),
    [
        ([1, 2, 4, 5, 5], [1, 6, 3], r"planes: got \[1, 2, 4, 5, 5\], expected \[N, 3, C, S, S\]"),
        ([1, 3, 4, 5, 6], [1, 6, 3], r"planes: got \[1, 3, 4, 5, 6\]"),
        ([2, 3, 4, 5, 5], [1, 6, 3], r"points: got \[1, 6, 3\], expected \[2, M, 3\]"),
        ([1, 3, 4, 5, 5], [1, 6, 2], r"points: got \[1, 6, 2\], expected \[1, M, 3\]"),
    ],
)
def test_planes_and_points_of_other_shapes_are_refused(planes: list[int], points: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sample_planes(torch.zeros(planes), torch.zeros(points), 1)


@pytest.mark.parametrize("white_back", [False, True])
def test_marching_adds_up_the_light_of_every_segment(white_back: bool) -> None:
    rng = np.random.default_rng(1)
    colors, sigmas = rng.uniform(size=[1, 3, 7, 2]), rng.normal(size=[1, 3, 7, 1]) * 3
    depths = np.sort(rng.uniform(2, 3, size=[1, 3, 7, 1]), axis=2)
    options = {"clamp_mode": "softplus", "white_back": white_back}
    rgb, depth, weights = MipRayMarcher2()(torch.tensor(colors), torch.tensor(sigmas), torch.tensor(depths), options)
    for ray in range(3):
        light, color, mean, total = 1.0, np.zeros(2), 0.0, 0.0
        for i in range(6):
            density = np.logaddexp(0, sigmas[0, ray, i : i + 2, 0].mean() - 1)
            stopped = light * (1 - np.exp(-density * (depths[0, ray, i + 1, 0] - depths[0, ray, i, 0])))
            color += stopped * colors[0, ray, i : i + 2].mean(axis=0)
            mean += stopped * depths[0, ray, i : i + 2, 0].mean()
            assert weights[0, ray, i, 0].item() == pytest.approx(stopped)
            light, total = light - stopped, total + stopped
        np.testing.assert_allclose(rgb[0, ray], 2 * (color + light * white_back) - 1, atol=1e-12)
        assert depth[0, ray, 0].item() == pytest.approx(mean / total)


def test_a_ray_that_nothing_stops_ends_at_the_farthest_depth() -> None:
    depths = torch.tensor([[2.0, 2.5, 3.0], [2.0, 2.5, 2.75]])
    weights = ray_marcher.segment_weights(torch.tensor([[-200.0] * 3, [5.0] * 3]), depths)
    far, near = ray_marcher.expected_depth(weights, depths).tolist()
    assert far == 3
    assert 2 < near < 2.75


def test_a_ray_that_nothing_stops_has_no_gradient_and_harms_no_other() -> None:
    shift = torch.zeros([], requires_grad=True)
    depths = torch.tensor([[2.0, 2.5, 3.0]] * 2)
    weights = ray_marcher.segment_weights(torch.tensor([[-200.0] * 3, [5.0, 1.0, 5.0]]) + shift, depths)
    depth = ray_marcher.expected_depth(weights, depths)
    depth.sum().backward()
    assert shift.grad is not None
    assert shift.grad.isfinite()
    assert shift.grad < 0, "where there is more in the way, light comes less far"


def _blob(points: Any) -> tuple[Any, Any]:
    """Sigma and red of a known volume at points [..., 3]."""
    x, y, z = (points[..., i] for i in range(3))
    return 9 - 24 * ((x - 0.1) ** 2 + (y + 0.2) ** 2 + z**2), 0.5 + 0.4 * x - 0.3 * y + 0.2 * z


class Blob:
    """A decoder of planes whose features are the coordinates themselves."""

    def __call__(self, features: Tensor, _directions: Tensor) -> dict[str, Tensor]:
        sigma, red = _blob(features[:, 0])
        return {"rgb": red[..., None], "sigma": sigma[..., None]}


def _ramps(size: int = 8) -> Tensor:
    """Planes over a cube of side 2 whose mean feature at (x, y, z) is (x, y, z), half a texel from the edges on."""
    ramp = (torch.arange(size, dtype=torch.float64) + 0.5) / size * 2 - 1
    planes = torch.zeros(1, 3, 3, size, size, dtype=torch.float64)
    planes[0, 0, 0], planes[0, 0, 1], planes[0, 1, 2] = 3 * ramp, 3 * ramp[:, None], 3 * ramp[:, None]
    return planes


def _rays() -> tuple[Tensor, Tensor]:
    pose = look_at(torch.tensor([[0.5, 0.3, 1.9]], dtype=torch.float64), torch.zeros(3, dtype=torch.float64))
    origins, directions = RaySampler()(pose, intrinsics(40).double()[None], 4)
    return origins, directions


def _integral(origin: np.ndarray, direction: np.ndarray) -> tuple[float, float, float]:
    """Colour, opacity and mean depth of a ray through the blob, by quadrature of the rendering integral."""
    t = np.linspace(1.2, 2.8, 20001)
    sigma, red = _blob(origin + t[:, None] * direction)
    density = np.logaddexp(0, sigma - 1)
    stopped = density * np.exp(-cumulative_trapezoid(density, t, initial=0))
    opacity = trapezoid(stopped, t)
    return 2 * trapezoid(stopped * red, t) - 1, opacity, trapezoid(stopped * t, t) / opacity


@pytest.mark.parametrize(("coarse", "fine", "tolerance"), [(600, 0, 3e-3), (150, 150, 3e-3), (24, 24, 3e-2)])
def test_rendering_is_the_integral_along_each_ray(coarse: int, fine: int, tolerance: float) -> None:
    options = {**OPTIONS, "depth_resolution": coarse, "depth_resolution_importance": fine}
    origins, directions = _rays()
    torch.manual_seed(0)
    rgb, depth, opacity = ImportanceRenderer()(_ramps(), Blob(), origins, directions, options)
    for ray in range(origins.shape[1]):
        color, total, mean = _integral(origins[0, ray].numpy(), directions[0, ray].numpy())
        assert rgb[0, ray, 0].item() == pytest.approx(color, abs=tolerance)
        assert opacity[0, ray, 0].item() == pytest.approx(total, abs=tolerance)
        assert depth[0, ray, 0].item() == pytest.approx(mean, abs=tolerance)
    assert opacity.min() < 0.5 < 0.9 < opacity.max()


def test_derivatives_reach_planes_through_both_passes() -> None:
    origins, directions = _rays()
    options = {**OPTIONS, "depth_resolution": 4, "depth_resolution_importance": 0}

    def render(planes: Tensor, options: dict[str, Any]) -> tuple[Tensor, ...]:
        torch.manual_seed(0)
        return ImportanceRenderer()(planes, Blob(), origins[:, :3], directions[:, :3], options)

    planes = _ramps(4).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: render(p, options), (planes,))
    (gradient,) = torch.autograd.grad(render(planes, {**options, "depth_resolution_importance": 4})[0].sum(), planes)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


def test_noise_on_densities_has_the_deviation_asked_for() -> None:
    torch.manual_seed(0)
    points = torch.zeros(1, 20000, 3, dtype=torch.float64)
    clean, noisy = (
        ImportanceRenderer().run_model(_ramps(), Blob(), points, points, {**OPTIONS, "density_noise": s})["sigma"]
        for s in (0, 0.7)
    )
    assert (noisy - clean).std().item() == pytest.approx(0.7, rel=0.02)


def _options(**changes: Any) -> RenderOptions:
    return RenderOptions.read({**OPTIONS, **changes})


@pytest.mark.parametrize("disparity", [False, True])
def test_the_first_pass_takes_one_sample_of_each_step(disparity: bool) -> None:
    torch.manual_seed(0)
    origins, directions = torch.zeros(2, 2000, 3), torch.ones(2, 2000, 3)
    depths = stratified_depths(
        origins, directions, _options(disparity_space_sampling=disparity, depth_resolution=5)
    ).double()
    assert (depths.diff() > 0).all()
    a, b = (1 / 1.2, 1 / 2.8) if disparity else (1.2, 2.8)
    share = ((1 / depths if disparity else depths) - a) / (b - a) * 4 - torch.arange(5)
    assert -1e-5 < share.min() < 0.01
    assert 0.99 < share.max() < 1 + 1e-5
    assert kstest(share.flatten().numpy(), "uniform").pvalue > 1e-3


def test_the_first_pass_covers_the_cube_where_no_limits_are_given() -> None:
    torch.manual_seed(0)
    origins, directions = (t.float() for t in _rays())
    options = _options(ray_start="auto", ray_end="auto", box_warp=1.0, depth_resolution=400)
    start, end = box_limits(origins, directions, 1.0)
    depths = stratified_depths(origins, directions, options)
    torch.testing.assert_close(depths[..., 0], start, atol=0.02, rtol=0)
    torch.testing.assert_close(depths[..., -1], end, atol=0.02, rtol=0)


def test_the_second_pass_inverts_the_widened_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    depths, weights = np.sort(rng.uniform(1, 3, size=[1, 2, 9])), rng.uniform(size=[1, 2, 8]) ** 4
    u = rng.uniform(size=[2, 50])
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.tensor(u).view(shape))
    given = importance_depths(torch.tensor(depths), torch.tensor(weights), 50)
    for ray in range(2):
        blurred = [(max(w[:2]) + max(w[1:])) / 2 for w in np.lib.stride_tricks.sliding_window_view(weights[0, ray], 3)]
        mass = np.array(blurred) + 0.01 + 1e-5
        cdf = np.concatenate([[0], np.cumsum(mass / mass.sum())])
        middles = ((depths[0, ray, 1:] + depths[0, ray, :-1]) / 2)[:-1]
        np.testing.assert_allclose(given[0, ray], np.interp(u[ray], cdf, middles), atol=1e-12)


def test_the_second_pass_samples_where_the_first_saw_something() -> None:
    torch.manual_seed(0)
    depths = torch.linspace(1, 2, 11).expand(1, 4, 11)
    weights = torch.zeros(1, 4, 10)
    weights[0, 0, 4] = 1  # between 1.4 and 1.5
    found = importance_depths(depths, weights, 20000)
    on_surface, nowhere = found[0, 0].double().numpy(), found[0, 1].double().numpy()
    assert np.mean((on_surface > 1.25) & (on_surface < 1.55)) == pytest.approx(2.03 / 2.08, abs=0.01)
    assert kstest((nowhere - 1.05) / 0.8, "uniform").pvalue > 1e-3, "nothing seen: evenly between the middles"


def test_rays_pass_through_the_centres_of_pixels() -> None:
    torch.manual_seed(0)
    poses = look_at(torch.tensor([[0.5, 0.3, 2.0], [-1.0, 0.2, 1.0]]), torch.zeros(3))
    matrices = torch.tensor([[[4.2, 0.3, 0.45], [0.0, 3.9, 0.55], [0.0, 0.0, 1.0]]]).repeat(2, 1, 1)
    origins, directions = RaySampler()(poses, matrices, 6)
    torch.testing.assert_close(directions.norm(dim=-1), torch.ones(2, 36))
    for n in range(2):
        seen = (origins[n] + 1.7 * directions[n] - poses[n, :3, 3]) @ poses[n, :3, :3]  # in the camera's coordinates
        pixels = seen @ matrices[n].T
        u, v = (pixels[:, :2] / pixels[:, 2:]).T
        torch.testing.assert_close(u.view(6, 6), ((torch.arange(6) + 0.5) / 6).expand(6, 6), atol=2e-5, rtol=0)
        torch.testing.assert_close(v.view(6, 6).T, ((torch.arange(6) + 0.5) / 6).expand(6, 6), atol=2e-5, rtol=0)


def test_rays_enter_and_leave_the_cube_where_a_walk_along_them_does() -> None:
    torch.manual_seed(0)
    origins = torch.tensor([0.3, -0.2, 2.0], dtype=torch.float64).expand(1, 60, 3)
    directions = torch.nn.functional.normalize(torch.randn(1, 60, 3, dtype=torch.float64) * 0.6 - origins, dim=-1)
    start, end = box_limits(origins, directions, 1.0)
    walk = torch.arange(0, 4, 1e-3, dtype=torch.float64)
    inside = (origins[..., None, :] + walk[:, None] * directions[..., None, :]).abs().amax(dim=-1) <= 0.5
    hits = inside.any(dim=-1)
    assert 10 < hits.sum() < 50
    first, count = inside.double().argmax(dim=-1), inside.sum(dim=-1)
    torch.testing.assert_close(start[hits], walk[first[hits]], atol=1.1e-3, rtol=0)
    torch.testing.assert_close(end[hits], walk[first[hits]] + count[hits] * 1e-3, atol=2.1e-3, rtol=0)
    assert (start[~hits] == start[hits].min()).all()
    assert (end[~hits] == start[hits].max()).all()


def test_where_every_ray_misses_the_cube_the_limits_say_so() -> None:
    start, end = box_limits(torch.full([1, 2, 3], 9.0), torch.tensor([[[0.0, 0.6, 0.8], [0.6, 0.8, 0.0]]]), 1.0)
    assert (start.tolist(), end.tolist()) == ([[-1.0, -1.0]], [[-2.0, -2.0]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clamp_mode": "relu"}, "clamp_mode='relu': expected 'softplus'"),
        ({"box_warp": 0}, "box_warp=0: expected the side of a cube"),
        ({"box_warp": None}, "box_warp=None: expected float from 0"),
        ({"depth_resolution": 1}, "depth_resolution=1: expected int from 4 to 4096"),
        ({"depth_resolution": 1, "depth_resolution_importance": 0}, "depth_resolution=1: expected int from 2"),
        ({"depth_resolution": 10**9}, "depth_resolution=1000000000: expected int from 4 to 4096"),
        ({"depth_resolution": 4.5}, "depth_resolution=4.5: expected int"),
        ({"depth_resolution_importance": True}, "depth_resolution_importance=True: expected int"),
        ({"ray_end": "auto"}, "ray_start=1.2, ray_end='auto': expected 'auto' for both or numbers"),
        ({"ray_start": 0, "disparity_space_sampling": True}, "ray_start=0.0: expected more than 0"),
        ({"density_noise": -1}, "density_noise=-1: expected float from 0"),
    ],
)
def test_options_that_cannot_work_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=f"rendering_kwargs: {message}"):
        _options(**changes)


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(OptionError, match=f"{name} is missing; given are "):
        RenderOptions.read({key: value for key, value in OPTIONS.items() if key != name})
