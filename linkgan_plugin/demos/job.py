"""The steps of all demos: data, parallel trainings, evaluation, images and a report."""

from __future__ import annotations

import json
import time
from typing import Any

import torch

from training_loops.formats.atomic import write_json
from training_loops.formats.lock import is_unused, locked
from training_loops.training_loop import OPTIONS_FILE

from ..errors import Interrupted, LinkGANError
from ..metrics.record import versions
from ..runs import kimg_of, last_stat, snapshot_of
from . import page as demo_page
from .kind import Kind
from .training import train_networks

REPORT = "report.json"


def run_demo(kind: Kind, *, command: str) -> dict[str, Any]:
    """Run a demo in the kind's folder, which is locked, or resume a stopped one.

    Args:
        command: stored in every result.
    Returns:
        The content of ``report.json``.
    Raises:
        LinkGANError: the folder contains a demo with other settings, or a training process failed.
        LockedError: another process uses the folder. Interrupted: after Ctrl-C.
    """
    with locked(kind.out):
        return _run(kind, command)


def _run(kind: Kind, command: str) -> dict[str, Any]:
    started = time.time()
    before = _claim(kind)
    try:
        kind.prepare()
        train_networks(kind)
        # The images are tiny: a second thread gains little, and on a busy machine threads wait for each other.
        torch.set_num_threads(1)
        report = {"command": command, **_measured(kind)}
        metadata = {
            "command": command,
            "seed": str(kind.seed),
            "link_spec": json.dumps(report["spec"], allow_nan=False),
        }
        kind.draw(metadata)
    except KeyboardInterrupt:
        raise Interrupted from None
    report["seconds"] = round(before + time.time() - started, 1)
    demo_page.write(kind, report)
    write_json(kind.out / REPORT, report)  # last: it marks the demo as finished
    return report


def _claim(kind: Kind) -> float:
    """Record the settings in the folder; return the training time of earlier, stopped calls, in seconds.

    Raises:
        LinkGANError: the folder contains another demo or other files.
    """
    out, settings = kind.out, kind.settings()
    path = out / "demo.json"
    if path.exists():
        found = json.loads(path.read_text())
        if found != settings:
            raise LinkGANError(f"{out} contains a demo with {found}, not {settings}; choose another --out or remove it")
    elif not is_unused(out):
        raise LinkGANError(f"{out} is not empty and contains no demo; choose another --out")
    else:
        write_json(path, settings)
    return max(_seconds(kind, network) for network in kind.networks)


def _seconds(kind: Kind, network: str) -> float:
    """Return the training time of a network, including that of the network it started from."""
    return sum(last_stat(kind.run_dir(run), "Timing/total_sec", 0.0) for run in kind.training_chain(network))


def _measured(kind: Kind) -> dict[str, Any]:
    """Return the kind's results, with statistics of every training."""
    figures = kind.measure()
    for network in kind.networks:
        figures[network] |= {
            "images": round(1000 * sum(kimg_of(kind.run_dir(run)) for run in kind.training_chain(network))),
            "training_seconds": round(_seconds(kind, network), 1),
            "snapshot": str(snapshot_of(kind.run_dir(network)).relative_to(kind.out)),
        }
    options = json.loads((kind.run_dir(kind.networks[0]) / OPTIONS_FILE).read_text())
    first, last = kind.networks[0], kind.networks[-1]
    return {
        "spec": kind.network(first).linked().to_json(),
        "recipe": options["loss_kwargs"]["recipe"],
        "seed": kind.seed,
        "pairs": kind.size.pairs,
        "quality_ratio": figures[first]["quality"] / figures[last]["quality"],
        **figures,
        "versions": versions(),
    }
