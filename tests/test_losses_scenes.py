"""LinkGANLoss where an image is more than a flat image: regions that differ per image, depth and the raw image."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.segmentation import named
from tests.segmentation.networks import CLASSES, script
from tests.toy_hosts import BATCH, DIM, SIZE, ToyLoss, call, link_loss, reported, toy, training_stats
from tests.toys import linked_weight

__all__ = ["training_stats"]  # where a host's loss has its reporter


@pytest.fixture(autouse=True)
def _fresh_statistics() -> None:
    reported.clear()


def test_a_region_that_differs_per_image_trains_and_counts_where_it_is_missing(tmp_path):
    path = script(tmp_path / "light.pt", classes=CLASSES)
    spec = LinkSpec.parse([f"light=0:4@semantic({path},light)&box(0,0,0.5,0.5)"], dim=DIM)
    generator = toy()
    with torch.no_grad():
        generator.synthesis.weight[0] += 100 * torch.eye(DIM)[0]  # one pixel of the box, light for half of the images
        for row in (1, 2, 3, *range(8, 12), *range(16, 20), *range(24, 28)):
            generator.synthesis.weight[row] = -generator.synthesis.weight[0]
    loss = link_loss(generator, spec=spec, interval=1, batch=1.0, per_sample=0)
    loss.accumulate_gradients(**call())
    z = call()["gen_z"]
    images = generator.synthesis(generator.mapping(z, None))
    light = (images[:, 0, :4, :4] > 0).flatten(1).any(dim=1)
    assert reported["Loss/link/light/absent"] == pytest.approx([1 - light.float().mean().item()])
    assert "Loss/link/rest/absent" in reported
    assert all(parameter.grad.isfinite().all() for parameter in generator.parameters())
    assert generator.synthesis.weight.grad.abs().max() > 0


def test_a_loss_in_another_process_is_told_what_the_user_named(tmp_path):
    path = script(tmp_path / "light.pt", classes=CLASSES)
    spec = LinkSpec.parse([f"light=0:4@semantic({path},light)"], dim=DIM)
    known = named.chosen([str(path)])
    named.forget()  # as in a process that has read no command line
    with pytest.raises(LinkGANError, match=r"--segmenter light.pt=FILE"):
        link_loss(toy(), spec=spec, interval=1).accumulate_gradients(**call())
    link_loss(toy(), spec=spec, interval=1, named=known).accumulate_gradients(**call())
    assert "Loss/link/light/share" in reported or "Loss/link/rest/share" in reported


def test_fixed_regions_report_no_absence():
    loss = link_loss(toy(), interval=1)
    loss.accumulate_gradients(**call())
    assert "Loss/link/left/share" in reported or "Loss/link/rest/share" in reported
    assert not any(name.endswith("/absent") for name in reported)


class SolidSynthesis(nn.Module):
    """An image of one linear map of the axes, a depth of another, and the image's halves as the raw one."""

    def __init__(self, image: Tensor, depth: Tensor) -> None:
        super().__init__()
        self.image, self.depth = nn.Parameter(image), nn.Parameter(depth)

    def forward(self, ws: Tensor, c: Tensor) -> dict[str, Tensor]:
        image, depth = ((ws[:, 0] @ weight.T).view(-1, 1, SIZE, SIZE) for weight in (self.image, self.depth))
        return {"image": image, "image_raw": nn.functional.avg_pool2d(image, 2), "image_depth": depth}


class SolidLoss(ToyLoss):
    """The same host, of a generator that is told where the camera is."""

    def accumulate_gradients(self, phase, real_img, real_c, gen_z, gen_c, gain, cur_nimg) -> None:
        images = self.G.synthesis(self.G.mapping(gen_z, gen_c), gen_c)["image"]
        if phase.startswith("G"):
            images.mean().mul(gain).backward()


def solid(image, depth):
    generator = toy()
    generator.synthesis = SolidSynthesis(image, depth)
    return generator


HALVES = linked_weight([range(4), range(4, 8)], SIZE, DIM)


@pytest.mark.parametrize(("depth", "raw"), [(0.0, 0.0), (2.0, 0.0), (0.0, 3.0), (2.0, 3.0)])
def test_depth_and_raw_image_count_by_their_weights(depth, raw):
    torch.manual_seed(0)
    image, solid_depth = torch.randn(2, SIZE * SIZE, DIM)
    generator = solid(image, solid_depth)
    loss = link_loss(
        generator, interval=1, batch=1.0, per_sample=0, depth=depth, raw=raw, form="squared", perturbations="blocks"
    )
    ws, perturbed = torch.randn(BATCH, 2, DIM), torch.randn(1, BATCH, 2, DIM)
    still, edited = loss.host.calls.render_pairs(ws, perturbed, torch.zeros(BATCH, 25))
    effect = (torch.rand(1, BATCH, 1, SIZE, SIZE) < 0.5).float()
    found = loss._squared_change(still, edited, effect, torch.zeros(edited.image.shape[:2], dtype=torch.bool))
    wanted = 0.0
    for weight, before, after, mask in (
        (1.0, still.image, edited.image, effect[0]),
        (raw, still.raw, edited.raw, nn.functional.avg_pool2d(effect[0], 2)),
        (depth, still.depth, edited.depth, effect[0]),
    ):
        wanted = wanted + weight * ((after[0] - before).square() * (1 - mask)).mean(dim=[1, 2, 3])
    torch.testing.assert_close(found.leak[0] / found.values, wanted)
    seen = (edited.image[0] - still.image).square() * effect[0]
    torch.testing.assert_close(found.effect[0], seen.sum(dim=[1, 2, 3]), msg="depth is no change that one sees")


def test_geometry_outside_costs_where_depth_is_weighed():
    moving = torch.randn(SIZE * SIZE, DIM, generator=torch.Generator().manual_seed(0))
    shares = {}
    for weight in (0.0, 1.0):
        generator = solid(HALVES, moving)
        loss = link_loss(generator, SolidLoss, interval=1, batch=1.0, per_sample=0, depth=weight)
        loss.accumulate_gradients(**{**call(), "gen_c": torch.zeros(BATCH, 25)})
        shares[weight] = reported["Loss/link/left/share"][-1]
        touched = generator.synthesis.depth.grad
        assert (touched is not None and touched.abs().max() > 0) == bool(weight)
    assert shares[0.0] == 0 < 0.2 < shares[1.0]


def test_depth_of_a_generator_that_has_none_is_refused():
    with pytest.raises(LinkGANError, match="link depth is for 3D-aware generators"):
        link_loss(toy(), depth=1.0)
