"""Feature maps of a synthesis: found by one rule in every family, read, and changed."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from linkgan_plugin.calls.features import FeatureChange, Features, feature_sites
from linkgan_plugin.calls.generator import GeneratorCalls
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.links import LinkSpec
from tests.calls.test_calls import MethodGenerator
from tests.inversion.conftest import small_generator
from tests.toys import ToyGenerator
from training_loops.r3gan.networks import Generator as R3GAN
from training_loops.stylegan3.networks import Generator as StyleGAN3
from training_loops.stylemap.networks import Generator as StyleMapGAN

MINI = Path(__file__).parents[1] / "hosts" / "mini"
SIZES: dict[str, Any] = {"z_dim": 8, "c_dim": 0, "w_dim": 8, "img_channels": 3, "channel_base": 64, "channel_max": 8}
MODULES = ("training", "torch_utils", "R3GAN", "dnnlib")


@pytest.fixture
def mini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports modules of the miniature hosts."""
    for part in ("common", "modern", "stylegan3", "r3gan"):
        shutil.copytree(MINI / part, tmp_path, dirs_exist_ok=True)
    (tmp_path / "torch_utils" / "ops" / "conv2d_gradfix.py").write_text("")  # it needs an old package
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module
    for name in [name for name in sys.modules if name.split(".")[0] in MODULES]:
        del sys.modules[name]


class Sequential(nn.Module):
    """A DCGAN: transposed convolutions, normalisation and activations in one sequence."""

    z_dim, c_dim, img_resolution, img_channels = 8, 0, 16, 3

    def __init__(self) -> None:
        super().__init__()
        widths, parts = (8, 7, 6), []
        for before, after in pairwise(widths):
            parts += [nn.ConvTranspose2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        first = [nn.ConvTranspose2d(8, 8, 4), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*first, *parts, nn.ConvTranspose2d(6, 3, 3, 1, 1), nn.Tanh())

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.layers(z[:, :, None, None])


def found(generator: nn.Module) -> list[tuple[str, int, int, int]]:
    sites = feature_sites(generator.eval())
    return [(site.name, site.channels, site.size, site.margin) for site in sites]


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
def test_blocks_of_stylegan2_are_sites_and_its_rgb_images_are_not(architecture):
    expected = [("synthesis.b4", 8, 4, 0), ("synthesis.b8", 8, 8, 0), ("synthesis.b16.conv1", 8, 16, 0)]
    assert found(small_generator(architecture=architecture)) == expected


def test_the_margin_of_stylegan3_is_no_part_of_the_map():
    sites = found(StyleGAN3(img_resolution=32, num_layers=6, **SIZES))
    assert [site[2:] for site in sites] == [(16, 10), (32, 0)]
    assert all(site[0].startswith("synthesis.L") for site in sites)


def test_stylemaps_are_no_features():
    sites = found(StyleMapGAN(img_resolution=16, stylemap_size=4, **{**SIZES, "w_dim": 64}))
    assert [site[:3] for site in sites] == [(f"synthesis.blocks.{n}", 8 if n < 2 else 4, 4 * 2**n) for n in range(3)]


def test_stages_of_r3gan_are_sites():
    stages = {"WidthPerStage": [8, 8], "CardinalityPerStage": [2, 2], "BlocksPerStage": [1, 1]}
    sites = found(R3GAN(NoiseDimension=8, c_dim=2, img_resolution=8, ConditionEmbeddingDimension=4, **stages))
    assert sites == [("Model.MainLayers.0", 8, 4, 0), ("Model.MainLayers.1", 8, 8, 0)]


def test_a_plain_sequence_changes_after_its_activations():
    assert found(Sequential()) == [("layers.1", 8, 4, 0), ("layers.4", 7, 8, 0), ("layers.7", 6, 16, 0)]


def test_sites_of_hosts_are_found_by_the_same_rule(mini):
    sizes = {**SIZES, "img_resolution": 16}
    stylegan2 = mini("training.networks_stylegan2").Generator(**sizes)
    names = [f"synthesis.b{size}" for size in (4, 8, 16)]
    assert [site[0] for site in found(stylegan2)] == names
    assert [site[0] for site in found(mini("training.networks_stylegan3").Generator(**sizes))] == ["synthesis.L2"]
    shape = {"WidthPerStage": [8, 8], "CardinalityPerStage": [1, 1], "BlocksPerStage": [1, 1]}
    r3gan = mini("training.networks").Generator(NoiseDimension=8, c_dim=0, img_resolution=8, FP16Stages=(), **shape)
    assert [site[::2] for site in found(r3gan)] == [("Model.MainLayers.0", 4)]


@pytest.mark.parametrize("make", [small_generator, lambda: StyleGAN3(img_resolution=32, num_layers=6, **SIZES)])
def test_a_gate_of_one_and_no_detail_change_no_bit(make):
    generator = make().eval().requires_grad_(False)
    features, calls = Features(generator, 16), GeneratorCalls.of(generator)
    latents = calls.map(torch.randn([2, 8], generator=torch.Generator().manual_seed(0)), torch.zeros([2, 0]))
    before = calls.render(latents)
    shape = [2, features.channels, 16, 16]
    with features.changed(FeatureChange(torch.ones(shape), torch.zeros(shape))):
        assert torch.equal(calls.render(latents), before)
    with features.changed(FeatureChange(torch.ones(shape), torch.ones(shape))):
        assert not torch.equal(calls.render(latents), before)
    assert torch.equal(calls.render(latents), before)


def test_what_is_read_is_what_was_changed():
    generator = small_generator()
    features, calls = Features(generator, 8), GeneratorCalls.of(generator)
    latents = calls.map(torch.ones([2, 8]), torch.zeros([2, 0]))
    before = features.read(lambda: calls.render(latents))
    gate, detail = torch.rand([2, 8, 8, 8]), torch.randn([2, 8, 8, 8])
    with features.changed(FeatureChange(gate, detail)):
        after = features.read(lambda: calls.render(latents))
    assert torch.allclose(after, gate * before + detail)


def test_a_linked_generator_renders_with_details_within_the_block():
    generator = LinkedGenerator(small_generator(), LinkSpec.parse(["left=0:3@box(0,0,0.5,1)"], dim=8))
    latents = generator.draw([0])
    before = generator.render(latents)
    with generator.detailed(FeatureChange(torch.ones([1, 8, 8, 8]), torch.ones([1, 8, 8, 8]))):
        assert (generator.render(latents) - before).abs().max() > 1e-3
    with generator.detailed(None):
        assert torch.equal(generator.render(latents), before)


def test_networks_without_such_maps_are_refused():
    with pytest.raises(LinkGANError, match=r"no feature maps of 32 x 32 .* those it has: 4, 8, 16"):
        Features(small_generator(), 32)
    with pytest.raises(LinkGANError, match="those it has: none"):
        Features(ToyGenerator(torch.zeros([64, 4]), 8), 8)
    with pytest.raises(LinkGANError, match="through a camera"):
        Features(MethodGenerator(), 8)
    wrong = FeatureChange(torch.ones([1, 5, 8, 8]), torch.zeros([1, 5, 8, 8]))
    with (
        pytest.raises(LinkGANError, match=r"\[1, 5, 8, 8\]; this network takes \[N, 8, 8, 8\]"),
        Features(small_generator(), 8).changed(wrong),
    ):
        pass
