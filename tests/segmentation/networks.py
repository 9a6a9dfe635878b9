"""Segmentation networks whose right answers are known: a pixel is light where its mean over channels is above 0."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from linkgan_plugin.segmentation import named
from linkgan_plugin.segmentation.programs import CARD
from linkgan_plugin.segmentation.segmenter import Card

CLASSES = ("dark", "light")


class Light(nn.Module):
    """Scores of dark and light; at half the size with `halve`."""

    def __init__(self, halve: bool = False) -> None:
        super().__init__()
        self.halve = halve

    def forward(self, images: Tensor) -> Tensor:
        light = images.mean(dim=1, keepdim=True)
        if self.halve:
            light = torch.nn.functional.avg_pool2d(light, 2)
        return torch.cat([-light, light], dim=1)


def script(path: Path, network: nn.Module | None = None, trusted: bool = True, **card: Any) -> Path:
    """Write a network as TorchScript, with a card where any of its fields is given, and trust it."""
    text = Card(sha256="", **{"classes": (), **card}).to_json()
    extra = {CARD: text} if card else {}
    torch.jit.save(torch.jit.script((network or Light()).eval()), str(path), _extra_files=extra)
    if trusted:
        named.trust(path)
    return path


def exported(path: Path, network: nn.Module | None = None, trusted: bool = True, **card: Any) -> Path:
    """Write a network by torch.export, for any number of images of 8 x 8 pixels, and trust it."""
    text = Card(sha256="", **{"classes": (), **card}).to_json()
    sizes = ({0: torch.export.Dim("count")},)
    program = torch.export.export((network or Light()).eval(), (torch.zeros(2, 3, 8, 8),), dynamic_shapes=sizes)
    torch.export.save(program, str(path), extra_files={CARD: text} if card else {})
    if trusted:
        named.trust(path)
    return path
