"""The semantic demo: hair and background of procedural faces, linked by class instead of by box."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from tqdm import tqdm

from training_loops.data.face_files import write_faces
from training_loops.data.face_oracle import FaceOracle
from training_loops.formats.folder import ImageFolderDataset

from ..generators import LinkedGenerator
from ..links import Link, LinkSpec
from ..metrics.evaluate import evaluate
from ..metrics.painted import agreement, by_painting, painted_overlaps
from ..metrics.record import record
from ..regions.base import expression
from ..report.page import Table, paragraph, section
from ..segmentation import named, training
from ..segmentation.files import open_segmenter
from . import page as demo_page
from .boxes import best_boxes
from .drawing import draw_edits
from .faces import PIXELS, face_classifier, link_options, paint_faces
from .kind import Kind, Size
from .measuring import quality_of

# Class -> axes, four for each attribute that the class has in these faces: lightness, warmth and length of the hair,
# lightness and warmth of the sky. The 13 other attributes have the other 44 of the 64 axes.
AXES = {"hair": 12, "background": 8}
TITLES = {
    "linked": "linked to classes: the regions differ between images",
    "box": "linked to fixed boxes of the classes' mean areas",
    "unlinked": "the unlinked baseline: the same axes, no regularizer",
}


@dataclass(frozen=True)
class SemanticSize(Size):
    """`labelled`: faces with label maps for training the segmenter, in `steps` steps."""

    labelled: int
    steps: int


@dataclass(frozen=True)
class SemanticDemo(Kind):
    """Two links to classes, the same links to fixed boxes, and the unlinked baseline."""

    networks: ClassVar[tuple[str, ...]] = ("linked", "box", "unlinked")
    columns: ClassVar[Mapping[str, str]] = {
        "linked": "linked to classes",
        "box": "linked to boxes",
        "unlinked": "unlinked baseline",
        "oracle": "the renderer itself",
    }
    title: ClassVar[str] = "Regions that differ between images: links to classes"
    full: ClassVar[SemanticSize] = SemanticSize(
        data=12_000, kimg=84, pairs=1000, quality_images=5000, labelled=2000, steps=1500
    )
    quick: ClassVar[SemanticSize] = SemanticSize(
        data=2_000, kimg=6, pairs=200, quality_images=1000, labelled=400, steps=200
    )

    size: SemanticSize

    @property
    def data(self) -> Path:
        return self.out / "faces.zip"

    @property
    def segmenter(self) -> Path:
        """The segmentation network that the links name."""
        return self.out / "parts.safetensors"

    def settings(self) -> dict[str, Any]:
        return {"kind": "semantic", **super().settings(), "labelled": self.size.labelled, "steps": self.size.steps}

    def prepare(self) -> None:
        paint_faces(self.data, self.size.data)
        if not (self.out / "labelled.zip").exists():
            (self.out / "masks.zip").unlink(missing_ok=True)  # it is written first: alone, it is from a stopped call
            # Other faces than those the generators are trained on.
            write_faces(
                self.out / "labelled.zip", self.size.labelled, PIXELS, 1, masks=self.out / "masks.zip", progress=True
            )
        if not self.segmenter.exists():
            self._train_segmenter()
        named.name(str(self.segmenter), self.segmenter)

    def _labelled(self) -> training.LabelledImages:
        return training.read_labelled(self.out / "labelled.zip", self.out / "masks.zip")

    def _train_segmenter(self) -> None:
        labelled = self._labelled()
        torch.set_num_threads(1)
        with tqdm(total=self.size.steps, unit="step", desc="training the segmenter") as bar:
            network = training.train(labelled, steps=self.size.steps, progress=lambda loss: bar.update())
        training.save_segmenter(self.segmenter, network, labelled.classes)

    def boxes(self) -> dict[str, tuple[float, float, float, float]]:
        """Return class -> the fixed box that replaces it, from the label maps."""
        labelled = self._labelled()
        means = [np.mean(labelled.labels == labelled.classes.index(name), axis=0) for name in AXES]
        return dict(zip(AXES, best_boxes(np.stack(means)), strict=True))

    def links(self, network: str) -> list[str]:
        """Return the links of a network; the unlinked baseline has those of the linked one."""
        if network == "box":
            regions = {name: expression("box", box) for name, box in self.boxes().items()}
        else:
            regions = {name: expression("semantic", [str(self.segmenter), name]) for name in AXES}
        return [f"{name}={count}@{regions[name]}" for name, count in AXES.items()]

    def options(self, network: str) -> list[str]:
        return [*link_options(self.links(network)), *(["--link-weight", "0"] if network == "unlinked" else [])]

    def generators(self) -> dict[str, LinkedGenerator]:
        """Return column -> its generator, with the linked network's regions and the axes of its own links."""
        regions = LinkSpec.parse(self.links("linked"), dim=self.network("linked").linked().dim)
        oracle = FaceOracle(PIXELS)
        found = {name: LinkedGenerator(self.network(name).generator, regions) for name in self.networks}
        return found | {"oracle": LinkedGenerator(oracle, _oracle_spec(oracle, regions))}

    def measure(self) -> dict[str, Any]:
        classifier, dataset = face_classifier(self.data), ImageFolderDataset(self.data)
        segmenter, generators = open_segmenter(str(self.segmenter)), self.generators()
        passes = {name: [generator] for name, generator in generators.items()}
        passes["box"].append(self.generator("box"))
        quality = quality_of(dataset, classifier, self.size)
        results: dict[str, Any] = {"kind": "semantic", "quality_kind": quality.yardstick.text}
        total = self.size.pairs * sum(1 + len(every) for every in passes.values())
        with tqdm(total=total, unit="pair", desc="measuring") as bar:

            def measured(generator: LinkedGenerator) -> dict[str, Any]:
                return evaluate(generator, pairs=self.size.pairs, classifier=classifier, progress=bar.update)

            for name, (generator, *boxed) in passes.items():
                exact = LinkedGenerator(generator.generator, by_painting(generator.spec, classifier))
                results[name] = record(measured(exact), quality.measure(generator)["quality"].value)
                results[name]["by_segmenter"] = record(measured(generator))
                for other in boxed:
                    results[name]["by_own_boxes"] = record(measured(other))
                results[name]["agreement"] = agreement(generator, segmenter, classifier, self.size.pairs)
        labelled = self._labelled()
        found = training.overlaps(segmenter.scores, labelled)
        return {
            **results,
            "box_quality_ratio": results["box"]["quality"] / results["unlinked"]["quality"],
            "boxes": {name: list(box) for name, box in self.boxes().items()},
            "painted_on_real_faces": painted_overlaps(dataset, classifier, self.size.pairs),
            "segmenter_on_real_faces": dict(zip(labelled.classes, found, strict=True)),
        }

    def draw(self, metadata: Mapping[str, str]) -> None:
        draw_edits(self.out, {network: self.generator(network) for network in self.networks}, TITLES, metadata)

    def sections(self, report: Mapping[str, Any]) -> Sequence[str]:
        by_segmenter = {name: report[name]["by_segmenter"] for name in self.columns}
        own_boxes = {"box": report["box"]["by_own_boxes"]}
        return [
            demo_page.edits(
                self.out,
                "The same edits as a video; all networks use the same latents. Outlines on the sheet are the regions "
                "that the network was linked to: classes differ between faces, boxes do not.",
            ),
            demo_page.region_metrics(
                report,
                self.columns,
                title="Region metrics against exact masks",
                note="The masks are not the segmenter's: an independent network predicts the attributes of a generated "
                "face, and the renderer paints the masks of these attributes.",
            ),
            section("Accuracy of the masks", _mask_table(report, self.networks)),
            demo_page.region_metrics(by_segmenter, self.columns, title="Region metrics against the segmenter's masks"),
            demo_page.region_metrics(own_boxes, {"box": "linked to boxes"}, title="Region metrics against the boxes"),
            demo_page.image_quality(report, self.columns),
        ]


def _oracle_spec(oracle: FaceOracle, regions: LinkSpec) -> LinkSpec:
    """Return the spec of the renderer: the same regions, linked to the attributes that are rendered there."""
    links = tuple(Link(link.name, oracle.axes_of(link.name), link.region) for link in regions.links)
    return dataclasses.replace(regions, links=links, dim=oracle.w_dim)


def _mask_table(report: Mapping[str, Any], networks: Sequence[str]) -> str:
    rows = [
        ["painted masks, on real faces", *_shares(report["painted_on_real_faces"])],
        ["the segmenter, on real faces", *_shares(report["segmenter_on_real_faces"])],
        *(
            [f"painted masks and segmenter, on faces of: {network}", *_shares(report[network]["agreement"])]
            for network in networks
        ),
    ]
    table = Table(["intersection over union", *AXES], rows).to_html()
    return table + paragraph("Against exact masks on real faces, and against each other on generated faces.")


def _shares(overlaps: Mapping[str, float | None]) -> list[str]:
    return [f"{overlaps[name]:.3f}" if overlaps[name] is not None else "n/a" for name in AXES]
