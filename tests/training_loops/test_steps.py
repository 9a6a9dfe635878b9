"""Batches, phases and the averaged generator: one step's parts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training_loops import phases, training_stats
from training_loops.batches import BatchStream
from training_loops.formats.folder import ImageFolderDataset
from training_loops.stylegan2.loss import StyleGAN2Loss
from training_loops.stylegan2.networks import Discriminator, Generator

CPU = torch.device("cpu")
ADAM = {"class_name": "torch.optim.Adam", "lr": 0.01, "betas": [0, 0.99]}
SGD = {"class_name": "torch.optim.SGD", "lr": 1.0}
SMALL: dict[str, Any] = {"channel_base": 64, "channel_max": 8, "num_fp16_res": 0, "conv_clamp": None}


class _Numbers:
    """A data set whose image i is the number i."""

    label_dim = 0

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def batch(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images = np.asarray(indices, dtype=np.uint8).reshape(-1, 1, 1, 1)
        return images, np.zeros([len(images), 0], dtype=np.float32)


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 40), batch=st.integers(1, 12), seed=st.integers(0, 2**31))
def test_every_epoch_visits_each_image_once(size: int, batch: int, seed: int) -> None:
    stream = BatchStream(_Numbers(size), batch_size=batch, seed=seed, device=CPU)
    steps = -(-3 * size // batch)
    seen = np.concatenate([stream.indices(step) for step in range(steps)])[: 3 * size]
    for epoch in seen.reshape(3, size):
        assert sorted(epoch) == list(range(size))


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    first = BatchStream(_Numbers(50), batch_size=8, seed=3, device=CPU)
    for step in range(20):
        first.real(step)
    later = BatchStream(_Numbers(50), batch_size=8, seed=3, device=CPU)
    other = BatchStream(_Numbers(50), batch_size=8, seed=4, device=CPU)
    assert torch.equal(first.real(11)[0], later.real(11)[0])
    assert torch.equal(first.latents(11, phases=2, z_dim=5)[0], later.latents(11, phases=2, z_dim=5)[0])
    assert not torch.equal(first.real(11)[0], other.real(11)[0])
    assert not torch.equal(first.latents(1, phases=2, z_dim=5)[0], first.latents(2, phases=2, z_dim=5)[0])


def test_processes_share_one_batch(tiny_data: Path) -> None:
    dataset = ImageFolderDataset(tiny_data, use_labels=True)
    whole = BatchStream(dataset, batch_size=8, seed=1, device=CPU)
    parts = [BatchStream(dataset, batch_size=8, seed=1, device=CPU, rank=r, num_gpus=4) for r in range(4)]
    epoch = np.concatenate([whole.indices(step) for step in range(15)])[:120]
    assert (np.bincount(epoch) == 4).all(), "30 images are no multiple of 8, and each is seen once in an epoch"
    for given_, expected in zip(zip(*[part.real(5) for part in parts], strict=True), whole.real(5), strict=True):
        assert torch.equal(torch.cat(given_), expected)
    shares = [part.latents(5, phases=3, z_dim=4) for part in parts]
    for given_, expected in zip(zip(*shares, strict=True), whole.latents(5, phases=3, z_dim=4), strict=True):
        assert torch.equal(torch.cat(given_, dim=1), expected)


def test_images_are_scaled_and_labels_drawn_from_the_data(tiny_data: Path) -> None:
    dataset = ImageFolderDataset(tiny_data, use_labels=True)
    stream = BatchStream(dataset, batch_size=200, seed=0, device=CPU)
    images, labels = stream.real(0)
    assert images.dtype == labels.dtype == torch.float32
    assert images.min() == -1
    assert images.max() == 1
    _z, drawn = stream.latents(0, phases=1, z_dim=2)
    assert torch.equal(drawn.sum(dim=2), torch.ones(1, 200))
    assert drawn[0].sum(dim=0).min() > 30


def test_lazy_regularization_adjusts_the_optimizer() -> None:
    module = torch.nn.Linear(2, 2)
    (both,) = phases.setup_phases("G", module, ADAM, None)
    assert (both.name, both.interval) == ("Gboth", 1)
    main, reg = phases.setup_phases("D", module, ADAM, 4)
    assert [(p.name, p.interval) for p in (main, reg)] == [("Dmain", 1), ("Dreg", 4)]
    assert main.opt is reg.opt
    group = main.opt.param_groups[0]
    assert group["lr"] == pytest.approx(0.01 * 0.8)
    assert group["betas"] == pytest.approx((0.0, 0.99**0.8))


def test_an_optimizer_given_in_another_form_keeps_it() -> None:
    module = torch.nn.Linear(2, 2)
    (chosen,) = phases.setup_phases("G", module, {**ADAM, "foreach": False}, None)
    assert not chosen.opt.param_groups[0]["fused"]


def test_the_gradient_does_not_depend_on_how_the_batch_is_split() -> None:
    torch.manual_seed(0)
    G = Generator(6, 0, 5, 8, 3, mapping_kwargs={"num_layers": 2}, use_noise=False, **SMALL).double()
    D = Discriminator(0, 8, 3, epilogue_kwargs={"mbstd_num_channels": 0}, **SMALL).double()
    whole = {"real_img": torch.randn(8, 3, 8, 8), "gen_z": torch.randn(8, 6)}
    whole = {key: value.double() for key, value in whole.items()} | {c: torch.zeros(8, 0) for c in ("real_c", "gen_c")}
    loss = StyleGAN2Loss("cpu", G, D, r1_gamma=1)
    steps = {}
    for size in (8, 4, 2):
        before = {name: p.detach().clone() for name, p in D.named_parameters()}
        (phase,) = phases.setup_phases("D", D.requires_grad_(False), SGD, None)
        split = {key: value.split(size) for key, value in whole.items()}
        rounds = [{key: parts[i] for key, parts in split.items()} for i in range(8 // size)]
        phases.run_phase(phase, loss, rounds, cur_nimg=0)
        steps[size] = {name: p.detach() - before[name] for name, p in D.named_parameters()}
        for name, p in D.named_parameters():
            p.data.copy_(before[name])
        D.zero_grad(set_to_none=True)
    assert max(step.abs().max().item() for step in steps[8].values()) > 1e-3
    for size in (4, 2):
        for name, step in steps[8].items():
            torch.testing.assert_close(steps[size][name], step, rtol=1e-9, atol=1e-12)


def test_gradients_that_are_not_numbers_do_not_reach_the_weights() -> None:
    module = torch.nn.Linear(3, 1, bias=False)
    before = module.weight.detach().clone()

    def accumulate_gradients(**_kwargs: Any) -> None:
        module.weight.grad = torch.tensor([[float("nan"), float("inf"), 0.5]])

    (phase,) = phases.setup_phases("G", module, SGD, None)
    collector = training_stats.Collector("Gradients/.*")
    phases.run_phase(phase, SimpleNamespace(accumulate_gradients=accumulate_gradients), [{}], cur_nimg=0)
    torch.testing.assert_close(before - module.weight.detach(), torch.tensor([[0.0, 1e5, 0.5]]))
    collector.update()
    assert collector["Gradients/Gboth/dropped"] == 2


def test_moving_averages_do_not_depend_on_how_the_batch_is_split() -> None:
    torch.manual_seed(0)
    G = Generator(6, 0, 5, 8, 3, mapping_kwargs={"num_layers": 2}, use_noise=False, **SMALL).double()
    D = Discriminator(0, 8, 3, **SMALL).double()
    z, empty, real = torch.randn(8, 6).double(), torch.zeros(8, 0).double(), torch.randn(8, 3, 8, 8).double()
    loss = StyleGAN2Loss("cpu", G, D)
    found = {}
    for size in (8, 2):
        G.mapping.w_avg.fill_(0.5)
        (phase,) = phases.setup_phases("D", D.requires_grad_(False), SGD, None)
        parts = zip(*[t.split(size) for t in (real, empty, z, empty)], strict=True)
        rounds = [dict(zip(("real_img", "real_c", "gen_z", "gen_c"), part, strict=True)) for part in parts]
        phases.run_phase(phase, loss, rounds, cur_nimg=0, averages=phases.moving_averages(G))
        found[size] = G.mapping.w_avg.clone()
    assert (found[8] - 0.5).abs().max() > 1e-4
    torch.testing.assert_close(found[2], found[8], rtol=1e-12, atol=1e-12)


def test_only_the_phases_own_module_requires_gradients_while_it_runs() -> None:
    module, seen = torch.nn.Linear(2, 2).requires_grad_(False), []
    loss = SimpleNamespace(accumulate_gradients=lambda **kw: seen.append((kw, module.weight.requires_grad)))
    (phase,) = phases.setup_phases("G", module, SGD, None)
    phases.run_phase(phase, loss, [{"gen_z": 1}], cur_nimg=7)
    assert seen == [({"phase": "Gboth", "gain": 1, "cur_nimg": 7, "gen_z": 1}, True)]
    assert not module.weight.requires_grad
    assert phase.seconds is not None


@pytest.mark.parametrize(
    ("rampup", "cur_nimg", "half_life"), [(None, 10, 2000), (0.05, 10**6, 2000), (0.05, 8000, 400)]
)
def test_the_average_has_the_asked_half_life(rampup: float | None, cur_nimg: int, half_life: float) -> None:
    target, average = torch.nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3)
    target.weight.data.fill_(1.0)
    average.weight.data.fill_(0.0)
    target.running_mean.fill_(5.0)
    steps = 50
    for _ in range(steps):
        phases.update_ema(
            average, target, cur_nimg=cur_nimg, batch_size=int(half_life) // steps, ema_kimg=2, rampup=rampup
        )
    torch.testing.assert_close(average.weight.detach(), torch.full([3], 0.5))
    assert torch.equal(average.running_mean, target.running_mean)


def test_the_average_starts_as_a_copy() -> None:
    target, average = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    phases.update_ema(average, target, cur_nimg=0, batch_size=8, ema_kimg=5, rampup=0.05)
    assert torch.equal(average.weight, target.weight)
