"""Opening a network file: the generator in it, its link spec and what it was trained with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training_loops.snapshots import load_snapshot

from .errors import LinkGANError
from .generators import SPEC_ATTRIBUTE
from .links import LinkSpec


@dataclass(frozen=True)
class Network:
    """A generator ready for use (eval mode, no gradients) and what is known about it.

    Attributes:
        generator: the moving average G_ema. spec: its links, None where it carries none.
        training_options: the options it was trained with, plain data. path: the file.
    """

    generator: nn.Module
    spec: LinkSpec | None
    training_options: dict[str, Any]
    path: Path

    def linked(self, links: Sequence[str] = (), *, space: str = "w", allow_overlap: bool = False) -> LinkSpec:
        """Return the spec to use: `links` where given, else the network's own.

        Raises:
            LinkGANError: neither is there, or `links` do not fit the network.
        """
        if links:
            dim = int(getattr(self.generator, f"{space}_dim"))
            return LinkSpec.parse(links, dim=dim, space=space, allow_overlap=allow_overlap)
        if self.spec is None:
            raise LinkGANError(f"{self.path} carries no link spec; give one with --link NAME=AXES@REGION")
        return self.spec

    @property
    def data_path(self) -> Path | None:
        """The data set it was trained on, where that still exists on this machine."""
        path = self.training_options.get("training_set_kwargs", {}).get("path")
        return Path(path) if path and Path(path).exists() else None


def load_network(path: Path | str, device: torch.device | str = "cpu") -> Network:
    """Open a snapshot of the embedded host; nothing in the file is executed.

    Raises:
        SnapshotError: no such file, or not a whole snapshot.
        LinkGANError: the spec in it is malformed.
    """
    snapshot = load_snapshot(path, device)
    data = getattr(snapshot.G_ema, SPEC_ATTRIBUTE, None)
    spec = LinkSpec.from_json(data) if data is not None else None
    return Network(snapshot.G_ema, spec, snapshot.training_options, Path(path))
