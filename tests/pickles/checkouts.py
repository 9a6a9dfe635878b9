"""A host's checkout in a few lines, with networks that pickle themselves together with their source."""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from linkgan_plugin.pickles.checkout import importing

PERSISTENCE = """
import inspect, sys


def _reconstruct_persistent_obj(meta):
    raise AssertionError("nothing may call this")


def persistent_class(cls):
    class Persistent(cls):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self._init_args, self._init_kwargs = args, kwargs

        def __reduce__(self):
            source = inspect.getsource(sys.modules[cls.__module__])
            meta = dict(type="class", version=6, module_src=source, class_name=cls.__name__, state=self.__dict__)
            return _reconstruct_persistent_obj, (meta,)

    return Persistent
"""

DNNLIB = """
class EasyDict(dict):
    pass


EasyDict.__module__ = "dnnlib.util"
"""

NETWORKS = """
import numpy as np
import torch
from torch_utils import persistence
from training.parts import Decoder


@persistence.persistent_class
class Mapping(torch.nn.Module):
    def __init__(self, z_dim, w_dim):
        super().__init__()
        self.w_dim = w_dim
        self.weight = torch.nn.Parameter(torch.randn(w_dim, z_dim))
        self.register_buffer("w_avg", torch.randn(w_dim))

    def forward(self, z, c, truncation_psi=1):
        return self.w_avg.lerp(z @ self.weight.T, truncation_psi).unsqueeze(1).repeat(1, 2, 1)


@persistence.persistent_class
class Generator(torch.nn.Module):
    def __init__(self, z_dim, w_dim, img_resolution, settings={}):
        super().__init__()
        self.z_dim, self.w_dim, self.c_dim, self.img_resolution = z_dim, w_dim, 0, img_resolution
        self.settings = settings
        self.rendering_resolution = 64
        self.gain = np.float64(0.5)
        self.filter = np.arange(6, dtype=np.float32).reshape(2, 3)
        self.mapping = Mapping(z_dim, w_dim)
        self.synthesis = torch.nn.Sequential(Decoder(w_dim, 3 * img_resolution**2), torch.nn.Softplus())
        self.register_buffer("seen", torch.tensor(3), persistent=False)
        wide = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
        self.wide = torch.nn.Parameter(wide)
        self.fine = torch.nn.Parameter(torch.randn(3).half())

    def forward(self, z, c):
        return self.synthesis(self.mapping(z, c))
"""

PARTS = """
import torch


class Decoder(torch.nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = torch.nn.Linear(inputs, outputs)

    def forward(self, ws):
        image = self.linear(ws[:, 0])
        side = round((image.shape[1] / 3) ** 0.5)
        return image.reshape(-1, 3, side, side)
"""

KWARGS = {"z_dim": 6, "w_dim": 4, "img_resolution": 8, "settings": {"part": "training.parts.Decoder"}}


def write(folder: Path, **networks: str) -> Path:
    """Write a checkout whose training/ holds modules with the given names and sources; returns its folder."""
    files = {
        "train.py": "",
        "dnnlib/__init__.py": "from dnnlib.util import EasyDict\n",
        "dnnlib/util.py": DNNLIB,
        "torch_utils/__init__.py": "",
        "torch_utils/persistence.py": PERSISTENCE,
        "training/__init__.py": "",
        "training/parts.py": PARTS,
        **{f"training/{name}.py": source for name, source in (networks or {"networks": NETWORKS}).items()},
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@contextmanager
def imported(checkout: Path) -> Iterator[None]:
    """Let the block import the checkout's modules; forgets them before and after."""
    forget()
    try:
        with importing(checkout):
            yield
    finally:
        forget()


def forget() -> None:
    """Drop a checkout's modules, as a new process would not have them."""
    for name in list(sys.modules):
        if name.partition(".")[0] in ("dnnlib", "torch_utils", "training"):
            del sys.modules[name]


def snapshot_bytes(checkout: Path, protocol: int = 4, **attributes: Any) -> tuple[bytes, Any]:
    """Return a snapshot, as a host writes it, of a random generator with the given attributes; and the generator."""
    with imported(checkout):
        import dnnlib
        from training.networks import Generator

        torch.manual_seed(0)
        generator = Generator(**{**KWARGS, "settings": dnnlib.EasyDict(KWARGS["settings"])}).eval()
        generator.register_buffer("dataset_label_std", torch.rand(5))
        generator.rendering_resolution = 32
        for name, value in attributes.items():
            setattr(generator, name, value)
        dataset = {"class_name": "training.dataset.ImageFolderDataset", "path": "/data/faces.zip", "xflip": False}
        data = {"G": generator, "G_ema": generator, "augment_pipe": None, "training_set_kwargs": dataset}
        file = io.BytesIO()
        pickle.dump(data, file, protocol)
        return file.getvalue(), generator
