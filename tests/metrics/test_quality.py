"""Quality proxies: by hand from features and patches, on the images that they say they use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.metrics import edited_quality, quality
from linkgan_plugin.metrics.edited_quality import Asked, QualityOf
from linkgan_plugin.metrics.estimate import Estimate
from linkgan_plugin.metrics.frechet import gaussian_distance
from linkgan_plugin.metrics.quality import FIRST_SEED
from linkgan_plugin.metrics.swd import sliced_wasserstein
from linkgan_plugin.metrics.yardsticks import yardstick
from tests.toys import ToyGenerator
from training_loops.formats.folder import ImageFolderDataset, write_dataset

SIZE, DIM, REAL = 16, 4, 20


class Corners:
    """Features are the means of two quarters of the image; notes how many images it is shown at a time."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def features(self, images: Tensor) -> Tensor:
        self.batches.append(len(images))
        return torch.stack([images[:, 0, :8, :8].mean(dim=[1, 2]), images[:, 0, 8:, 8:].mean(dim=[1, 2])], dim=1)


@pytest.fixture
def generator() -> LinkedGenerator:
    weight = torch.randn(SIZE * SIZE, DIM, generator=torch.Generator().manual_seed(0))
    return LinkedGenerator(ToyGenerator(weight, SIZE), LinkSpec.parse(["a=0:2@box(0,0,0.5,1)"], dim=DIM))


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (REAL, SIZE, SIZE, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def dataset(pixels: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> ImageFolderDataset:
    path: Path = tmp_path_factory.mktemp("data") / "gray.zip"
    write_dataset(path, pixels)
    return ImageFolderDataset(path)


def by_hand(pixels: np.ndarray, fakes: Tensor) -> float:
    """Frechet distance of the two quarters' means, in float64."""
    real = pixels[..., 0].astype(np.float64) / 127.5 - 1
    fake = fakes[:, 0].double().clamp(-1, 1).numpy()
    sets = [np.stack([x[:, :8, :8].mean((1, 2)), x[:, 8:, 8:].mean((1, 2))], 1) for x in (real, fake)]
    (mean1, cov1), (mean2, cov2) = ((x.mean(0), np.cov(x, rowvar=False)) for x in sets)
    return gaussian_distance(mean1, cov1, mean2, cov2)


def measured(
    generator: LinkedGenerator, dataset: ImageFolderDataset, classifier: Corners | None, images: int = REAL
) -> Estimate:
    return QualityOf(dataset, yardstick("auto", classifier), Asked(images)).measure(generator)["quality"]


def test_a_readers_distance_is_that_of_its_features_on_clamped_images(
    generator: LinkedGenerator, dataset: ImageFolderDataset, pixels: np.ndarray
) -> None:
    found = measured(generator, dataset, Corners())
    fakes = generator.sample(range(FIRST_SEED, FIRST_SEED + REAL)).images
    assert fakes.abs().max() > 1, "else nothing is clamped"
    assert found == Estimate(pytest.approx(by_hand(pixels, fakes), rel=1e-5), None, REAL)


def test_the_batch_changes_nothing(
    generator: LinkedGenerator, dataset: ImageFolderDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = measured(generator, dataset, Corners()), measured(generator, dataset, None)
    monkeypatch.setattr(quality, "_BATCH", 3)
    monkeypatch.setattr(edited_quality, "_BATCH", 3)
    classifier = Corners()
    parts = measured(generator, dataset, classifier), measured(generator, dataset, None)
    assert max(classifier.batches) < 6
    assert sum(classifier.batches) == 2 * REAL
    for found, expected in zip(parts, whole, strict=True):
        assert found == Estimate(pytest.approx(expected.value, rel=1e-5), None, REAL)


def test_the_number_of_images_decides_the_value(generator: LinkedGenerator, dataset: ImageFolderDataset) -> None:
    few, more = (measured(generator, dataset, Corners(), images=count) for count in (10, REAL))
    assert (few.n, more.n) == (10, REAL)
    assert few.value != pytest.approx(more.value, rel=1e-3)


def test_patches_are_compared_between_equal_counts(
    generator: LinkedGenerator, dataset: ImageFolderDataset, pixels: np.ndarray
) -> None:
    found = measured(generator, dataset, None, images=1000)
    order = np.random.default_rng(0).permutation(REAL)
    real = torch.from_numpy(pixels[order]).permute(0, 3, 1, 2).float() / 127.5 - 1
    fake = generator.sample(range(FIRST_SEED, FIRST_SEED + REAL)).images.clamp(-1, 1)
    expected = sum(levels := sliced_wasserstein(real, fake)) / len(levels)
    assert found == Estimate(pytest.approx(expected, rel=1e-6), None, REAL)


def test_data_with_a_reader_is_measured_by_it_and_other_data_by_patches() -> None:
    assert yardstick("auto", Corners()).text == "Frechet distance of the attribute classifier's features (not FID)"
    assert yardstick("auto", None).text == "sliced Wasserstein distance of Laplacian pyramid patches (not FID)"


def test_a_distribution_is_at_no_distance_from_itself(generator: LinkedGenerator, tmp_path: Path) -> None:
    """The data are the generator's own images: what is left is their rounding to 8 bits."""
    fakes = generator.sample(range(FIRST_SEED, FIRST_SEED + 12)).images.clamp(-1, 1)
    write_dataset(tmp_path / "own.zip", ((fakes + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy())
    own = ImageFolderDataset(tmp_path / "own.zip")
    assert measured(generator, own, Corners(), images=12).value < 1e-5


def test_a_broken_network_is_an_error_and_not_a_number(dataset: ImageFolderDataset) -> None:
    weight = torch.full((SIZE * SIZE, DIM), torch.nan)
    broken = LinkedGenerator(ToyGenerator(weight, SIZE), LinkSpec.parse(["a=0:2@box(0,0,0.5,1)"], dim=DIM))
    with pytest.raises(LinkGANError, match="features are not finite: the images or the network are broken"):
        measured(broken, dataset, Corners(), images=8)
    with pytest.raises(LinkGANError, match="images are not finite: the data or the network are broken"):
        measured(broken, dataset, None, images=8)
