"""Time and memory of opening zips of up to a million images, ours beside a host's dataset class.

python -m tests.benchmarks.large_data --host stylegan3
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import multiprocessing
import pickle
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import click
import numpy as np
import PIL.Image
from tqdm import tqdm

from linkgan_plugin.bench.tables import markdown
from linkgan_plugin.cli.network_options import host_option
from training_loops.formats.archive import new_archive
from training_loops.formats.folder import ImageFolderDataset

SIDES = ("ours", "host")
_CLASSES = 1000
_SIDE = 8  # pixels


def write_zip(path: Path, entries: int) -> None:
    """Write a zip of `entries` small images with a class each, named as the hosts' tool names them."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(buffer, "png")
    names = [f"{n // 1000:05d}/img{n:08d}.png" for n in range(entries)]
    with new_archive(path) as archive:
        for name in tqdm(names, desc=f"writing {path.name}", unit="img", leave=False):
            archive.write(name, buffer.getvalue())
        pairs = [[name, n % _CLASSES] for n, name in enumerate(names)]
        archive.write("dataset.json", json.dumps({"labels": pairs}).encode())


def opened(side: str, host: Path | None, path: Path, labels: bool) -> dict[str, float]:
    """Return the CPU seconds and additional memory at most (MB) of opening a zip, and of its labels."""
    kind = _dataset_class(side, host)
    return _measured(lambda: kind(path=str(path), use_labels=labels).label_shape)


def pickled(side: str, host: Path | None, path: Path, out: Path) -> None:
    """Write a dataset as a spawned worker receives it."""
    with open(out, "wb") as file:
        pickle.dump(_dataset_class(side, host)(path=str(path)), file, protocol=pickle.HIGHEST_PROTOCOL)


def started(side: str, host: Path | None, data: Path) -> dict[str, float]:
    """Return the CPU seconds and additional memory (MB) until a spawned worker has its first image."""
    _dataset_class(side, host)
    return _measured(lambda: pickle.loads(data.read_bytes())[0])


def _dataset_class(side: str, host: Path | None) -> Any:
    if side == "ours":
        return ImageFolderDataset
    assert host is not None
    sys.path.insert(0, str(host.resolve()))  # the process ends with its only measurement
    return importlib.import_module("training.dataset").ImageFolderDataset


def _measured(work: Callable[[], object]) -> dict[str, float]:
    PIL.Image.init()
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before, start = _memory("VmRSS"), time.process_time()
    kept = work()
    result = {"seconds": time.process_time() - start, "megabytes": _memory("VmHWM") - before}
    del kept
    return result


def _memory(name: str) -> float:
    found = re.search(rf"{name}:\s*(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def _apart(work: Callable[..., Any], *args: Any) -> Any:
    """Return the result of `work` in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *args).result()


def rows(host: Path | None, entries: int, folder: Path) -> list[dict[str, Any]]:
    """Return what opening, labels and a worker's start cost for a zip of `entries` images, a row a side."""
    path = folder / f"{entries}.zip"
    write_zip(path, entries)
    found = []
    for side in SIDES if host is not None else SIDES[:1]:
        _apart(pickled, side, host, path, folder / "dataset.pkl")
        measured = {
            "open": _apart(opened, side, host, path, False),
            "open with labels": _apart(opened, side, host, path, True),
            "worker": _apart(started, side, host, folder / "dataset.pkl"),
        }
        found.append({"images": entries, "side": side, **measured})
    path.unlink()
    return found


def table(found: Sequence[dict[str, Any]]) -> str:
    """Return rows as a Markdown table."""
    works = ("open", "open with labels", "worker")
    header = ["images", "reader", *works]
    cells = [
        [
            f"{row['images']:,}",
            row["side"],
            *(f"{row[w]['seconds']:.2f} s, {row[w]['megabytes']:.0f} MB" for w in works),
        ]
        for row in found
    ]
    return markdown(header, cells)


@click.command()
@host_option
@click.option(
    "--entries", type=click.IntRange(1), multiple=True, default=(70_000, 300_000, 1_000_000), show_default=True
)
def main(host: Path | None, entries: tuple[int, ...]) -> None:
    """Measure opening zips, reading labels and starting a worker, each in a process of its own; Linux only."""
    with tempfile.TemporaryDirectory(prefix="linkgan-bench-") as folder:
        found = [row for count in entries for row in rows(host, count, Path(folder))]
    click.echo(table(found))


if __name__ == "__main__":
    main()
