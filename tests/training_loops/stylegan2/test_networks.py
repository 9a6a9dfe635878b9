"""Layers against their definitions, and what networks do with noise, truncation, labels and wrong input."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from training_loops.stylegan2.networks import (
    Conv2dLayer,
    Discriminator,
    FullyConnectedLayer,
    Generator,
    MappingNetwork,
    MinibatchStdLayer,
    SynthesisLayer,
)
from training_loops.stylegan2.synthesis_layers import modulated_conv2d

SMALL: dict[str, Any] = {"channel_base": 64, "channel_max": 8, "num_fp16_res": 0, "conv_clamp": None}


def small_generator(**kwargs: Any) -> Generator:
    dims = {"z_dim": 6, "c_dim": 0, "w_dim": 5, "img_resolution": 8, "img_channels": 3}
    return Generator(**{**dims, "mapping_kwargs": {"num_layers": 2}, **SMALL, **kwargs})


def test_modulated_convolution_equals_one_convolution_per_sample_with_normalised_weights() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(3, 4, 6, 6).double(), torch.randn(5, 4, 3, 3).double()
    styles, shift = torch.randn(3, 4).double(), torch.randn(5, 1, 1).double()
    given = modulated_conv2d(x, weight, styles, shift, None, 1.7)
    for n in range(3):
        modulated = weight * styles[n][None, :, None, None]
        normalised = modulated / (modulated.square().sum(dim=[1, 2, 3], keepdim=True) + 1e-8).sqrt()
        expected = F.conv2d(x[n : n + 1], normalised, padding=1) * 1.7 + shift
        torch.testing.assert_close(given[n : n + 1], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("group_size", "channels"), [(4, 1), (2, 2), (None, 1)])
def test_minibatch_std_appends_the_mean_deviation_of_each_group(group_size: int | None, channels: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(8, 6, 3, 3).double()
    y = MinibatchStdLayer(group_size, channels)(x)
    assert y.shape == (8, 6 + channels, 3, 3)
    groups = 8 // (group_size or 8)
    for n in range(8):
        members = x[n % groups :: groups].unflatten(1, (channels, -1))
        deviation = (members.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=[1, 2, 3])
        torch.testing.assert_close(y[n, 6:], deviation[:, None, None].expand(-1, 3, 3))
    assert torch.equal(y[:, :6], x)


def test_minibatch_std_refuses_a_batch_its_groups_do_not_divide() -> None:
    with pytest.raises(ValueError, match=r"batch of 6: .*group size 4"):
        MinibatchStdLayer(4)(torch.zeros(6, 1, 2, 2))


def test_initial_weights_have_the_public_scales() -> None:
    torch.manual_seed(0)
    mapping = MappingNetwork(128, 0, 128, num_ws=2, num_layers=2)
    assert isinstance(mapping.fc0, FullyConnectedLayer)
    assert mapping.fc0.weight.std().item() == pytest.approx(100, rel=0.05)
    layer = SynthesisLayer(64, 64, 128, resolution=8)
    assert layer.weight.std().item() == pytest.approx(1, rel=0.05)
    assert torch.equal(layer.affine.bias, torch.ones(64))
    assert layer.noise_strength.item() == 0
    assert torch.equal(layer.bias, torch.zeros(64))


def test_activations_keep_unit_variance_through_layers() -> None:
    torch.manual_seed(0)
    x = torch.randn(8, 64, 16, 16)
    conv = Conv2dLayer(64, 64, 3, activation="lrelu")
    styled = SynthesisLayer(64, 64, 32, resolution=16, use_noise=False)
    for y in (conv(x), styled(x, torch.randn(8, 32))):
        assert y.square().mean().sqrt().item() == pytest.approx(1, rel=0.15)


def test_noise_modes() -> None:
    torch.manual_seed(0)
    G = small_generator().eval()
    for name, parameter in G.named_parameters():
        if name.endswith("noise_strength"):
            parameter.data.fill_(0.5)
    ws = torch.randn(2, G.num_ws, G.w_dim)
    with torch.no_grad():
        const, again = G.synthesis(ws, noise_mode="const"), G.synthesis(ws, noise_mode="const")
        none, random = G.synthesis(ws, noise_mode="none"), G.synthesis(ws)
        torch.manual_seed(7)
        first = G.synthesis(ws)
        torch.manual_seed(7)
        second = G.synthesis(ws)
    assert torch.equal(const, again)
    assert torch.equal(first, second)
    assert (const - none).abs().max() > 1e-3
    assert (random - first).abs().max() > 1e-3
    with pytest.raises(ValueError, match="noise_mode='constant': known are random, const, none"):
        G.synthesis(ws, noise_mode="constant")


def test_without_noise_inputs_there_are_no_noise_tensors_and_no_random_numbers_are_drawn() -> None:
    G = small_generator(use_noise=False)
    assert not [name for name in G.state_dict() if "noise" in name]
    before = torch.get_rng_state()
    G.synthesis(torch.zeros(1, G.num_ws, G.w_dim), noise_mode="random")
    assert torch.equal(torch.get_rng_state(), before)


def test_truncation_pulls_the_first_layers_towards_the_average() -> None:
    torch.manual_seed(0)
    G = small_generator()
    z = torch.randn(64, 6)
    G.mapping(z, None, update_emas=True)
    assert G.mapping.w_avg.abs().max() > 0
    ws = G.mapping(z, None)
    cut = G.mapping(z, None, truncation_psi=0.5, truncation_cutoff=2)
    average = G.mapping.w_avg
    torch.testing.assert_close(cut[:, :2], average + 0.5 * (ws[:, :2] - average))
    assert torch.equal(cut[:, 2:], ws[:, 2:])
    torch.testing.assert_close(G.mapping(z, None, truncation_psi=0.0), average.expand_as(ws))


def test_the_average_moves_only_when_asked() -> None:
    torch.manual_seed(0)
    mapping = MappingNetwork(4, 0, 4, num_ws=2, w_avg_beta=0.9)
    z = torch.randn(16, 4)
    mapping(z, None)
    assert torch.equal(mapping.w_avg, torch.zeros(4))
    ws = mapping(z, None, update_emas=True)
    torch.testing.assert_close(mapping.w_avg, 0.1 * ws[:, 0].mean(dim=0))


def test_labels_reach_the_image_and_the_logits() -> None:
    torch.manual_seed(0)
    G = small_generator(c_dim=3)
    D = Discriminator(c_dim=3, img_resolution=8, img_channels=3, **SMALL)
    z, labels = torch.randn(1, 6).expand(3, -1), torch.eye(3)
    images = G(z, labels, noise_mode="const")
    assert (images[0] - images[1]).abs().max() > 1e-3
    same = images[:1].expand(3, -1, -1, -1)
    logits = D(same, labels)
    assert logits.shape == (3, 1)
    assert logits.std() > 1e-5


def test_a_generator_remembers_how_it_was_built() -> None:
    G = small_generator(c_dim=2, resample_filter=[1, 2, 1])
    again = Generator(**G.init_kwargs)
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in G.state_dict().items()}
    assert G.init_kwargs["mapping_kwargs"] == {"num_layers": 2}
    D = Discriminator(0, 8, 3, block_kwargs={"freeze_layers": 1}, **SMALL)
    assert dict(Discriminator(**D.init_kwargs).named_buffers()).keys() == dict(D.named_buffers()).keys()


def test_frozen_layers_of_a_discriminator_are_buffers() -> None:
    D = Discriminator(0, 8, 3, block_kwargs={"freeze_layers": 2}, **SMALL)
    names = {name for name, _ in D.named_buffers() if not name.endswith("resample_filter")}
    assert names == {"b8.fromrgb.weight", "b8.fromrgb.bias", "b8.conv0.weight", "b8.conv0.bias"}


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"img_resolution": 24}, "img_resolution=24: expected a power of two from 4"),
        ({"img_resolution": 2**20}, "img_resolution=1048576: expected a power of two"),
        ({"architecture": "dense"}, "architecture='dense': known are orig, skip, resnet"),
        ({"mapping_kwargs": {"num_layers": 10**9}}, "num_layers=1000000000: expected 1 to 64"),
        ({"activation": "gelu"}, "activation 'gelu': known are linear"),
    ],
)
def test_impossible_networks_are_refused(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_generator(**kwargs)


def test_inputs_of_the_wrong_shape_are_named() -> None:
    G = small_generator(c_dim=2)
    with pytest.raises(ValueError, match=r"z: got \[2, 7\], expected \[N, 6\]"):
        G.mapping(torch.zeros(2, 7), torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"c: got nothing, expected \[N, 2\]"):
        G.mapping(torch.zeros(2, 6), None)
    with pytest.raises(ValueError, match=r"ws: got \[2, 1, 5\], expected \[N, 4, 5\]"):
        G.synthesis(torch.zeros(2, 1, 5))
    with pytest.raises(ValueError, match=r"img: got \[2, 3, 16, 16\], expected \[N, 3, 8, 8\]"):
        Discriminator(0, 8, 3, **SMALL)(torch.zeros(2, 3, 16, 16), None)


def test_networks_can_be_pickled() -> None:
    G = small_generator()
    again = pickle.loads(pickle.dumps(G))
    z = torch.randn(2, 6)
    assert torch.equal(again(z, None, noise_mode="const"), G(z, None, noise_mode="const"))
