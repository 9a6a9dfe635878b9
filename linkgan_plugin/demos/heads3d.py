"""The 3D demo: mouth and nose of procedural heads, linked to boxes in the object for all cameras."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from tqdm import tqdm

from training_loops.data import heads3d
from training_loops.data.head_cameras import PITCH, RADIUS, YAW, camera_labels, sample_cameras
from training_loops.data.head_files import write_heads
from training_loops.data.head_oracle import HeadOracle
from training_loops.formats.folder import ImageFolderDataset

from ..generators import LinkedGenerator
from ..images import png
from ..images.video_writer import write_mp4
from ..labels import labels_from
from ..links import Link, LinkSpec
from ..metrics.head_classifier import (
    correlations,
    load_head_classifier,
    save_head_classifier,
    train_head_classifier,
    training_steps,
)
from ..regions.base import Scene, expression
from ..report.page import Table, paragraph, section
from ..report.sheet import stack
from ..report.turntable import ViewSettings, turntable_frames
from ..report.view_sheet import view_sheet
from . import page as demo_page
from .faces import link_options
from .kind import Kind, Size
from .measuring import measure_columns

PIXELS = 32
AXES = {"mouth": 12, "nose": 12}
# Wider than the nose, and up to the eyes: seen from the side, a long nose covers the cheek next to it.
_ROOM = 0.03
# Deep along the line of sight: the same pixels even if the generator's noses have the wrong length.
_BACK, _FRONT = -0.3, 0.4
# `log`: the regions are small (3 and 8 % of the image), and their shares of the change start near 0. A change of depth
# by 0.3 world units weighs as much as one from grey to white. Training is short, hence interval 1.
_RECIPE = {"form": "log", "weight": 1, "depth": 10, "interval": 1, "batch": 0.25}
_BATCH = 64
TITLES = {
    "linked": "linked, seen from three sides: colour, depth, |difference|",
    "unlinked": "the unlinked baseline: the same axes, no regularizer",
}


@dataclass(frozen=True)
class HeadsSize(Size):
    """`base`: thousand images of training for the network from which both networks start."""

    base: float


@dataclass(frozen=True)
class HeadsDemo(Kind):
    """Two links to boxes in the object, and the unlinked baseline.

    Both start from a generator trained without links until it renders heads from all sides: before there is a shape,
    links to parts of it only prevent it from being learned.
    """

    starts: ClassVar[Mapping[str, str]] = {"linked": "base", "unlinked": "base"}

    title: ClassVar[str] = "A 3D-aware generator with regions that can be resampled one by one"
    full: ClassVar[HeadsSize] = HeadsSize(data=8_000, kimg=20, pairs=500, quality_images=2000, base=30)
    quick: ClassVar[HeadsSize] = HeadsSize(data=1_000, kimg=1, pairs=64, quality_images=500, base=2)

    size: HeadsSize

    @property
    def data(self) -> Path:
        return self.out / "heads.zip"

    @property
    def classifier(self) -> Path:
        """The classifier of the heads' attributes."""
        return self.out / "classifier.pt"

    def settings(self) -> dict[str, Any]:
        return {"kind": "3d", **super().settings(), "base": self.size.base}

    def kimg(self, network: str) -> float:
        return self.size.base if network == "base" else self.size.kimg

    def prepare(self) -> None:
        if not self.data.exists():
            write_heads(self.data, self.size.data, PIXELS, seed=0, progress=True)
        if not self.classifier.exists():
            torch.set_num_threads(1)
            with tqdm(total=training_steps(self.data), unit="step", desc="training the classifier") as bar:
                save_head_classifier(
                    self.classifier, train_head_classifier(self.data, progress=lambda loss: bar.update())
                )

    def options(self, network: str) -> list[str]:
        links = [f"{name}={count}@{expression('box3d', _box(name))}" for name, count in AXES.items()]
        recipe = {**_RECIPE, "weight": _RECIPE["weight"] if network == "linked" else 0}
        switches = [part for name, value in recipe.items() for part in (f"--link-{name}", f"{value}")]
        # The base keeps its learning rate to the end, since training continues from it.
        return [
            "--cfg",
            "heads3d",
            *link_options(links),
            *switches,
            *(["--lr-final", "1"] if network == "base" else []),
        ]

    def measure(self) -> dict[str, Any]:
        classifier, dataset = load_head_classifier(self.classifier), ImageFolderDataset(self.data, use_labels=True)
        generators = {network: self.generator(network) for network in self.networks}
        generators["oracle"] = self._oracle(generators["linked"], dataset)
        return {
            "kind": "3d",
            **measure_columns(generators, classifier, dataset, self.size),
            "coverage": part_coverage(generators["linked"].spec, self.size.pairs),
            "classifier": correlations(classifier),
        }

    def _oracle(self, linked: LinkedGenerator, dataset: ImageFolderDataset) -> LinkedGenerator:
        """Return the renderer, with the linked network's regions linked to the attributes of their parts."""
        oracle = HeadOracle(PIXELS, int(getattr(linked.generator, "neural_rendering_resolution")))  # noqa: B009
        links = tuple(Link(link.name, oracle.axes_of(link.name), link.region) for link in linked.spec.links)
        spec = dataclasses.replace(linked.spec, links=links, dim=oracle.w_dim)
        return LinkedGenerator(oracle, spec, labels=labels_from(dataset, oracle.c_dim))

    def draw(self, metadata: Mapping[str, str]) -> None:
        look = ViewSettings(camera_labels(torch.zeros(1), torch.zeros(1)), YAW, PITCH, RADIUS - 0.4, RADIUS + 0.6)
        generators = {network: self.generator(network) for network in self.networks}
        regions = generators["linked"].spec.block_names
        small = dataclasses.replace(look, cell=96)
        sheets = [
            view_sheet(generator, range(3 if name == "linked" else 2), regions, small, title=TITLES[name])
            for name, generator in generators.items()
        ]
        png.save_png(self.out / "sheet.png", stack(sheets), dict(metadata))
        frames = turntable_frames(generators, range(3), regions, look)
        write_mp4(self.out / "turntable.mp4", frames, comment=metadata["command"])

    def sections(self, report: Mapping[str, Any]) -> Sequence[str]:
        return [
            demo_page.edits(
                self.out,
                "Turntable: the camera circles while one region after another is resampled; colour and, next to it, "
                "depth (bright = near). Both networks use the same latents.",
                sheet="Rows of each object: colour, depth, mean absolute difference of colour. Each group resamples "
                "one region with the block of another sample, seen from the left, the front and the right.",
                film="turntable.mp4",
            ),
            demo_page.region_metrics(
                report, self.columns, note="Pairs of images are rendered with cameras of the data, each with its own."
            ),
            section("Overlap of boxes and parts", _coverage_table(report["coverage"])),
            section("Accuracy of the attribute classifier", _reader_table(report)),
            demo_page.image_quality(report, self.columns),
        ]


def _box(part: str) -> tuple[float, ...]:
    """Return the box that contains a part, with room around the nose, x0, y0, z0, x1, y1, z1 in world units."""
    boxes = heads3d.part_boxes()
    x0, y0, _, x1, y1, _ = boxes[part]
    if part == "nose":
        x0, x1, y1 = x0 - _ROOM, x1 + _ROOM, boxes["eyes"][1]
    return tuple(round(edge, 6) for edge in (x0, y0, _BACK, x1, y1, _FRONT))


@torch.no_grad()
def part_coverage(spec: LinkSpec, count: int) -> dict[str, dict[str, float]]:
    """Return the overlap of the links' regions with the exact masks of the parts that they are named after.

    Returns:
        link -> `covers`, the share of the part's pixels in the region; `part`, the share of the region's pixels in the
        part; `area`, the region's share of the image. Measured on `count` rendered heads.
    """
    sums = torch.zeros(len(spec.links), 4, dtype=torch.float64)  # both, part, region, pixels
    for start in range(0, count, _BATCH):
        attributes = heads3d.sample_attributes(count, seed=1)[start : start + _BATCH]
        cameras = sample_cameras(count, seed=1)[start : start + _BATCH]
        views = heads3d.render(attributes, cameras, PIXELS)
        regions = spec.region_masks(Scene(views.images, views.depth, cameras))
        for row, link in enumerate(spec.links):
            part = views.masks[:, heads3d.PARTS.index(link.name)].double()
            region = regions[row].expand(len(part), -1, -1, -1)[:, 0].double()
            sums[row] += torch.stack([(part * region).sum(), part.sum(), region.sum(), torch.ones_like(region).sum()])
    return {link.name: _shares(row) for link, row in zip(spec.links, sums, strict=True)}


def _shares(sums: Tensor) -> dict[str, float]:
    both, part, region, pixels = sums.tolist()
    return {"covers": both / part, "part": both / region, "area": region / pixels}


def _coverage_table(coverage: Mapping[str, Mapping[str, float]]) -> str:
    rows = [[name, *(f"{found[key]:.1%}" for key in ("covers", "part", "area"))] for name, found in coverage.items()]
    table = Table(["link", "of the part in the region", "of the region in the part", "of the image"], rows).to_html()
    return table + paragraph("With the renderer's exact masks and depth, for heads and cameras like those of the data.")


def _reader_table(report: Mapping[str, Any]) -> str:
    links = list(report["linked"]["metrics"])
    read = {attribute: r for attribute, r in report["classifier"].items() if _part_of(attribute) in links}
    table = Table(
        ["attribute", "correlation with the truth"], [[name, f"{r:.3f}"] for name, r in read.items()]
    ).to_html()
    mean = sum(report["classifier"].values()) / len(report["classifier"])
    return table + paragraph(
        f"On heads that the classifier was not trained on; all {len(report['classifier'])}: {mean:.3f}."
    )


def _part_of(attribute: str) -> str:
    return next(known.part for known in heads3d.ATTRIBUTES if known.name == attribute)
