"""Trains a demo's networks in parallel, one core each, with one progress bar."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence

from tqdm import tqdm

from ..errors import Interrupted, LinkGANError
from ..runs import check_children, interrupt, kimg_of, start
from .kind import Kind

# Trainings at a time; more would share the cores of a small machine.
AT_ONCE = 2


def train_networks(kind: Kind) -> None:
    """Train all networks that are not trained yet.

    Raises:
        Interrupted: after Ctrl-C; the trainings resume when this is called again.
        LinkGANError: a training failed, with the end of its log.
    """
    waiting = [network for network in kind.runs if not kind.trained(network)]
    if not waiting:
        return
    running: dict[str, subprocess.Popen[bytes]] = {}
    total = sum(round(1000 * kind.kimg(network)) for network in kind.runs)
    text = "training both networks" if len(kind.runs) == 2 else f"training {len(kind.runs)} networks"
    with tqdm(total=total, initial=_images(kind), unit="img", unit_scale=True, desc=text) as bar:
        try:
            while waiting or running:
                if not running:
                    _check_possible(kind, waiting)
                for network in _ready(kind, waiting, running)[: AT_ONCE - len(running)]:
                    waiting.remove(network)
                    running[network] = start(kind.command(network), kind.out / f"{network}.log")
                follow(running, kind)
                # A training that failed since then is kept, and reported the next time.
                running = {network: child for network, child in running.items() if child.poll() != 0}
                bar.update(max(_images(kind) - bar.n, 0))
        except KeyboardInterrupt:
            interrupt(running.values())
            raise Interrupted from None
        finally:
            for child in running.values():
                if child.poll() is None:
                    child.terminate()


def follow(running: Mapping[str, subprocess.Popen[bytes]], kind: Kind) -> None:
    """Wait a moment, then check that no training has failed.

    Raises:
        LinkGANError: a training failed, with the end of its log.
    """
    time.sleep(0.5)
    logs = {f"{network} network": kind.out / f"{network}.log" for network in running}
    check_children({f"{network} network": child for network, child in running.items()}, logs, "training")


def _ready(kind: Kind, waiting: Sequence[str], running: Mapping[str, object]) -> list[str]:
    """Return the networks that can be trained now: those that start from no network, or from a trained one."""

    def done(network: str) -> bool:
        return kind.trained(network) and network not in running  # or its last snapshot may not be there yet

    return [network for network in waiting if all(done(earlier) for earlier in kind.training_chain(network)[1:])]


def _check_possible(kind: Kind, waiting: Sequence[str]) -> None:
    """Raise LinkGANError if networks wait for one that ended before its full training."""
    for network in waiting:
        for earlier in kind.training_chain(network)[1:]:
            if earlier not in waiting and not kind.trained(earlier):
                raise LinkGANError(
                    f"the {earlier} network ended at {kimg_of(kind.run_dir(earlier)):g} of {kind.kimg(earlier):g} "
                    f"thousand images; see {kind.out / f'{earlier}.log'}"
                )


def _images(kind: Kind) -> int:
    """Return the number of images that all trainings have seen."""
    return sum(round(1000 * min(kimg_of(kind.run_dir(network)), kind.kimg(network))) for network in kind.runs)
