"""One of several processes of the self-test: adds up a tensor with the others, then trains with them.

Started by `several` with torchrun; arguments: a JSON file with the options, the folder of the run, the device's type.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

import torch

from training_loops import processes

from ..bench.throughput import timed
from . import short_runs

_ROUNDS = 5
NUMBERS = {"cuda": 2**24, "cpu": 2**20}


def main() -> None:
    """Join the other processes; rank 0 prints the seconds of an all-reduce and whether its sum is right, as JSON."""
    options, folder, device = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    with processes.joined(device) as place:
        tensor = torch.full([NUMBERS[device]], float(place.rank + 1), device=place.device)
        processes.add_up(tensor)
        right = bool((tensor == place.count * (place.count + 1) / 2).all())
        seconds = [timed(lambda: processes.add_up(tensor), place.device) for _ in range(_ROUNDS)]
        if place.rank == 0:
            print(json.dumps({"right": right, "seconds": statistics.median(seconds)}), flush=True)
        short_runs.train(json.loads(options.read_text(encoding="utf-8")), folder, place.device, rank=place.rank)


if __name__ == "__main__":
    main()
