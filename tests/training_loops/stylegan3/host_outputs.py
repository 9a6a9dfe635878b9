"""Runs the public StyleGAN3 networks on the golden cases.

``python -m tests.training_loops.stylegan3.host_outputs CHECKOUT DIR``, where CHECKOUT is the folder of stylegan3 that
holds train.py, writes outputs to DIR/golden_stylegan3.npz, names and shapes of tensors to DIR/public_names.json. With
this folder as DIR, what is stored is renewed.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import torch

from linkgan_plugin.pickles.checkout import importing
from tests.training_loops.stylegan3 import golden_cases as cases

if __name__ == "__main__":
    checkout, out = map(Path, sys.argv[1:])
    torch.set_num_threads(1)
    with importing(checkout.resolve()), torch.no_grad():
        make = importlib.import_module("training.networks_stylegan3").Generator
        found = {key: value.numpy() for name in cases.GENERATORS for key, value in cases.outputs(make, name)}
        names = {name: cases.tensor_names(make(**cases.generator_kwargs(name, cases.LABELS))) for name in ("T", "R")}
    np.savez_compressed(out / "golden_stylegan3.npz", **found)
    (out / "public_names.json").write_text(json.dumps(names, indent=1) + "\n")
