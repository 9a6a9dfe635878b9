"""Architectures against the outputs of the public implementations on weights by formula.

published.npz was computed by torchvision 0.29 and by face-parsing.PyTorch's model.py, with `formula.fill` on their
networks (5 classes, 19 for BiSeNet) and `formula.wave` as images: name -> logits at every fourth pixel.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from linkgan_plugin.segmentation.architectures import ARCHITECTURES
from tests.segmentation.architectures.formula import fill, wave

GOLDEN = np.load(Path(__file__).with_name("published.npz"))


@pytest.mark.parametrize("name", GOLDEN.files)
def test_a_network_computes_what_the_public_one_does(name):
    wanted = torch.from_numpy(GOLDEN[name])
    network = fill(ARCHITECTURES[name].make(classes=wanted.shape[1]).eval())
    with torch.no_grad():
        found = network(wave(torch.Size([1, 3, 48, 64]), 1))
    assert found.shape[2:] == (48, 64)
    found = found[:, :, ::4, ::4]
    assert wanted.std() > 1e-3
    assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-4 * float(wanted.abs().max()))


def test_every_published_architecture_is_compared():
    assert set(GOLDEN.files) == ARCHITECTURES.keys() - {"small_unet"}
