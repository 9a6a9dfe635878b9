"""The faces demo: procedural faces with links to boxes around eyes and mouth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from training_loops.data import faces
from training_loops.data.face_files import write_faces
from training_loops.data.face_oracle import FaceOracle
from training_loops.formats.folder import ImageFolderDataset

from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..links import LinkSpec
from ..metrics.attributes import ProceduralClassifier, classifier_for
from . import page as demo_page
from .drawing import draw_edits
from .kind import Kind, Size
from .measuring import measure_columns

PIXELS = 32
TITLES = {
    "linked": "linked",
    "unlinked": "the unlinked baseline: the same axes, no regularizer",
}


@dataclass(frozen=True)
class FacesDemo(Kind):
    """Two links to fixed boxes, and the unlinked baseline."""

    title: ClassVar[str] = "A generator with regions that can be resampled one by one"
    full: ClassVar[Size] = Size(data=12_000, kimg=84, pairs=1000, quality_images=5000)
    quick: ClassVar[Size] = Size(data=2_000, kimg=6, pairs=200, quality_images=1000)

    @property
    def data(self) -> Path:
        return self.out / "faces.zip"

    def prepare(self) -> None:
        paint_faces(self.data, self.size.data)

    def options(self, network: str) -> list[str]:
        return [*link_options(faces.DEMO_LINKS), *([] if network == "linked" else ["--link-weight", "0"])]

    def measure(self) -> dict[str, Any]:
        classifier, dataset = face_classifier(self.data), ImageFolderDataset(self.data)
        generators = {network: self.generator(network) for network in self.networks}
        generators["oracle"] = LinkedGenerator(oracle := FaceOracle(PIXELS), oracle_spec(oracle))
        return measure_columns(generators, classifier, dataset, self.size)

    def draw(self, metadata: Mapping[str, str]) -> None:
        draw_edits(self.out, {name: self.generator(name) for name in self.networks}, TITLES, metadata)

    def sections(self, report: Mapping[str, Any]) -> Sequence[str]:
        return [
            demo_page.edits(self.out, "The same edits as a video; both networks use the same latents."),
            demo_page.region_metrics(report, self.columns),
            demo_page.image_quality(report, self.columns),
        ]


def paint_faces(path: Path, count: int) -> None:
    """Render the training faces if they do not exist; they are the same in every demo."""
    if not path.exists():
        write_faces(path, count, PIXELS, seed=0, progress=True)


def link_options(links: Sequence[str]) -> list[str]:
    """Return the options of `linkgan train` that make `links`."""
    return [part for text in links for part in ("--link", text)]


def face_classifier(data: Path) -> ProceduralClassifier:
    """Return the classifier of the faces in `data`; LinkGANError if it has no procedural faces."""
    classifier = classifier_for(data)
    if classifier is None:
        raise LinkGANError(f"{data} is not a set of procedural faces")
    return classifier


def oracle_spec(oracle: FaceOracle) -> LinkSpec:
    """Return the spec of the renderer: the demo's regions, linked to the attributes that are rendered there."""
    texts = []
    for text in faces.DEMO_LINKS:
        name, region = text.split("=")[0], text.split("@")[1]
        axes = ",".join(f"{axis}:{axis + 1}" for axis in oracle.axes_of(name))
        texts.append(f"{name}={axes}@{region}")
    return LinkSpec.parse(texts, dim=oracle.w_dim)
