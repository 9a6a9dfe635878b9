"""Layers against their definition, images that move with the transform, and what networks do with wrong input."""

from __future__ import annotations

import copy
import itertools
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from training_loops.errors import OptionError
from training_loops.stylegan3.generator import plan_bands
from training_loops.stylegan3.networks import FullyConnectedLayer, Generator, MappingNetwork, SynthesisLayer

SMALL: dict[str, Any] = {"channel_base": 256, "channel_max": 8, "num_layers": 5}
T: dict[str, Any] = {}
R: dict[str, Any] = {"conv_kernel": 1, "use_radial_filters": True}


def small_generator(**kwargs: Any) -> Generator:
    dims = {"z_dim": 6, "c_dim": 0, "w_dim": 5, "img_resolution": 16, "img_channels": 3}
    torch.manual_seed(0)
    return Generator(**{**dims, "mapping_kwargs": {"num_layers": 2}, **SMALL, **kwargs})


def small_layer(**kwargs: Any) -> SynthesisLayer:
    """A layer [N, 4, 10, 10] -> [N, 6, 10, 10] at 8 samples per unit."""
    dims = {"w_dim": 5, "in_channels": 4, "out_channels": 6, "in_size": 10, "out_size": 10}
    bands = {"in_sampling_rate": 8, "out_sampling_rate": 8, "in_cutoff": 2, "out_cutoff": 2}
    widths = {"in_half_width": 2, "out_half_width": 2}
    flags = {"is_torgb": False, "is_critically_sampled": False, "use_fp16": False}
    torch.manual_seed(0)
    return SynthesisLayer(**{**dims, **bands, **widths, **flags, **kwargs})


def _ws(G: Generator, count: int = 2) -> Tensor:
    return torch.randn(count, G.num_ws, G.w_dim, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("is_torgb", [False, True])
def test_a_layer_without_filters_is_a_convolution_with_each_samples_own_weight(is_torgb: bool) -> None:
    layer = small_layer(lrelu_upsampling=1, is_torgb=is_torgb, conv_clamp=0.9).double().requires_grad_(False)
    layer.bias.normal_()
    layer.magnitude_ema.fill_(4)
    x, w = torch.randn(3, 4, 10, 10).double(), torch.randn(3, 5).double()
    given = layer(x, w)
    for n in range(3):
        styles = layer.affine(w[n : n + 1])[0]
        if is_torgb:
            weight = layer.weight * styles[:, None, None] / math.sqrt(4)
        else:
            weight = layer.weight * styles[:, None, None]
            weight = weight / weight.square().sum(dim=[1, 2, 3], keepdim=True).sqrt()
        expected = F.conv2d(x[n : n + 1] / 2, weight, layer.bias, padding=layer.conv_kernel // 2)
        if not is_torgb:
            expected = F.leaky_relu(expected, 0.2) * math.sqrt(2)
        torch.testing.assert_close(given[n : n + 1], expected.clamp(-0.9, 0.9), rtol=1e-6, atol=1e-6)


def test_more_samples_out_than_the_convolution_has_are_zeros_around() -> None:
    """Only a layer on its own can ask for that; what it pads is not the bias."""
    layer = small_layer(lrelu_upsampling=1, conv_kernel=1, out_size=(14, 12)).requires_grad_(False)
    layer.bias.fill_(3)
    y = layer(torch.randn(1, 4, 10, 10), torch.randn(1, 5))
    assert y.shape == (1, 6, 12, 14)
    assert y[:, :, 1:-1, 2:-2].abs().min() > 0
    assert F.pad(y[:, :, 1:-1, 2:-2], [2, 2, 1, 1]).equal(y)


def test_layers_keep_unit_variance_once_they_know_the_magnitude_of_their_input() -> None:
    layer = small_layer(in_channels=64, out_channels=64, magnitude_ema_beta=0, in_size=64, out_size=64)
    coarse = torch.randn(4, 64, 17, 17)
    smooth = 7 * F.interpolate(coarse, size=64, mode="bicubic", align_corners=True)
    with torch.no_grad():
        y = layer(smooth, torch.randn(4, 5), update_emas=True)
    assert layer.magnitude_ema.item() == pytest.approx(smooth.square().mean().item(), rel=1e-5)
    assert y.square().mean().sqrt().item() == pytest.approx(1, rel=0.2)


def test_initial_weights_have_the_public_scales() -> None:
    torch.manual_seed(0)
    mapping = MappingNetwork(128, 0, 128, num_ws=2)
    assert mapping.num_layers == 2
    assert mapping.get_parameter("fc0.weight").std().item() == pytest.approx(100, rel=0.05)
    layer = small_layer(in_channels=64, out_channels=64)
    assert layer.weight.std().item() == pytest.approx(1, rel=0.05)
    assert torch.equal(layer.affine.bias, torch.ones(64))
    assert torch.equal(layer.bias, torch.zeros(64))
    G = small_generator()
    assert torch.equal(G.synthesis.input.affine.weight, torch.zeros(4, 5))
    assert torch.equal(G.synthesis.input.affine.bias, torch.tensor([1.0, 0, 0, 0]))
    scaled = FullyConnectedLayer(100, 50, lr_multiplier=0.1, weight_init=0.5, bias_init=2)
    assert scaled.weight.std().item() == pytest.approx(5, rel=0.05)
    torch.testing.assert_close(scaled(torch.zeros(1, 100)), torch.full((1, 50), 2.0))


@pytest.mark.parametrize(
    ("kwargs", "parameters", "names"),
    [
        ({"img_resolution": 256}, 28_472_133, ["L0_36_512", "L9_148_362", "L13_256_128", "L14_256_3"]),
        (
            {"img_resolution": 1024, **R, "channel_base": 65536, "channel_max": 1024},
            15_093_151,
            ["L0_36_1024", "L9_532_256", "L13_1024_64", "L14_1024_3"],
        ),
    ],
    ids=["T", "R"],
)
def test_public_configurations_have_their_known_layers_and_size(
    kwargs: dict[str, Any], parameters: int, names: list[str]
) -> None:
    with torch.device("meta"):
        G = Generator(z_dim=512, c_dim=0, w_dim=512, img_channels=3, mapping_kwargs={"num_layers": 2}, **kwargs)
    assert sum(p.numel() for p in G.parameters()) == parameters
    assert [G.synthesis.layer_names[i] for i in (0, 9, 13, 14)] == names
    assert G.num_ws == 16


def test_bands_grow_geometrically_and_hold_what_they_pass() -> None:
    bands = plan_bands(64, 3, 1024, 64, 8, 2, 2, 2**2.1, 2**0.3, 10)
    cutoffs = [band.cutoff for band in bands]
    assert cutoffs[0] == 2
    assert cutoffs[6:] == pytest.approx([32, 32, 32]), "the critical layers and the image output"
    ratios = [after / before for before, after in itertools.pairwise(cutoffs[:7])]
    assert ratios == pytest.approx([16 ** (1 / 6)] * 6)
    assert [band.rate for band in bands] == [16, 16, 32, 32, 64, 64, 64, 64, 64]
    assert all(band.cutoff + band.half_width >= band.rate / 2 for band in bands)
    assert [band.size - band.rate for band in bands] == [20] * 7 + [0, 0]
    assert [band.channels for band in bands] == [64, 64, 64, 64, 40, 25, 16, 16, 3]


@pytest.mark.parametrize(("num_fp16_res", "first_half"), [(0, None), (1, 64), (2, 32), (9, 16)])
def test_the_highest_rates_are_for_half_precision_which_a_cpu_does_without(
    num_fp16_res: int, first_half: int | None
) -> None:
    G = small_generator(img_resolution=64, num_fp16_res=num_fp16_res).requires_grad_(False)
    for name in G.synthesis.layer_names:
        layer = getattr(G.synthesis, name)
        assert layer.use_fp16 == (first_half is not None and layer.out_sampling_rate >= first_half)
    images = G.synthesis(_ws(G))
    assert images.dtype == torch.float32
    assert torch.equal(images, G.synthesis(_ws(G), force_fp32=True))


def _psnr(given: Tensor, expected: Tensor) -> float:
    return 20 * math.log10((expected.max() - expected.min()) / (given - expected).square().mean().sqrt())


def _moved(G: Generator, matrix: list[list[float]]) -> Tensor:
    G.synthesis.input.transform.copy_(torch.tensor(matrix))
    return G.synthesis(_ws(G, 4))


def _calibrated(**kwargs: Any) -> Generator:
    """A generator whose layers know the magnitudes of their inputs, as after training."""
    G = small_generator(img_resolution=32, channel_max=16, channel_base=2048, magnitude_ema_beta=0, **kwargs)
    G.requires_grad_(False).synthesis(_ws(G, 8), update_emas=True)
    return G


@pytest.mark.parametrize("kind", [T, R], ids=["T", "R"])
def test_a_translation_of_the_input_moves_the_image(kind: dict[str, Any]) -> None:
    G = _calibrated(**kind)
    still = _moved(G, [[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    moved = _moved(G, [[1, 0, 5 / 32], [0, 1, -3 / 32], [0, 0, 1]])
    assert _psnr(moved[:, :, 3:, :-5], still[:, :, :-3, 5:]) > 80
    assert _psnr(moved, still) < 30
    half = _moved(G, [[1, 0, 0.5 / 32], [0, 1, 0], [0, 0, 1]])
    spectrum = torch.fft.rfft2(still)
    shift = torch.exp(2j * math.pi * 0.5 * torch.fft.rfftfreq(32))
    expected = torch.fft.irfft2(spectrum * shift, s=(32, 32))
    assert _psnr(still[..., 8:-8], expected[..., 8:-8]) < 45
    assert _psnr(half[..., 8:-8], expected[..., 8:-8]) > 53, "by parts of a pixel as well"


def test_a_rotation_of_the_input_turns_the_image_of_r_and_not_of_t() -> None:
    quarter = [[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]
    found = {}
    for name, kind in (("T", T), ("R", R)):
        G = _calibrated(**kind)
        still = _moved(G, [[1, 0, 0], [0, 1, 0], [0, 0, 1]])
        found[name] = _psnr(_moved(G, quarter), still.rot90(1, [2, 3]))
    assert found["R"] > 80
    assert found["T"] < 30


def test_w_moves_the_image_through_the_affine_layer() -> None:
    G = _calibrated(**R)
    still = G.synthesis(_ws(G))
    G.synthesis.input.affine.bias.copy_(torch.tensor([1, 0, -4 / 32, 0]))  # shifts go the other way than `transform`'s
    assert _psnr(G.synthesis(_ws(G))[..., :-4], still[..., 4:]) > 80


def test_noise_modes_are_accepted_and_have_no_effect() -> None:
    G = small_generator().requires_grad_(False)
    before = torch.get_rng_state()
    images = [G.synthesis(_ws(G), noise_mode=mode) for mode in ("random", "const", "none")]
    assert torch.equal(images[0], images[1])
    assert torch.equal(images[0], images[2])
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ValueError, match="noise_mode='constant': known are random, const, none"):
        G.synthesis(_ws(G), noise_mode="constant")


def test_averages_move_only_when_asked() -> None:
    G = small_generator(mapping_kwargs={"num_layers": 2, "w_avg_beta": 0.9}, magnitude_ema_beta=0.75)
    G.requires_grad_(False)
    z = torch.randn(16, 6)
    before = copy.deepcopy(G.state_dict())
    G(z, None)
    assert all(torch.equal(value, before[name]) for name, value in G.state_dict().items())
    ws = G.mapping(z, None)
    G(z, None, update_emas=True)
    torch.testing.assert_close(G.mapping.w_avg, 0.1 * ws[:, 0].mean(dim=0))
    moved = {name for name, value in G.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"mapping.w_avg"} | {f"synthesis.{name}.magnitude_ema" for name in G.synthesis.layer_names}
    first = getattr(G.synthesis, G.synthesis.layer_names[0])
    magnitude = G.synthesis.input(ws[:, 0]).square().mean()
    torch.testing.assert_close(first.magnitude_ema, 0.75 + 0.25 * magnitude)


def test_truncation_pulls_the_first_layers_towards_the_average() -> None:
    G = small_generator().requires_grad_(False)
    G.mapping.w_avg.normal_()
    z = torch.randn(4, 6)
    ws, cut = G.mapping(z, None), G.mapping(z, None, truncation_psi=0.5, truncation_cutoff=2)
    assert ws.shape == (4, 7, 5)
    torch.testing.assert_close(cut[:, :2], (G.mapping.w_avg + ws[:, :2]) / 2)
    assert torch.equal(cut[:, 2:], ws[:, 2:])
    average = G(z, None, truncation_psi=0)
    torch.testing.assert_close(average, G.synthesis(G.mapping.w_avg.expand(4, 7, 5)))


def test_labels_reach_the_image() -> None:
    G = small_generator(c_dim=3).requires_grad_(False)
    images = G(torch.randn(1, 6).expand(3, -1), torch.eye(3))
    assert images.shape == (3, 3, 16, 16)
    assert (images[0] - images[1]).abs().max() > 1e-3


def test_every_parameter_gets_a_gradient() -> None:
    G = small_generator()
    G(torch.randn(2, 6), None).square().sum().backward()
    assert [name for name, p in G.named_parameters() if p.grad is None or not p.grad.abs().max() > 0] == []


def test_a_generator_remembers_how_it_was_built_and_can_be_copied() -> None:
    G = small_generator(c_dim=2, filter_size=4, **R).requires_grad_(False)
    again = Generator(**G.init_kwargs)
    again.load_state_dict(copy.deepcopy(G).state_dict())
    assert G.init_kwargs["mapping_kwargs"] == {"num_layers": 2}
    z, c = torch.randn(2, 6), torch.eye(2)
    assert torch.equal(G(z, c), again(z, c))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"img_resolution": 0}, "img_resolution=0: expected 1 to 65536"),
        ({"img_resolution": 1 << 20}, "img_resolution=1048576: expected 1 to 65536"),
        ({"num_layers": 10**9}, "num_layers=1000000000, num_critical=2: expected 1 to 64 layers"),
        ({"num_critical": 5}, "num_layers=5, num_critical=5: .* of which fewer are critical"),
        ({"first_cutoff": 0}, "first_cutoff=0, .*: expected numbers above 0"),
        ({"channel_base": 4}, "channel_base=4, channel_max=8: layer 2 of 5 has no channels"),
        ({"filter_size": 0}, "filter_size=0: expected a whole number from 1"),
        ({"lrelu_upsampling": 1.5}, "lrelu_upsampling=1.5: expected a whole number from 1"),
        ({"conv_kernel": -3}, "conv_kernel=-3: expected a whole number from 1"),
        ({"mapping_kwargs": {"num_layers": 0}}, "num_layers=0: expected 1 to 64 mapping layers"),
    ],
)
def test_impossible_networks_are_refused(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        small_generator(**kwargs)


@pytest.mark.parametrize(("before", "after"), [(8, 4), (8, 12), (0, 8)])
def test_a_layer_only_keeps_or_multiplies_its_rate(before: float, after: float) -> None:
    message = f"in_sampling_rate={before}, out_sampling_rate={after}: expected rates above 0, the second a multiple"
    with pytest.raises(OptionError, match=message):
        small_layer(in_sampling_rate=before, out_sampling_rate=after)


def test_inputs_of_the_wrong_shape_are_named() -> None:
    G = small_generator(c_dim=2)
    with pytest.raises(ValueError, match=r"z: got \[2, 7\], expected \[N, 6\]"):
        G.mapping(torch.zeros(2, 7), torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"c: got nothing, expected \[N, 2\]"):
        G.mapping(torch.zeros(2, 6), None)
    with pytest.raises(ValueError, match=r"ws: got \[2, 1, 5\], expected \[N, 7, 5\]"):
        G.synthesis(torch.zeros(2, 1, 5))
    layer = small_layer()
    with pytest.raises(ValueError, match=r"x: got \[2, 4, 9, 10\], expected \[N, 4, 10, 10\]"):
        layer(torch.zeros(2, 4, 9, 10), torch.zeros(2, 5))
    with pytest.raises(ValueError, match=r"w: got \[1, 5\], expected \[2, 5\]"):
        layer(torch.zeros(2, 4, 10, 10), torch.zeros(1, 5))
