"""Distances between images against brute force in float64, and LPIPS networks that are opened or refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.inversion.perceptual import PyramidDistance, load_lpips, psnr
from linkgan_plugin.metrics.swd import laplacian_pyramid
from linkgan_plugin.segmentation import named

LINE = np.array([1, 4, 6, 4, 1]) / 16


def mirrored(index: int, size: int) -> int:
    index = abs(index)
    return 2 * (size - 1) - index if index >= size else index


def slow_blur(plane: np.ndarray) -> np.ndarray:
    height, width = plane.shape
    out = np.zeros_like(plane)
    for y in range(height):
        for x in range(width):
            for dy in range(-2, 3):
                for dx in range(-2, 3):
                    weight = LINE[dy + 2] * LINE[dx + 2]
                    out[y, x] += weight * plane[mirrored(y + dy, height), mirrored(x + dx, width)]
    return out


def slow_enlarge(small: np.ndarray, height: int, width: int) -> np.ndarray:
    spread, weight = np.zeros((height, width)), np.zeros((height, width))
    spread[::2, ::2], weight[::2, ::2] = small, 1
    return slow_blur(spread) / slow_blur(weight)


def slow_pyramid(plane: np.ndarray) -> list[np.ndarray]:
    levels = []
    while min(plane.shape) >= 8:
        small = slow_blur(plane)[::2, ::2]
        levels.append(plane - slow_enlarge(small, *plane.shape))
        plane = small
    return [*levels, plane]


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand([2, 2, 16, 16], generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1


def test_the_pyramid_is_that_of_burt_and_adelson(images):
    levels = laplacian_pyramid(images, 4)
    expected = slow_pyramid(images[1, 1].numpy())
    assert [level.shape[2] for level in levels] == [16, 8, 4]
    for level, reference in zip(levels, expected, strict=True):
        assert np.allclose(level[1, 1].numpy(), reference, rtol=0, atol=1e-7)


def test_the_levels_add_up_to_the_image(images):
    *details, plane = (level[0, 0].numpy() for level in laplacian_pyramid(images, 4))
    for level in reversed(details):
        plane = level + slow_enlarge(plane, *level.shape)
    assert np.allclose(plane, images[0, 0].numpy(), rtol=0, atol=1e-7)


def test_the_distance_is_the_published_sum(images):
    found = PyramidDistance(pixel_weight=0.5)(images[:1], images[1:])
    total = 0.0
    for channel in range(2):
        first, second = (slow_pyramid(images[n, channel].numpy()) for n in range(2))
        total += sum(4**j * np.abs(a - b).sum() for j, (a, b) in enumerate(zip(first, second, strict=True)))
    pixels = float((images[0] - images[1]).square().mean())
    assert float(found[0]) == pytest.approx(total / (2 * 16 * 16) + 0.5 * pixels, rel=1e-6)


def test_images_are_compared_one_by_one(images):
    distance = PyramidDistance()
    both = distance(images, images.flip(0))
    assert both.shape == (2,)
    assert float(both[0]) == float(distance(images[:1], images[1:])[0])
    assert torch.equal(distance(images, images), torch.zeros(2, dtype=torch.float64))


def test_a_shifted_edge_is_nearer_than_its_absence():
    edge = torch.full([1, 1, 16, 16], -1.0)
    edge[..., 8:] = 1
    distance = PyramidDistance()
    assert distance(edge, edge.roll(1, dims=3))[0] < distance(edge, torch.zeros_like(edge))[0]


def test_signal_to_noise_is_in_decibels_of_the_written_range():
    zero = torch.zeros([1, 3, 4, 4])
    assert float(psnr(zero, zero + 0.2)[0]) == pytest.approx(20 * math.log10(2 / 0.2))
    assert float(psnr(zero + 1, zero + 3)[0]) == pytest.approx(100)


class Lpips(nn.Module):
    """A network that is called as the hosts' is: the mean of every channel, in [0, 255]."""

    def forward(self, images: Tensor, resize_images: bool = True, return_lpips: bool = False) -> Tensor:
        return images.mean(dim=[2, 3]) if return_lpips and not resize_images else images


class Classifier(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=[2, 3])


class Pictures(nn.Module):
    def forward(self, images: Tensor, resize_images: bool = True, return_lpips: bool = False) -> Tensor:
        return images


class Failing(nn.Module):
    def forward(self, images: Tensor, resize_images: bool = True, return_lpips: bool = False) -> Tensor:
        return images.view(7, 7)


def saved(path, network):
    torch.jit.save(torch.jit.script(network), path)
    named.trust(path)
    return path


def test_an_lpips_network_gives_features_whose_squared_difference_counts(tmp_path):
    lpips = load_lpips(saved(tmp_path / "vgg16.pt", Lpips()))
    grey = torch.full([1, 3, 300, 300], 0.0, requires_grad=True)
    found = lpips(grey, torch.ones([1, 3, 300, 300]))
    assert float(found.detach()) == pytest.approx(3 * 127.5**2)
    found.sum().backward()
    assert float(grey.grad.abs().sum()) > 0
    assert lpips.features(torch.zeros([2, 1, 16, 16])).shape == (2, 3)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Classifier(), r"a network of \(images\), expected \(images, resize_images, return_lpips\)"),
        (Pictures(), r"gives \[2, 3, 32, 32\] for 2 images, expected features"),
        (Failing(), "fails on 32 x 32 pixels"),
    ],
)
def test_other_networks_are_refused(network, message, tmp_path):
    with pytest.raises(LinkGANError, match=message):
        load_lpips(saved(tmp_path / "network.pt", network))


def test_a_network_that_nobody_trusts_is_not_opened(tmp_path, monkeypatch):
    path = saved(tmp_path / "vgg16.pt", Lpips())
    named.forget()
    monkeypatch.setattr(torch.jit, "load", lambda *args, **kwargs: pytest.fail("opened"))
    with pytest.raises(
        LinkGANError, match=r"vgg16\.pt is TorchScript .*leave --lpips out .*--trust-network .*vgg16\.pt"
    ):
        load_lpips(path)


@pytest.mark.parametrize("content", [b"", b"\x80\x02pickle", b"PK\x03\x04"])
def test_what_is_no_torchscript_is_refused(content, tmp_path):
    path = tmp_path / "vgg16.pt"
    path.write_bytes(content)
    with pytest.raises(LinkGANError, match="not a TorchScript file"):
        load_lpips(path)
