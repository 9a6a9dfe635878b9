"""Makes golden_rosinality.npz and rosinality_names.json with the public code: ``rosinality_outputs.py CHECKOUT``.

The weights are `layouts.numbers` of their names, so that the file holds images alone. The images are of 16 pixels, with
the noise of the buffers, at truncation 1 and .6.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.utils.cpp_extension

from tests.pickles.layouts import golden_state, numbers

if __name__ == "__main__":
    torch.utils.cpp_extension.load = lambda *args, **kwargs: None  # its extensions are for GPUs
    sys.path.insert(0, sys.argv[1])
    from model import Generator

    generator = Generator(16, 512, 2).eval()
    state = {name: tuple(tensor.shape) for name, tensor in generator.state_dict().items()}
    generator.load_state_dict(golden_state(state))
    z, average = numbers("z", (2, 512)), numbers("latent_avg", (1, 512))
    with torch.no_grad():
        full = generator([z], randomize_noise=False)[0]
        truncated = generator([z], truncation=0.6, truncation_latent=average, randomize_noise=False)[0]
    path = Path(__file__).with_name("golden_rosinality.npz")
    np.savez_compressed(path, full=full.numpy(), truncated=truncated.numpy())
    path.with_name("rosinality_names.json").write_text(json.dumps(state, separators=(",", ":")) + "\n")
