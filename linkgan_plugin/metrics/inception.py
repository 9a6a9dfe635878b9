"""Inception features for FID and KID from torch-fidelity, if it is installed; downloads nothing."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training_loops.formats.pixels import to_uint8

from ..errors import LinkGANError

WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
_DIGEST = "6726825d"  # first digits of the file's SHA-256, which are in its name
_LAYER = "2048"
_BATCH = 32


class InceptionFeatures:
    """Features of torch-fidelity's Inception network, which also resizes and normalises.

    Args:
        network: torch-fidelity's feature extractor for the layer "2048".
        device: device to run it on.
    """

    def __init__(self, network: Any, device: torch.device | str) -> None:
        self._network, self._device = network.to(device), device

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Images [N, 1 or 3, H, W] in [-1, 1], converted to 8 bits -> features [N, 2048]."""
        pixels = to_uint8(images.float()).expand(-1, 3, -1, -1)
        return torch.cat([self._network(part.to(self._device))[0] for part in pixels.split(_BATCH)])


def load_inception(device: torch.device | str = "cpu") -> InceptionFeatures:
    """Return the network. Raises LinkGANError if torch-fidelity or its weights file is missing or damaged."""
    try:
        module = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    except ImportError as error:
        raise LinkGANError("FID and KID need torch-fidelity; pip install torch-fidelity") from error
    path = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS
    if not path.is_file():
        raise LinkGANError(f"FID and KID need the weights {path}; download them from torch-fidelity's releases")
    # torch-fidelity unpickles the file, so accept only the known one.
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256") if hasattr(hashlib, "file_digest") else hashlib.sha256(file.read())
    if not digest.hexdigest().startswith(_DIGEST):
        raise LinkGANError(f"{path} is damaged or another file; remove it and download it again")
    network = module.FeatureExtractorInceptionV3("inception", [_LAYER], feature_extractor_weights_path=str(path))
    return InceptionFeatures(network, device)
