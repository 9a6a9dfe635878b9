"""Draws the figures of metrics.md and regions.md from procedural faces: ``python docs/figures.py``, a few seconds."""

from __future__ import annotations

import tempfile
from pathlib import Path

import matplotlib
import torch
from click.testing import CliRunner
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle
from PIL import Image
from torch import Tensor

from linkgan_plugin import registry
from linkgan_plugin.cli import main
from linkgan_plugin.metrics.base import PairBatch
from training_loops.data import faces

HERE = Path(__file__).parent
SIZE = 64
SHOWN = (3, 11)  # the face that is edited, and its donor
KEYS = ("effect_in", "leak_out", "locality", "leak_in", "effect_out")
TITLES = ("image", "donor", "eyes of the donor", "change", "all but the eyes\nof the donor", "change")
# Of all change where there should be none, the share that happens nevertheless; and how much the eyes change.
ROWS = (
    ("A good link: the eyes, and nothing else", 0.0, 1.0),
    ("A link that leaks", 0.45, 1.0),
    ("A frozen region: locality looks fine, effect_in does not", 0.0, 0.12),
)


def swapped(attributes: Tensor, donor: Tensor, columns: list[int]) -> Tensor:
    """Return attributes [N, A] with some columns of the donor's."""
    out = attributes.clone()
    out[:, columns] = donor[:, columns]
    return out


def pairs(leak: float, effect: float, count: int = 64) -> PairBatch:
    """Return pairs as a generator would give them whose link to the eyes leaks, or hardly moves them."""
    attributes = faces.sample_attributes(2 * count, seed=5)
    first, donor = attributes[:count], attributes[count:]
    first[0], donor[0] = (faces.sample_attributes(16, seed=2)[index] for index in SHOWN)
    own = list(faces.part_axes("eyes"))
    rest = [column for column in range(attributes.shape[1]) if column not in own]
    image, other, eyes, others = (
        faces.render(rows, SIZE)[0] for rows in (first, donor, swapped(first, donor, own), swapped(first, donor, rest))
    )
    x0, y0, x1, y1 = (round(SIZE * side) for side in faces.EYES_BOX)
    mask = torch.zeros(1, 1, SIZE, SIZE)
    mask[..., y0:y1, x0:x1] = 1
    linked = image + effect * (eyes - image) + leak * (1 - mask) * (other - image)
    others = others + leak * mask * (other - image) + (1 - effect) * mask * (eyes - image)
    return PairBatch(image, other, linked, others, mask.expand(count, -1, -1, -1))


def figures_of(batch: PairBatch) -> str:
    """Return the metrics of pairs in a line."""
    shown = []
    for key in KEYS:
        metric = registry.load("metrics", key)()
        metric.update(batch)
        shown.append(f"{key} {metric.result().value:.3f}")
    return "     ".join(shown)


def draw_metrics(path: Path) -> None:
    """Draw what an edit and its opposite change, with a good link and with two bad ones."""
    figure = plt.figure(figsize=(8.4, 6.2), dpi=110, layout="constrained")
    for part, (title, leak, effect) in zip(figure.subfigures(len(ROWS), 1), ROWS, strict=True):
        batch = pairs(leak, effect)
        part.suptitle(title, fontsize=10, fontweight="bold", x=0.01, ha="left")
        part.supxlabel(figures_of(batch), fontsize=8.5, family="monospace")
        images = [batch.original, batch.donor, batch.linked, None, batch.others, None]
        for column, (axis, image) in enumerate(zip(part.subplots(1, len(images)), images, strict=True)):
            axis.set_title(TITLES[column], fontsize=8)
            axis.set_axis_off()
            if image is not None:
                axis.imshow((image[0].permute(1, 2, 0).numpy() * 0.5 + 0.5).clip(0, 1))
                continue
            edited = images[column - 1]
            assert edited is not None
            axis.imshow((edited[0] - batch.original[0]).abs().mean(dim=0), cmap="inferno", vmin=0, vmax=0.8)
            x0, y0, x1, y1 = (SIZE * side for side in faces.EYES_BOX)
            axis.add_patch(Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False, color="white", lw=0.8))
    figure.savefig(path)
    plt.close(figure)


def draw_ownership(path: Path) -> None:
    """Draw two edits with the same locality, of which only one brings the donor's eyes."""
    rows = faces.sample_attributes(16, seed=2)
    image, donor, stranger = (rows[index : index + 1] for index in (*SHOWN, 7))
    own = list(faces.part_axes("eyes"))
    titles = ("image", "donor", "transfer near 1:\nthe donor's eyes", "transfer near 0:\nanybody's eyes")
    shown = [image, donor, swapped(image, donor, own), swapped(image, stranger, own)]
    figure, axes = plt.subplots(1, 4, figsize=(7, 2.3), dpi=110, layout="constrained")
    for axis, title, attributes in zip(axes, titles, shown, strict=True):
        axis.set_title(title, fontsize=8)
        axis.set_axis_off()
        axis.imshow(faces.render(attributes, SIZE)[0][0].permute(1, 2, 0).numpy() * 0.5 + 0.5)
    figure.savefig(path)
    plt.close(figure)


def draw_regions(path: Path) -> None:
    """Write what `linkgan regions preview` draws for a box, a polygon and a preset."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "faces.zip")
        links = ("eyes=16@box(0.25,0.31,0.75,0.59)", "mouth=8@mouth", "collar=8@polygon(0.1,1,0.3,0.88,0.7,0.88,0.9,1)")
        for words in (
            ["data", "faces", "--n", "8", "--size", "64", "--out", data],
            ["regions", "preview", "--data", data, "--dim", "64", "--grid", "--out", path, "--force"]
            + [word for link in links for word in ("--link", link)],
        ):
            result = CliRunner().invoke(main, [str(word) for word in words])
            assert result.exit_code == 0, result.output


if __name__ == "__main__":
    matplotlib.use("agg")
    draw_metrics(HERE / "metrics.png")
    draw_ownership(HERE / "ownership.png")
    draw_regions(HERE / "regions.png")
    for name in ("metrics", "ownership", "regions"):
        with Image.open(HERE / f"{name}.png") as image:
            small = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        small.save(HERE / f"{name}.png", optimize=True)
