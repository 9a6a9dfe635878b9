"""Quality of edited images: by hand on a toy whose pixels are linear in the axes, every image rendered once."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.metrics import edited_quality
from linkgan_plugin.metrics.edited_quality import Asked, QualityOf, edits_of, rendered
from linkgan_plugin.metrics.evaluate import DONOR_OFFSET
from linkgan_plugin.metrics.fit import fit
from linkgan_plugin.metrics.frechet import frechet_distance
from linkgan_plugin.metrics.kernel import block_distances, kernel_distance
from linkgan_plugin.metrics.quality import FIRST_SEED
from linkgan_plugin.metrics.yardsticks import FRECHET, KERNEL, Yardstick, yardstick
from tests.toys import ToyGenerator
from training_loops.formats.folder import ImageFolderDataset, write_dataset

SIZE, DIM, IMAGES = 16, 5, 40
LINKS = ["a=0:2@box(0,0,0.5,1)", "b=2:4@box(0.5,0,1,1)"]


@pytest.fixture(autouse=True)
def short_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edited_quality, "fit", partial(fit, steps=5))


class Halves:
    """Features are the means of the image's two halves."""

    def features(self, images: Tensor) -> Tensor:
        return images[:, 0].unflatten(2, (2, SIZE // 2)).mean(dim=[1, 3])


def made(links: list[str], dim: int = DIM) -> LinkedGenerator:
    weight = 0.4 * torch.randn(SIZE * SIZE, dim, generator=torch.Generator().manual_seed(0))
    return LinkedGenerator(ToyGenerator(weight, SIZE), LinkSpec.parse(links, dim=dim))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ImageFolderDataset:
    path: Path = tmp_path_factory.mktemp("data") / "gray.zip"
    write_dataset(path, np.random.default_rng(0).integers(0, 256, (30, SIZE, SIZE, 1), dtype=np.uint8))
    return ImageFolderDataset(path)


def by_hand(generator: LinkedGenerator, axes: list[int]) -> Tensor:
    """Images of which some axes come from the donors, clamped."""
    latents = generator.draw(range(FIRST_SEED, FIRST_SEED + IMAGES)).clone()
    donors = generator.draw(range(FIRST_SEED + DONOR_OFFSET, FIRST_SEED + DONOR_OFFSET + IMAGES))
    latents[..., axes] = donors[..., axes]
    return generator.render(latents).clamp(-1, 1)


AXES = {"a": [0, 1], "b": [2, 3], "a+b": [0, 1, 2, 3], "rest": [4]}


def test_every_edit_is_measured_as_it_is_made(dataset: ImageFolderDataset) -> None:
    generator = made(LINKS)
    ruler = Yardstick("halves", Halves(), KERNEL, both=True)
    found = QualityOf(dataset, ruler, Asked(IMAGES, edits=True)).measure(generator)
    order = np.random.default_rng(0).permutation(30)
    real = Halves().features(torch.from_numpy(dataset.batch(order)[0]).float() / 127.5 - 1)
    assert set(found) == {"quality", "quality_frechet"} | {
        f"edited_quality{kind}:{name}" for name in AXES for kind in ("", "_frechet", "_difference")
    }
    for name, axes in {"": [], **AXES}.items():
        seen = Halves().features(by_hand(generator, axes))
        key, end = ("edited_quality", f":{name}") if name else ("quality", "")
        expected = kernel_distance(real, seen)
        assert found[f"{key}{end}"].value == pytest.approx(expected.value, rel=1e-4), name
        assert found[f"{key}{end}"].stderr == pytest.approx(expected.stderr, rel=1e-4), name
        if name:
            gaps = block_distances(real, seen) - block_distances(real, Halves().features(by_hand(generator, [])))
            paired = found[f"edited_quality_difference:{name}"]
            assert paired.value == pytest.approx(gaps.mean(), rel=1e-3), name
            assert paired.stderr == pytest.approx(gaps.std(ddof=1) / len(gaps) ** 0.5, rel=1e-3), name
        assert found[f"{key}_frechet{end}"].value == pytest.approx(frechet_distance(real, seen), rel=1e-4), name


def test_unedited_quality_is_what_it_is_without_edits(dataset: ImageFolderDataset) -> None:
    generator = made(LINKS)
    for ruler in (yardstick("auto", Halves()), yardstick("auto", None)):
        found, expected = (
            QualityOf(dataset, ruler, Asked(IMAGES, edits=edits)).measure(generator)["quality"]
            for edits in (True, False)
        )
        assert found.value == pytest.approx(expected.value, rel=1e-5)


def test_fit_never_shows_an_image_beside_its_own_edit(dataset: ImageFolderDataset) -> None:
    generator = made(LINKS)
    found = QualityOf(dataset, yardstick("auto", Halves()), Asked(IMAGES, fits=True)).measure(generator)
    assert set(found) == {"quality", "fit:a", "fit:b", "fit:a+b", "fit:rest"}
    assert found["fit:a"] == fit(by_hand(generator, [])[::2], by_hand(generator, [0, 1])[1::2], steps=5)


def test_nothing_is_rendered_twice_and_the_batch_changes_nothing(
    dataset: ImageFolderDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = made(LINKS)
    whole = QualityOf(dataset, yardstick("auto", Halves()), Asked(IMAGES, True, True)).measure(generator)
    counts: list[int] = []
    render = generator.render
    monkeypatch.setattr(
        generator, "render", lambda latents, labels=None: counts.append(len(latents)) or render(latents)
    )
    monkeypatch.setattr(edited_quality, "_BATCH", 6)
    parts = QualityOf(dataset, yardstick("auto", Halves()), Asked(IMAGES, True, True)).measure(generator)
    assert sum(counts) == 5 * IMAGES
    assert parts.keys() == whole.keys()
    for key, estimate in whole.items():
        assert parts[key].value == pytest.approx(estimate.value, rel=1e-4), key


def test_edits_that_are_the_same_are_named_once() -> None:
    assert list(edits_of(made(LINKS))) == ["a", "b", "a+b", "rest"]
    assert list(edits_of(made(LINKS[:1]))) == ["a", "rest"]
    assert list(edits_of(made(LINKS, dim=4))) == ["a", "b", "a+b"]
    assert [name for name, _ in rendered(made(LINKS), range(2), {})] == [""]


def test_kinds_that_cannot_be_had_are_refused() -> None:
    with pytest.raises(LinkGANError, match="'fidd'; expected one of: auto, attributes"):
        yardstick("fidd", None)
    with pytest.raises(LinkGANError, match="needs procedural data; choose another --quality-kind"):
        yardstick("attributes", None)
    assert yardstick("patches", Halves()) == yardstick("auto", None)
    assert yardstick("attributes", Halves()).first == FRECHET
