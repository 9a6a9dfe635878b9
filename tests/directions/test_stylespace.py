"""StyleSpace: planted channels of a region and of an attribute, estimates against exact gradients, what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from linkgan_plugin.directions import task as module
from linkgan_plugin.directions.find import find_directions
from linkgan_plugin.directions.stylespace import _squares, stylespace_attributes
from linkgan_plugin.directions.task import Task
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.links import parse_region

from .planted import DIM, SIZE, StyledGenerator, opened, strips, turned
from .test_resefa import LEFT

CHANNELS = 15  # 5 of each of 3 layers


@pytest.fixture(autouse=True)
def few_latents(monkeypatch):
    monkeypatch.setattr(module, "SPREAD", 2000)


def painting(owners: dict[int, slice]) -> StyledGenerator:
    """A generator whose channels paint everywhere, but for those of `owners`, which paint some columns only."""
    generator = StyledGenerator()
    for channel, columns in owners.items():
        own = generator.synthesis.layers[channel // 5].map[channel % 5]
        kept = own[:, columns].clone()
        own.zero_()
        own[:, columns] = kept
    return generator


def test_the_channels_that_paint_a_region_are_found():
    generator = painting({1: slice(0, 4), 7: slice(0, 4), 13: slice(0, 4), 9: slice(4, 8)})
    found = find_directions(opened(generator), "stylespace", region=LEFT, count=3, samples=32)
    assert found.space == "s"
    assert found.vectors.shape == (3, 1, CHANNELS)
    assert (found.vectors != 0).sum(dim=2).flatten().tolist() == [1, 1, 1]
    assert sorted(found.vectors[:, 0].argmax(dim=1).tolist()) == [1, 7, 13]
    assert sorted(found.names) == [f"synthesis.layers.{n}.affine[{c}]" for n, c in [(0, 1), (1, 2), (2, 3)]]
    assert found.leak.max() < 1e-9


def test_amount_1_is_one_standard_deviation_of_the_channel():
    generator = painting({7: slice(0, 4)})
    found = find_directions(opened(generator), "stylespace", region=LEFT, count=1, samples=16)
    deviation = generator.synthesis.layers[1].affine.weight.detach()[2].norm()  # w is N(0, I)
    assert found.vectors[0, 0, 7] == pytest.approx(float(deviation), rel=0.1)


def test_channels_that_hardly_change_the_image_are_not_chosen():
    generator = painting({1: slice(0, 4), 7: slice(0, 4)})
    generator.synthesis.layers[1].map[2] *= 1e-3
    found = find_directions(opened(generator), "stylespace", region=LEFT, count=1, samples=16)
    assert found.vectors[0, 0].argmax() == 1


def test_squares_of_few_gradients_are_those_of_the_exact_jacobian():
    generator = StyledGenerator()
    task = Task(opened(generator), 1, parse_region(LEFT))
    found = _squares(task, 0, 4, 400, task.random())
    maps = torch.cat([layer.map for layer in generator.synthesis.layers]).double() / SIZE  # [S, H, W]
    wanted = torch.stack([maps[:, :, :4].square().sum(dim=(1, 2)), maps[:, :, 4:].square().sum(dim=(1, 2))])
    assert found.shape == (2, 4, CHANNELS)
    assert torch.allclose(found.mean(dim=1), wanted, rtol=0.25)  # 1600 probes: a standard error of 3.5 %


class ChannelReader:
    """Reads style channels back from images of the generator, exactly."""

    def __init__(self, generator: StyledGenerator, channels: dict[str, tuple[int, float]]) -> None:
        maps = torch.cat([layer.map for layer in generator.synthesis.layers]).flatten(1)  # [S, H W]
        self.names = tuple(channels)
        self.rows = torch.stack([sign * torch.linalg.pinv(maps)[:, channel] for channel, sign in channels.values()])

    def __call__(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.rows.T


def test_the_channel_of_each_attribute_is_found_with_its_sign():
    generator = StyledGenerator()
    reader = ChannelReader(generator, {"smile": (3, 1.0), "age": (11, -1.0)})
    found = find_directions(opened(generator), "stylespace_attributes", reader=reader, count=4, samples=400)
    assert found.names == ("smile", "age", "smile", "age")
    assert found.vectors[0, 0].argmax() == 3
    assert found.vectors[1, 0].argmin() == 11
    assert (found.vectors != 0).sum(dim=2).flatten().tolist() == [1, 1, 1, 1]


def test_only_wanted_attributes_are_searched():
    generator = StyledGenerator()
    reader = ChannelReader(generator, {"smile": (3, 1.0), "age": (11, -1.0)})
    task = Task(opened(generator), 2, reader=reader, attributes=("age",))
    assert stylespace_attributes(task, samples=100, exemplars=10).names == ("age", "age")
    with pytest.raises(LinkGANError, match=r"the reader has no attribute 'aeg'; .*age"):
        find_directions(opened(generator), "stylespace_attributes", reader=reader, attributes=["aeg"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 0}, "0 samples, 4 probes, ridge 0.01; expected at least 1, 1, and above 0"),
        ({"probes": 0}, "256 samples, 0 probes"),
        ({"ridge": -1.0}, "ridge -1"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(LinkGANError, match=message):
        find_directions(opened(StyledGenerator()), "stylespace", region=LEFT, **settings)


def test_what_a_network_or_task_lacks_is_named():
    generator = opened(StyledGenerator())
    reader = ChannelReader(generator.generator, {"age": (11, -1.0)})
    with pytest.raises(LinkGANError, match="30 exemplars of 20 samples; expected at least 2, and more samples"):
        find_directions(generator, "stylespace_attributes", reader=reader, samples=20)
    with pytest.raises(LinkGANError, match="stylespace_attributes needs a reader"):
        find_directions(generator, "stylespace_attributes")
    with pytest.raises(LinkGANError, match="has no style space"):
        find_directions(opened(strips(turned(DIM))), "stylespace", region=LEFT)
    for layer in generator.generator.synthesis.layers:
        layer.map[:, :, :4] = 0
    with pytest.raises(LinkGANError, match=r"no style changes the region box\(0,0,0.5,1\)"):
        find_directions(generator, "stylespace", region=LEFT, samples=4)
