"""Runs the public EG3D networks on the golden cases: ``python -m tests.training_loops.eg3d.host_outputs CHECKOUT OUT``.

CHECKOUT is the folder of eg3d that holds train.py. The folder OUT gets golden_eg3d.npz and public_names.json; with this
folder as OUT, what is stored beside the tests is made anew.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from linkgan_plugin.pickles.checkout import importing
from tests.training_loops.eg3d import golden_cases as cases


def outputs() -> dict[str, Tensor]:
    """Every golden output under the name of its case."""
    found = {}
    for name in cases.GENERATORS:
        rows = cases.generator_outputs(_public("triplane", "TriPlaneGenerator"), name)
        found.update({f"G.{name}.{key}": value for key, value in rows})
    for name in cases.HEADS:
        rows = cases.head_outputs(_public("superresolution", f"SuperresolutionHybrid{name}"), name)
        found.update({f"S.{name}.{key}": value for key, value in rows})
    for name, (kind, _) in cases.DISCRIMINATORS.items():
        for c_dim in (0, cases.LABELS):
            rows = cases.discriminator_outputs(_public("dual_discriminator", kind), name, c_dim)
            found.update({f"D.{name}.{c_dim}.{key}": value for key, value in rows})
    rows = cases.resizing_outputs(_public("dual_discriminator", "filtered_resizing"))
    return found | {f"resize.{key}": value for key, value in rows}


def names() -> dict[str, Any]:
    """Names and shapes of the tensors of a generator, every head and every discriminator."""
    G = _public("triplane", "TriPlaneGenerator")(**cases.generator_kwargs("cars"))
    heads = {
        f"SuperresolutionHybrid{name}": _public("superresolution", f"SuperresolutionHybrid{name}")(
            **cases.head_kwargs(name)
        )
        for name in cases.HEADS
    }
    discriminators = {
        kind: _public("dual_discriminator", kind)(**cases.discriminator_kwargs(name, cases.LABELS))
        for name, (kind, _) in cases.DISCRIMINATORS.items()
    }
    nets = {"TriPlaneGenerator": G, **heads, **discriminators}
    return {kind: cases.names(net) for kind, net in nets.items()}


def _public(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"training.{module}"), name)


if __name__ == "__main__":
    checkout, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    torch.set_num_threads(1)
    with importing(checkout), torch.no_grad():
        np.savez_compressed(out / "golden_eg3d.npz", **{name: value.numpy() for name, value in outputs().items()})
        (out / "public_names.json").write_text(json.dumps(names(), indent=0) + "\n")
