"""Links of cells and blends of stylemaps: whose axes change, and by how much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from linkgan_plugin.axes import cell_axes
from linkgan_plugin.editing.stylemaps import blend_stylemaps
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.network_links import links_for
from linkgan_plugin.networks import load_network
from linkgan_plugin.pickles.convert import convert
from linkgan_plugin.web.drawn_links import Latent, assess
from training_loops.snapshots import save_snapshot
from training_loops.stylegan2.networks import Discriminator
from training_loops.stylemap.networks import Generator

LEFT, TOP_RIGHT = "box(0,0,0.5,1)", "box(0.5,0,1,0.5)"


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(6, 0, 32, 8, 3, stylemap_size=4, channel_base=64, channel_max=8).requires_grad_(False)


def test_a_region_owns_the_cells_it_covers(generator: Generator) -> None:
    spec = links_for(generator, [f"left=cells@{LEFT}", f"corner=cells@{TOP_RIGHT}", "free=2@box(0.6,0.6,1,1)"])
    cells = {link.name: sorted({axis // 2 for axis in link.axes}) for link in spec.links}
    assert cells == {"left": [0, 1, 4, 5, 8, 9, 12, 13], "corner": [2, 3, 6, 7], "free": [10]}
    assert LinkSpec.from_json(spec.to_json()) == spec


def test_a_region_between_cells_takes_those_it_covers_most() -> None:
    coverage = np.zeros([4, 4], np.float32)
    coverage[1] = [0.1, 0.3, 0.3, 0.2]
    assert cell_axes(coverage, 16) == (5, 6)
    coverage[3, 3] = 0.6
    assert cell_axes(coverage, 32) == (30, 31)
    coverage[:] = 0.5  # half of each cell: another region may have the other half
    assert len(cell_axes(coverage, 16)) == 16
    with pytest.raises(LinkGANError, match="a latent of 30 axes has no 4 x 4 cells"):
        cell_axes(coverage, 30)


@pytest.mark.parametrize(("space", "size"), [("w", None), ("z", 4)])
def test_other_latents_have_no_cells(space: str, size: int | None) -> None:
    with pytest.raises(LinkGANError, match="link 'a': 'cells' needs a network whose latent W is a stylemap"):
        LinkSpec.parse([f"a=cells@{LEFT}"], dim=32, space=space, stylemap_size=size)


def test_a_blend_is_the_donors_by_the_share_of_the_mask_in_each_cell(generator: Generator) -> None:
    ws, donor = generator.mapping(torch.randn(2, 6), None), generator.mapping(torch.randn(1, 6), None)
    mask = torch.zeros(8, 8)
    mask[:2, :2] = 1  # cell (0, 0)
    mask[6:, 7] = 1  # half of cell (3, 3)
    blend = blend_stylemaps(generator, ws, donor, mask)
    share = torch.zeros(16)
    share[0], share[15] = 1, 0.5
    expected = ws + share.repeat_interleave(2) * (donor - ws)
    torch.testing.assert_close(blend, expected)
    assert torch.equal(blend[..., 2:30], ws[..., 2:30])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generator": torch.nn.Linear(2, 2)}, "a Linear has no stylemap"),
        ({"donor": torch.zeros(1, 1, 16)}, r"stylemaps \[1, 1, 32\] and \[1, 1, 16\]"),
        ({"mask": torch.zeros(1, 8, 8)}, r"a mask \[1, 8, 8\], expected \[H, W\]"),
    ],
)
def test_blends_of_other_things_are_refused(generator: Generator, change: dict[str, Any], message: str) -> None:
    ws = torch.zeros(1, 1, 32)
    call = {"generator": generator, "ws": ws, "donor": ws, "mask": torch.ones(8, 8)}
    with pytest.raises(LinkGANError, match=message):
        blend_stylemaps(**{**call, **change})


def test_converted_networks_keep_the_encoder(tmp_path: Path, generator: Generator) -> None:
    D = Discriminator(0, 8, 3, channel_base=64, channel_max=8)
    names = {"training_options": {}, "cur_nimg": 0, "link_spec": None}
    save_snapshot(tmp_path / "a.pt", G=generator, D=D, G_ema=generator, **names)
    convert(tmp_path / "a.pt", tmp_path / "a.safetensors")
    opened: Any = load_network(tmp_path / "a.safetensors").generator
    images = torch.rand(1, 3, 8, 8)
    assert opened.stylemap_size == 4
    assert torch.equal(opened.encoder(images), generator.encoder(images))


def test_drawn_links_own_cells_too() -> None:
    latent = Latent(32, 8, stylemap_size=4)
    texts = [f"left=cells@{LEFT}", f"corner=cells@{TOP_RIGHT}"]
    found = assess(texts, latent)
    assert [row["count"] for row in found["links"]] == [16, 8]
    assert [row["axes"] for row in found["links"]] == ["0:4,8:12,16:20,24:28", "4:8,12:16"]
    assert found["rest"]["count"] == 8
    without = assess(texts, Latent(32, 8))
    assert "'cells' needs a network" in without["links"][0]["error"]
