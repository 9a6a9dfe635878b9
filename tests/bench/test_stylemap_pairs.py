"""`bench photographs --stylemap`: regions of other photographs, on networks whose answer is known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from linkgan_plugin.bench.held_out import HeldOut
from linkgan_plugin.bench.photograph_quality import PASTED
from linkgan_plugin.bench.photographs_sheet import pair_sheet
from linkgan_plugin.bench.stylemap_pairs import (
    LINKGAN,
    STYLEMAP,
    check_stylemap,
    detailed_transplant,
    differences,
    link_transplant,
    measure_pairs,
    stylemap_blend,
    table,
)
from linkgan_plugin.editing.example import example_generator
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.inversion.encoder import Encoder, shape_for
from linkgan_plugin.inversion.encoder_network import EncoderNetwork
from training_loops.formats.folder import write_dataset
from training_loops.formats.pixels import to_uint8
from training_loops.stylemap.layers import to_map, to_ws


class CellColours(nn.Module):
    """A StyleMapGAN by construction: each of 4 x 4 cells is the mean colour of its pixels."""

    stylemap_size, w_dim, num_ws, img_resolution, img_channels = 4, 48, 1, 16, 3

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encode()

    def synthesis(self, ws):
        return to_map(ws, 4).repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)


class Encode(nn.Module):
    def forward(self, images):
        return to_ws(nn.functional.avg_pool2d(images, 4))


@pytest.fixture
def held_out(tmp_path):
    images = to_uint8(example_generator().sample(range(100, 108)).images).permute(0, 2, 3, 1).numpy()
    write_dataset(tmp_path / "photographs.zip", images)
    return HeldOut.opened(tmp_path / "photographs.zip", example_generator().generator, 6)


def test_a_blend_takes_the_cells_of_the_mask_and_leaves_all_others():
    source, reference = torch.rand([2, 1, 3, 16, 16], generator=torch.Generator().manual_seed(0)) * 2 - 1
    mask = torch.zeros(16, 16)
    mask[:, :8] = 1
    blended = stylemap_blend(CellColours())(source, reference, (None, None), "left", mask)
    network = CellColours()
    means = [network.synthesis(network.encoder(image)) for image in (source, reference)]
    assert torch.allclose(blended[..., :8], means[1][..., :8], atol=1e-6)
    assert torch.allclose(blended[..., 8:], means[0][..., 8:], atol=1e-6)


def test_differences_are_means_over_the_mask_and_over_the_rest():
    random = torch.Generator().manual_seed(0)
    source, reference, image = torch.rand([3, 1, 3, 8, 8], generator=random) * 2 - 1
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :3] = 1
    found = differences(source, reference, image, mask)
    inside = (image - reference).double().square()[..., :3].mean()
    outside = (image - source).double().square()[..., 3:].mean()
    assert found["inside"] == pytest.approx(float(inside), rel=1e-5)
    assert found["outside"] == pytest.approx(float(outside), rel=1e-5)


def test_pairs_are_measured_pasted_and_not(held_out):
    generator = example_generator()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = EncoderNetwork(shape_for(generator.generator, width=4, passes=2)).eval().requires_grad_(False)
    ways = {STYLEMAP: stylemap_blend(CellColours()), LINKGAN: link_transplant(generator, Encoder(network, ""))}
    found = {title: measure_pairs(blend, generator, held_out, feather=0.0) for title, blend in ways.items()}
    for figures, shown in found.values():
        assert figures["pairs"].keys() == {"left", "left" + PASTED, "right", "right" + PASTED}
        assert len(shown) == 4 * 4
        for link in ("left", "right"):
            plain, pasted = figures["pairs"][link], figures["pairs"][link + PASTED]
            assert len(plain["inside"]) == 6
            assert pasted["inside"] == pytest.approx(plain["inside"], rel=1e-5)
            assert max(pasted["outside"]) == 0 < min(plain["outside"])
    lines = table(["left", "right"], {title: figures for title, (figures, _) in found.items()}).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:6]] == [
        "left: StyleMapGAN",
        "left: StyleMapGAN pasted",
        "left: LinkGAN",
        "left: LinkGAN pasted",
    ]
    sheet = pair_sheet(held_out.images, ["a", "b", "c", "d"], [(title, shown) for title, (_, shown) in found.items()])
    assert sheet.shape == (18 + 4 * 96, (2 + 2 * 4) * 96, 3)


def test_details_are_the_references_inside_and_the_sources_outside():
    """With details that shift the image by the distortion itself, both photographs are kept to rounding."""
    generator = example_generator()
    network = EncoderNetwork(shape_for(generator.generator, width=4, passes=1)).eval().requires_grad_(False)
    seen = []

    class Recorded:
        def change(self, distortion, before, after):
            seen.append((distortion, before, after))

    encoder = Encoder(network, "", details=Recorded())
    random = torch.Generator().manual_seed(0)
    source, reference = (torch.rand([1, 3, 16, 16], generator=random) * 2 - 1 for _ in range(2))
    labels, mask = (generator.labels([0]), generator.labels([0])), torch.zeros(16, 16)
    mask[:, :8] = 1
    image = detailed_transplant(generator, encoder)(source, reference, labels, "left", mask)
    ((distortion, before, after),) = seen
    whole = distortion + before
    assert torch.allclose(whole[..., :8], reference[..., :8], atol=1e-6)
    assert torch.allclose(whole[..., 8:], source[..., 8:], atol=1e-6)
    assert torch.equal(image, after), "these details change nothing"
    assert torch.equal(after, link_transplant(generator, encoder)(source, reference, labels, "left", mask))


def test_only_networks_with_a_stylemap_and_an_encoder_are_compared():
    generator = example_generator().generator
    check_stylemap(CellColours(), generator, "map.pt")
    with pytest.raises(LinkGANError, match=r"w.pt holds no stylemap with its encoder; .* --cfg stylemap"):
        check_stylemap(generator, generator, "w.pt")
    other = CellColours()
    other.img_resolution = 32
    with pytest.raises(LinkGANError, match=r"map.pt has img_resolution 32, the linked network 16"):
        check_stylemap(other, generator, "map.pt")
