"""FID and KID through torch-fidelity: missing parts are named, nothing is downloaded, only the known file is opened."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.metrics import inception

MODULE = "torch_fidelity.feature_extractor_inceptionv3"


class Extractor(nn.Module):
    """Stands for torch-fidelity's: its feature is the mean of the 8-bit image."""

    def __init__(self, name: str, features_list: list[str], feature_extractor_weights_path: str) -> None:
        super().__init__()
        assert features_list == ["2048"]
        self.path = feature_extractor_weights_path

    def forward(self, images: Tensor) -> tuple[Tensor]:
        assert (images.dtype, images.shape[1]) == (torch.uint8, 3)
        return (images.float().mean(dim=[2, 3]),)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    module = ModuleType(MODULE)
    module.FeatureExtractorInceptionV3 = Extractor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch_fidelity", ModuleType("torch_fidelity"))
    monkeypatch.setitem(sys.modules, MODULE, module)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints" / inception.WEIGHTS


def test_images_come_as_rgb_of_8_bits(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights.write_bytes(b"weights")
    monkeypatch.setattr(inception, "_DIGEST", hashlib.sha256(b"weights").hexdigest()[:8])
    network = inception.load_inception()
    images = torch.stack([torch.full((1, 4, 4), value) for value in (-1.0, 0.2, 1.5)])
    assert network.features(images)[:, 0].tolist() == [0, 153, 255]
    assert network.features(images).shape == (3, 3)


def test_missing_or_other_weights_are_one_line(weights: Path) -> None:
    with pytest.raises(LinkGANError, match=f"need the weights .*{inception.WEIGHTS}"):
        inception.load_inception()
    weights.write_bytes(b"anything")
    with pytest.raises(LinkGANError, match="is damaged or another file"):
        inception.load_inception()


def test_without_torch_fidelity_the_error_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, MODULE, None)
    with pytest.raises(LinkGANError, match="pip install torch-fidelity"):
        inception.load_inception()
