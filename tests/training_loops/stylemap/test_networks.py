"""The stylemap, its modulation, the encoder, and how far a cell reaches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from linkgan_plugin.axes import cell_axes
from training_loops.errors import OptionError
from training_loops.stylemap.layers import Modulation, StylemapResizer, to_map, to_ws
from training_loops.stylemap.loss import laplacian_distance
from training_loops.stylemap.networks import Generator

SMALL: dict[str, Any] = {"channel_base": 256, "channel_max": 16, "mapping_kwargs": {"num_layers": 2}}


@pytest.mark.parametrize(("resolution", "size"), [(4, 4), (8, 4), (32, 4), (32, 8), (32, 32)])
def test_images_and_stylemaps_have_their_shapes(resolution: int, size: int) -> None:
    G = Generator(6, 0, 3 * size**2, resolution, 3, stylemap_size=size, **SMALL)
    ws = G.mapping(torch.randn(2, 6), None)
    assert (G.num_ws, G.stylemap_size) == (1, size)
    assert ws.shape == (2, 1, 3 * size**2)
    images = G.synthesis(ws, noise_mode="const")
    assert images.shape == (2, 3, resolution, resolution)
    assert G.encoder(images).shape == ws.shape


def test_the_axes_of_a_cell_are_consecutive() -> None:
    ws = torch.arange(2 * 3 * 16.0).reshape(2, 1, 48)
    stylemap = to_map(ws, 4)
    assert stylemap.shape == (2, 3, 4, 4)
    assert stylemap[1, :, 2, 1].tolist() == [48 + (2 * 4 + 1) * 3 + c for c in range(3)]
    assert torch.equal(to_ws(stylemap), ws)


def test_modulation_is_that_of_the_paper() -> None:
    torch.manual_seed(0)
    layer = Modulation(3, 5)
    h, stylemap = torch.randn(2, 5, 6, 4) * 3 + 1, torch.randn(2, 3, 6, 4)
    with torch.no_grad():
        layer.beta.bias += torch.randn(5)
        out = layer(h, stylemap).numpy()
    convs = (layer.gamma, layer.beta)
    w_gamma, w_beta = (conv.weight.detach().double().numpy()[:, :, 0, 0] / 3**0.5 for conv in convs)
    bias = layer.beta.bias.detach().double().numpy()
    x, t = h.double().numpy(), stylemap.double().numpy()
    for n, c, y, i in np.ndindex(x.shape):
        pixels = x[n, c]
        normal = (pixels[y, i] - pixels.mean()) / pixels.std()
        expected = (1 + w_gamma[c] @ t[n, :, y, i]) * normal + w_beta[c] @ t[n, :, y, i] + bias[c]
        assert out[n, c, y, i] == pytest.approx(expected, abs=1e-5)


def test_the_resizer_gives_each_resolution_a_map() -> None:
    maps = StylemapResizer(6, 8, {4: 6, 8: 6, 16: 5, 32: 2})(torch.randn(2, 6, 8, 8))
    assert {res: tuple(t.shape) for res, t in maps.items()} == {
        8: (2, 6, 8, 8),
        16: (2, 5, 16, 16),
        32: (2, 2, 32, 32),
        4: (2, 6, 4, 4),
    }


def test_a_cell_changes_the_image_near_itself() -> None:
    torch.manual_seed(0)
    G = Generator(16, 0, 16 * 64, 64, 3, stylemap_size=8, channel_base=1024, channel_max=32).eval()
    corner = np.zeros([8, 8], np.float32)
    corner[:2, :2] = 1
    cells = torch.zeros(1024, dtype=torch.bool)
    cells[list(cell_axes(corner, 1024))] = True
    spread = torch.zeros(1024, dtype=torch.bool)
    spread[torch.randperm(1024)[: int(cells.sum())]] = True
    shares = {}
    with torch.no_grad():
        ws, donor = (G.mapping(torch.randn(8, 16), None) for _ in range(2))
        before = G.synthesis(ws)
        for name, block in (("cells", cells), ("spread", spread)):
            change = (G.synthesis(torch.where(block, donor, ws)) - before).square().mean(dim=[0, 1])
            shares[name] = float(change[:20, :20].sum() / change.sum())  # the region of 16 pixels and half a cell
    assert shares["cells"] > 0.5, shares
    assert shares["spread"] < 0.2, shares


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stylemap_size": 64}, "stylemap_size=64: expected one of 4, 8, 16, 32"),
        ({"w_dim": 50}, "w_dim=50: expected a multiple of 16"),
        ({"use_noise": True}, "no noise inputs"),
        ({"num_fp16_res": 2}, "num_fp16_res=2.*single precision"),
    ],
)
def test_options_without_a_meaning_are_refused(change: dict[str, Any], message: str) -> None:
    kwargs = {"z_dim": 6, "c_dim": 0, "w_dim": 48, "img_resolution": 32, "img_channels": 3, "stylemap_size": 4}
    with pytest.raises(OptionError, match=message):
        Generator(**{**kwargs, **change})


def test_the_laplacian_distance_weighs_each_level_by_its_mean() -> None:
    x = torch.rand(2, 3, 16, 16)
    assert torch.equal(laplacian_distance(x, x), torch.zeros(2))
    torch.testing.assert_close(laplacian_distance(x + 0.25, x), torch.full([2], 0.25))  # in the last level alone
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(8, 8).expand(1, 1, 16, 16)
    torch.testing.assert_close(laplacian_distance(board, 0 * board), torch.ones(1))  # in the first level alone
