"""The loss's values and gradients against formulas and finite differences, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.training_loops.stylegan2.test_networks import SMALL, small_generator
from training_loops import training_stats
from training_loops.stylegan2.loss import StyleGAN2Loss
from training_loops.stylegan2.networks import Discriminator, Generator


@pytest.fixture
def nets() -> tuple[Generator, Discriminator]:
    torch.manual_seed(0)
    G = small_generator(use_noise=False).double().requires_grad_(False)
    D = Discriminator(0, 8, 3, epilogue_kwargs={"mbstd_group_size": 2}, **SMALL).double().requires_grad_(False)
    return G, D


def _inputs(n: int = 4) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    real = torch.randn(n, 3, 8, 8, generator=generator, dtype=torch.float64)
    z = torch.randn(n, 6, generator=generator, dtype=torch.float64)
    empty = torch.zeros(n, 0, dtype=torch.float64)
    return {"real_img": real, "real_c": empty, "gen_z": z, "gen_c": empty}


def _gradients(loss: StyleGAN2Loss, module: torch.nn.Module, phase: str, gain: float = 1) -> dict[str, Tensor]:
    module.zero_grad()
    module.requires_grad_(True)
    loss.accumulate_gradients(phase=phase, gain=gain, cur_nimg=0, **_inputs())
    module.requires_grad_(False)
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}


def _assert_gradients_are_of(value: Tensor, module: torch.nn.Module, given: dict[str, Tensor]) -> None:
    expected = dict(zip(given, torch.autograd.grad(value, list(module.parameters())), strict=True))
    module.requires_grad_(False)
    for name, gradient in expected.items():
        torch.testing.assert_close(given[name], gradient)


def _slope(function: Callable[[], float], parameter: Tensor, index: int, step: float = 1e-5) -> float:
    """Central difference with respect to one entry."""
    flat = parameter.data.view(-1)
    before = flat[index].item()
    values = []
    for sign in (1, -1):
        flat[index] = before + sign * step
        values.append(function())
    flat[index] = before
    return (values[0] - values[1]) / (2 * step)


def test_main_phases_are_the_non_saturating_logistic_loss(nets: tuple[Generator, Discriminator]) -> None:
    G, D = nets
    data = _inputs()
    loss = StyleGAN2Loss("cpu", G, D, r1_gamma=0)
    g = _gradients(loss, G, "Gmain", gain=3)
    G.requires_grad_(True)
    expected = F.softplus(-D(G(data["gen_z"], None), None)).mean() * 3
    _assert_gradients_are_of(expected, G, g)
    d = _gradients(loss, D, "Dboth")
    D.requires_grad_(True)
    fake = G(data["gen_z"], None)
    expected = F.softplus(D(fake, None)).mean() + F.softplus(-D(data["real_img"], None)).mean()
    _assert_gradients_are_of(expected, D, d)


def test_r1_is_half_gamma_times_the_squared_image_gradient(nets: tuple[Generator, Discriminator]) -> None:
    G, D = nets
    loss = StyleGAN2Loss("cpu", G, D, r1_gamma=3)
    gradients = _gradients(loss, D, "Dreg")
    real = _inputs()["real_img"]

    def by_differences() -> float:
        values = real.clone()
        slopes = [_slope(lambda: D(values, None).sum().item(), values, i, 1e-6) for i in range(values.numel())]
        return 1.5 * torch.tensor(slopes).view_as(real).square().sum(dim=[1, 2, 3]).mean().item()

    def by_autograd() -> float:
        img = real.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(D(img, None).sum(), img)
        return 1.5 * slope.square().sum(dim=[1, 2, 3]).mean().item()

    assert by_differences() == pytest.approx(by_autograd(), rel=1e-5)
    for name in ("b8.conv0.weight", "b8.skip.weight", "b8.conv1.weight", "b4.out.weight", "b4.fc.weight"):
        parameter = dict(D.named_parameters())[name]
        for index in (0, parameter.numel() - 1):
            slope = _slope(by_autograd, parameter, index)
            assert gradients[name].view(-1)[index].item() == pytest.approx(slope, rel=2e-3, abs=1e-7)


def test_path_length_penalty_and_its_moving_average(nets: tuple[Generator, Discriminator]) -> None:
    G, D = nets
    loss = StyleGAN2Loss("cpu", G, D, pl_weight=2, pl_batch_shrink=2, pl_decay=0.25)
    loss.pl_mean = torch.tensor(0.3, dtype=torch.float64)

    def lengths() -> Tensor:
        torch.manual_seed(5)
        ws = G.mapping(_inputs()["gen_z"][:2], None).detach().requires_grad_(True)
        img = G.synthesis(ws)
        noise = torch.randn_like(img) / math.sqrt(64)
        (slope,) = torch.autograd.grad((img * noise).sum(), ws)
        return slope.square().sum(dim=2).mean(dim=1).sqrt()

    def value() -> float:
        here = lengths()
        mean = 0.75 * 0.3 + 0.25 * here.mean()
        return 2 * (here - mean).square().mean().item()

    torch.manual_seed(5)
    gradients = _gradients(loss, G, "Greg")
    assert loss.pl_mean.item() == pytest.approx(0.75 * 0.3 + 0.25 * lengths().mean().item(), rel=1e-12)
    for name in ("synthesis.b8.conv0.weight", "synthesis.b4.conv1.affine.weight", "mapping.fc1.weight"):
        parameter = dict(G.named_parameters())[name]
        slope = _slope(value, parameter, 3, 1e-5 * parameter.abs().max().item())
        assert gradients[name].view(-1)[3].item() == pytest.approx(slope, rel=2e-3, abs=1e-9)


@pytest.mark.parametrize("phase", ["Greg", "Dreg"])
def test_regularization_of_weight_zero_leaves_no_gradients(nets: tuple[Generator, Discriminator], phase: str) -> None:
    G, D = nets
    loss = StyleGAN2Loss("cpu", G, D, r1_gamma=0, pl_weight=0)
    assert _gradients(loss, G if phase[0] == "G" else D, phase) == {}


def test_style_mixing_replaces_the_last_layers_of_a_share_of_batches(nets: tuple[Generator, Discriminator]) -> None:
    G, D = nets
    loss = StyleGAN2Loss("cpu", G, D, style_mixing_prob=0.6)
    z = _inputs()["gen_z"]
    own = G.mapping(z, None)
    crossovers = []
    torch.manual_seed(0)
    for _ in range(300):
        _img, ws = loss.run_G(z, torch.zeros(4, 0))
        kept = [bool(torch.equal(ws[:, layer], own[:, layer])) for layer in range(G.num_ws)]
        assert kept == sorted(kept, reverse=True)
        crossovers.append(sum(kept))
    assert min(crossovers) == 1
    assert 0.5 < sum(c < G.num_ws for c in crossovers) / 300 < 0.7


def test_the_average_w_follows_the_discriminators_main_phase_only(nets: tuple[Generator, Discriminator]) -> None:
    G, D = nets
    loss = StyleGAN2Loss("cpu", G, D)
    _gradients(loss, G, "Gmain")
    assert not G.mapping.w_avg.any()
    _gradients(loss, D, "Dmain")
    assert G.mapping.w_avg.all()


def test_statistics_carry_the_hosts_names(nets: tuple[Generator, Discriminator]) -> None:
    G, D = nets
    collector = training_stats.Collector()
    loss = StyleGAN2Loss("cpu", G, D, pl_weight=2)
    for module, phase in ((G, "Gboth"), (D, "Dboth")):
        _gradients(loss, module, phase)
    collector.update()
    expected = "Loss/scores/fake Loss/signs/fake Loss/G/loss Loss/pl_penalty Loss/G/reg Loss/scores/real"
    expected += " Loss/signs/real Loss/D/loss Loss/r1_penalty Loss/D/reg"
    assert set(expected.split()) <= {name for name in collector.names() if collector.num(name) > 0}


def test_a_phase_that_does_not_exist_is_refused(nets: tuple[Generator, Discriminator]) -> None:
    with pytest.raises(ValueError, match="phase='G': known are Gmain"):
        StyleGAN2Loss("cpu", *nets).accumulate_gradients(phase="G", gain=1, cur_nimg=0, **_inputs())


def test_the_state_is_the_path_length_average(nets: tuple[Generator, Discriminator]) -> None:
    first, second = StyleGAN2Loss("cpu", *nets), StyleGAN2Loss("cpu", *nets)
    first.pl_mean.fill_(0.7)
    state: dict[str, Any] = first.state_dict()
    second.load_state_dict(state)
    assert second.pl_mean.item() == pytest.approx(0.7)
