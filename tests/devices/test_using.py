"""All that is done with a network, on an accelerator: no tensor on the wrong device, and the numbers of the CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from linkgan_plugin.directions.find import find_directions
from linkgan_plugin.editing.checked import ALL
from linkgan_plugin.editing.editor import Editor
from linkgan_plugin.editing.steps import DirectionEdit, Resample, Restore, Transplant
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.inversion.encoder_settings import EncoderSettings
from linkgan_plugin.inversion.encoder_training import EncoderTraining
from linkgan_plugin.inversion.project import project
from linkgan_plugin.labels import constant_labels
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.metrics import edited_quality
from linkgan_plugin.metrics.edited_quality import Asked, QualityOf
from linkgan_plugin.metrics.evaluate import evaluate
from linkgan_plugin.metrics.fit import fit
from linkgan_plugin.metrics.yardsticks import yardstick
from linkgan_plugin.segmentation.architectures.small_unet import SmallUNet
from linkgan_plugin.web.edited_image import EditedImage
from tests.devices.pretend import Accelerator, Elsewhere, here, moved
from tests.devices.test_training import FLAT, SOLID, eg3d, stylegan2
from tests.training_loops.eg3d.golden_cases import labels
from training_loops.formats.folder import ImageFolderDataset, write_dataset
from training_loops.snapshots import load_snapshot, save_snapshot

CAMERA = labels(1, 2.7)


def generator(device: str, solid: bool = False, links: tuple[str, ...] = ()) -> LinkedGenerator:
    """A linked generator of random weights on the CPU or on the accelerator."""
    torch.manual_seed(5)
    network = (eg3d() if solid else stylegan2())["G"].eval().requires_grad_(False)
    if device != "cpu":
        moved(network)
    spec = LinkSpec.parse(links or (SOLID if solid else FLAT), dim=network.w_dim)
    return LinkedGenerator(network, spec, labels=constant_labels(CAMERA) if solid else None)


def sampled(g: LinkedGenerator, folder: Path) -> list[Tensor]:
    samples = g.sample([0, 1])
    assert isinstance(samples.images, Elsewhere) is (g.device.type != "cpu")
    return [samples.images, g.mix(samples.latents[:1], samples.latents[1:], ["left"]).images]


def edited(g: LinkedGenerator, folder: Path) -> list[Tensor]:
    first, second = g.spec.block_names[:2]
    editor = Editor.of_seed(g, 0)
    editor.do(Resample(first, seed=7))
    editor.do(Transplant([first, second], donor=3, strength=0.5))
    editor.do(DirectionEdit(second, direction=0, std=0.5))
    editor.do(Restore(first, version=1))
    again = Editor.from_json(g, editor.to_json())
    return [editor.image(), editor.pasted(), editor.difference(), *editor.masks().values(), again.image()]


def edited_with_directions(g: LinkedGenerator, folder: Path) -> list[Tensor]:
    found = find_directions(g, "stylespace", region="box(0,0,0.5,1)", count=2)
    editor = Editor.of_seed(g, 0)
    editor.add_directions("left", found)
    editor.do(DirectionEdit(ALL, direction=0, std=1.0, of="left"))
    return [editor.image()]


def shown_on_the_page(g: LinkedGenerator, folder: Path) -> list[Tensor]:
    image = EditedImage.of_seed(g, 3, None)
    image.do(Resample(g.spec.block_names[0], seed=1))
    if g.is_3d_aware:
        image.set_view({"yaw": 0.3, "pitch": 0.1})
    assert image.state()["steps"] == 1
    return [image.rendered(), image.before(), torch.from_numpy(image.masks().astype(np.float32))]


def measured(g: LinkedGenerator, folder: Path) -> list[Tensor]:
    found = evaluate(g, pairs=6, batch=3)
    return [torch.tensor([e.value or 0.0 for _, e in sorted(result.estimates.items())]) for result in found.values()]


def compared_with_data(g: LinkedGenerator, folder: Path) -> list[Tensor]:
    found = QualityOf(faces(folder), yardstick("patches", None), Asked(32, edits=True, fits=True)).measure(g)
    return [torch.tensor([found["quality"].value, found["edited_quality:left"].value])]


def inverted_by_search(g: LinkedGenerator, folder: Path) -> list[Tensor]:
    found = project(g, g.sample([3]).images.cpu(), space="w+", steps=3, tune=2)[0]
    editor = Editor.of_projected(g, found)
    editor.do(Resample("left", seed=1))
    return [found.latents, editor.pasted()]


def inverted_by_an_encoder(g: LinkedGenerator, folder: Path) -> list[Tensor]:
    settings = EncoderSettings(kimg=0.016, batch=8, passes=2, width=4, link=0.5)
    training = EncoderTraining(g.generator, settings, data=faces(folder), spec=g.spec)
    for _ in range(settings.steps):
        training.advance()
    training.restore(training.state())
    editor = Editor.of_photograph(g, g.sample([3]).images.cpu(), training.encoder())
    return [editor.image()]


def saved_and_opened(g: LinkedGenerator, folder: Path) -> list[Tensor]:
    nets = {"G": g.generator, "G_ema": g.generator, "D": stylegan2()["D"]}
    save_snapshot(folder / "x.pt", **nets, training_options={}, cur_nimg=0, link_spec=g.spec.to_json())
    opened = load_snapshot(folder / "x.pt").G_ema
    return list(opened.state_dict().values())


def segmented(g: LinkedGenerator, folder: Path) -> list[Tensor]:
    torch.manual_seed(1)
    network = SmallUNet(3, width=4).eval().requires_grad_(False)
    if g.device.type != "cpu":
        moved(network)
    return [network(g.sample([0]).images)]


def faces(folder: Path) -> ImageFolderDataset:
    if not (folder / "data.zip").exists():
        random = np.random.default_rng(0)
        write_dataset(folder / "data.zip", iter(random.integers(0, 255, (32, 16, 16, 3), dtype=np.uint8)))
    return ImageFolderDataset(folder / "data.zip")


FLAT_USES = (
    sampled,
    edited,
    edited_with_directions,
    shown_on_the_page,
    measured,
    compared_with_data,
    inverted_by_search,
    inverted_by_an_encoder,
    saved_and_opened,
    segmented,
)
SOLID_USES = (edited, shown_on_the_page, measured)


@pytest.fixture(autouse=True)
def _alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random numbers must not follow the memory layout, which may differ."""
    monkeypatch.setattr(torch, "randn_like", lambda x: torch.randn(x.shape, device=x.device))
    monkeypatch.setattr(edited_quality, "fit", partial(fit, steps=3))


def assert_alike(use: Callable[[LinkedGenerator, Path], list[Tensor]], folder: Path, **made: Any) -> None:
    expected = use(generator("cpu", **made), folder)
    with Accelerator():
        found = here(use(generator("meta", **made), folder))
    assert len(found) == len(expected) >= 1
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("use", FLAT_USES, ids=lambda use: use.__name__)
def test_an_accelerator_does_what_the_cpu_does(use: Callable[..., list[Tensor]], tmp_path: Path) -> None:
    assert_alike(use, tmp_path)


@pytest.mark.parametrize("use", SOLID_USES, ids=lambda use: use.__name__)
def test_an_accelerator_renders_3d_as_the_cpu_does(use: Callable[..., list[Tensor]], tmp_path: Path) -> None:
    assert_alike(use, tmp_path, solid=True)


@pytest.mark.parametrize(
    "region",
    ["box(0,0,.5,1)", "polygon(0.6,0,1,0,1,0.4)", "eyes", "box(0,0,.5,.5)&box(.2,.2,1,1)", "box(0,0,.5,.5)+eyes"],
)
def test_regions_of_every_kind_are_where_the_images_are(region: str) -> None:
    def masks(g: LinkedGenerator) -> Tensor:
        latents, c = g.draw([0, 1]), g.labels([0, 1])
        return g.spec.region_masks(g.scene(g.rendering(latents, c), c))

    with Accelerator():
        found = masks(generator("meta", links=(f"a=0:3@{region}",)))
    assert isinstance(found, Elsewhere)
    assert torch.equal(here(found), masks(generator("cpu", links=(f"a=0:3@{region}",))))


def test_a_tensor_on_the_wrong_device_is_refused() -> None:
    with Accelerator() as accelerator:
        there = torch.ones(2, device="meta")
        with pytest.raises(RuntimeError, match="beside the accelerator's"):
            there + torch.ones(2)
        with pytest.raises(RuntimeError, match="random generator"):
            torch.randn(2, device="meta", generator=torch.Generator())
        with pytest.raises(TypeError, match="cpu"):
            there.numpy()
        assert there.sum().item() == 2.0
        assert there.tolist() == [1.0, 1.0]
        assert dict(accelerator.syncs) == {"item": 1, "copy to the CPU": 1}
