"""Weights from elsewhere: what fits becomes a network of ours, what does not is named."""

from __future__ import annotations

import struct

import pytest
import safetensors.torch
import torch

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.segmentation.architectures.bisenet import BiSeNet
from linkgan_plugin.segmentation.architectures.dilated import fcn
from linkgan_plugin.segmentation.export import export_weights, read_weights
from linkgan_plugin.segmentation.files import open_segmenter
from linkgan_plugin.segmentation.segmenter import Card
from tests.segmentation.architectures.formula import fill
from tests.segmentation.networks import script

NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def network():
    return fill(BiSeNet(3).eval())


@pytest.mark.parametrize("wrapped", ["plain", "state_dict", "parallel", "no counters", "half", "safetensors"])
def test_weights_in_every_wrapping_become_the_same_network(tmp_path, network, wrapped):
    state = network.state_dict()
    source = tmp_path / ("w.safetensors" if wrapped == "safetensors" else "w.pth")
    if wrapped == "safetensors":
        safetensors.torch.save_file(state, source)
    elif wrapped == "state_dict":
        torch.save({"state_dict": state, "epoch": 3}, source)
    elif wrapped == "parallel":
        torch.save({f"module.{name}": tensor for name, tensor in state.items()}, source)
    elif wrapped == "no counters":
        torch.save({name: tensor for name, tensor in state.items() if "num_batches" not in name}, source)
    else:
        torch.save(
            {
                name: tensor.half() if wrapped == "half" and tensor.is_floating_point() else tensor
                for name, tensor in state.items()
            },
            source,
        )
    target = tmp_path / "out.safetensors"
    export_weights(source, target, "bisenet_resnet18", Card(NAMES, ""))
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        wanted = network(images)
    tolerance = 0.05 if wrapped == "half" else 0
    assert torch.allclose(open_segmenter(target).scores(images), wanted, rtol=tolerance, atol=tolerance)


def test_the_auxiliary_classifier_is_left_out(tmp_path):
    state = fcn(50, 3).state_dict() | {"aux_classifier.0.weight": torch.zeros(256, 1024, 3, 3)}
    torch.save(state, tmp_path / "w.pth")
    export_weights(tmp_path / "w.pth", tmp_path / "out.safetensors", "fcn_resnet50", Card(NAMES, ""))
    assert open_segmenter(tmp_path / "out.safetensors").card.classes == NAMES


def test_misfits_are_named(tmp_path, network):
    state = network.state_dict()
    state["extra.weight"] = state.pop("cp.resnet.conv1.weight")
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(LinkGANError) as caught:
        export_weights(tmp_path / "w.pth", tmp_path / "o.safetensors", "bisenet_resnet18", Card((*NAMES, "d"), ""))
    text = str(caught.value)
    assert "cp.resnet.conv1.weight float32 [64, 3, 7, 7] is missing" in text
    assert "extra.weight float32 [64, 3, 7, 7] is unexpected" in text
    assert "conv_out.conv_out.weight is float32 [3, 256, 1, 1], expected float32 [4, 256, 1, 1]" in text
    assert not (tmp_path / "o.safetensors").exists()


class Bomb:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def test_what_holds_more_than_tensors_is_refused_and_runs_nothing(tmp_path):
    torch.save({"a": Bomb(tmp_path / "made")}, tmp_path / "bomb.pth")
    with pytest.raises(LinkGANError, match="contains no readable state dict"):
        read_weights(tmp_path / "bomb.pth")
    torch.save({"a": 3}, tmp_path / "number.pth")
    with pytest.raises(LinkGANError, match="contains no state dict; expected tensors by name"):
        read_weights(tmp_path / "number.pth")
    with pytest.raises(LinkGANError, match=r"is a TorchScript or torch.export program; expected its weights"):
        read_weights(script(tmp_path / "a.pt"))
    assert not (tmp_path / "made").exists()


def test_a_damaged_zip_is_refused_in_a_line(tmp_path):
    path = tmp_path / "weights.pth"
    end = b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 1, 1, 46, 0, 0)
    path.write_bytes(bytes(46) + end)
    with pytest.raises(LinkGANError, match=r"weights\.pth: not a readable zip"):
        read_weights(path)
