"""Runs the public R3GAN networks on the golden cases.

``python -m tests.training_loops.r3gan.host_outputs CHECKOUT DIR``, where CHECKOUT is the folder of R3GAN that holds
train.py, writes outputs to DIR/golden_r3gan.npz, names and shapes of tensors to DIR/public_names.json. With this folder
as DIR, what is stored is renewed.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import torch

from linkgan_plugin.pickles.checkout import importing
from tests.training_loops.r3gan import golden_cases as cases

if __name__ == "__main__":
    checkout, out = map(Path, sys.argv[1:])
    torch.set_num_threads(1)
    with importing(checkout.resolve()):
        networks = importlib.import_module("training.networks")
        make = {"G": networks.Generator, "D": networks.Discriminator}
        found = {key: value.numpy() for name in cases.CASES for key, value in cases.outputs(make, name)}
        names = {
            f"{name}.{letter}": cases.tensor_names(make[letter](**cases.kwargs(name, letter)))
            for name in ("labels", "kernels")
            for letter in "GD"
        }
    np.savez_compressed(out / "golden_r3gan.npz", **found)
    (out / "public_names.json").write_text(json.dumps(names, indent=1) + "\n")
