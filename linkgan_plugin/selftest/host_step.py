"""Trains a host briefly, as `linkgan run` does, with a small grid of sample images and no snapshots.

Started by `host`; arguments: the host's train.py, cuda or cpu, a JSON list of ``KEY=VALUE``, the flags of train.py.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from ..hosts import launch
from ..hosts.overrides import read_override

_NO_SNAPSHOTS = {"image_snapshot_ticks": None, "network_snapshot_ticks": None}


def main() -> None:
    """Run the host's script in this process."""
    script, device, sets, *flags = sys.argv[1:]
    overrides = _NO_SNAPSHOTS | dict(map(read_override, json.loads(sets)))
    session = launch.make_session(
        Path(script), compat=True, device="cpu" if device == "cpu" else None, smoke=True, overrides=overrides
    )
    # The insertions of a smoke run make the grid small; its limit of steps would end before links are timed.
    launch.run(dataclasses.replace(session, smoke=False), flags)


if __name__ == "__main__":
    main()
