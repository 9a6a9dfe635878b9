"""The main job on the embedded host, start to report: data, a linked generator and its unlinked twin, measurements."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from training_loops.data import faces
from training_loops.data.face_files import write_faces
from training_loops.data.face_oracle import FaceOracle
from training_loops.data.folder import ImageFolderDataset
from training_loops.stylegan2.training_loop import OPTIONS_FILE, STATE_FILE

from . import __version__
from .atomic import write_json
from .errors import LinkGANError
from .generators import LinkedGenerator
from .links import LinkSpec
from .metrics.evaluate import LinkResult, evaluate
from .metrics.quality import Quality, reader_quality
from .metrics.readers import reader_for
from .networks import load_network
from .report import demo_page, pictures
from .report.curves import read_stats
from .report.sheet import edit_sheet, stack
from .report.video import resample_frames, write_mp4

TWINS = ("linked", "unlinked")


@dataclass(frozen=True)
class Size:
    """How much work a demo does: images of data, thousand images of training, and what is measured."""

    data: int
    kimg: float
    pairs: int
    quality_images: int


FULL = Size(data=12_000, kimg=84, pairs=1000, quality_images=5000)
QUICK = Size(data=2_000, kimg=6, pairs=200, quality_images=1000)


class Interrupted(Exception):
    """Ctrl-C: the runs were stopped so that they can go on."""


def run_demo(out: Path, *, seed: int, size: Size, command: str) -> dict[str, Any]:
    """Do the whole job in `out`, or go on with one that was stopped there.

    Args:
        out: folder of the demo. seed: seed of data order, networks and latents. command: recorded in every result.
    Returns:
        The content of ``report.json``.
    Raises:
        LinkGANError: `out` holds a demo of other settings, or a training process failed.
        Interrupted: after Ctrl-C.
    """
    started = time.time()
    out.mkdir(parents=True, exist_ok=True)
    before = _claim(out, seed, size)
    data = out / "faces.zip"
    if not data.exists():
        write_faces(data, size.data, 32, seed=0, progress=True)
    _train_twins(out, data, seed, size)
    # The images are tiny: two threads gain little, and on a busy machine they wait for each other for minutes.
    torch.set_num_threads(1)
    report = _measure(out, data, seed, size)
    report = {"command": command, **report, "seconds": round(before + time.time() - started, 1)}
    _write_pictures(out, report)
    demo_page.write(out, report, TWINS)
    write_json(out / "report.json", report)  # last: it marks the demo as finished
    return report


def _claim(out: Path, seed: int, size: Size) -> float:
    """Note whose demo this folder holds; returns the seconds that earlier, stopped calls spent on it.

    Raises:
        LinkGANError: it holds another demo, which would be mixed up with this one.
    """
    path = out / "demo.json"
    settings = {"seed": seed, "data": size.data, "kimg": size.kimg}
    if path.exists():
        found = json.loads(path.read_text())
        if {key: found.get(key) for key in settings} != settings:
            raise LinkGANError(f"{out} holds a demo with {found}, not {settings}; choose another --out or remove it")
    elif any(out.iterdir()):
        raise LinkGANError(f"{out} is not empty and holds no demo; choose another --out")
    else:
        write_json(path, settings)
    spent = [_last_stat(out / twin, "Timing/total_sec", 0.0) for twin in TWINS]
    return max(spent)


# Training


def _command(out: Path, data: Path, twin: str, seed: int, size: Size) -> list[str]:
    """Return the training command of a twin, a plain `linkgan train` that anyone could type."""
    base = [sys.executable, "-m", "linkgan_plugin", "train", "--quiet"]
    run_dir = out / twin
    if (run_dir / STATE_FILE).exists():
        return [*base, "--continue", str(run_dir)]
    links = [part for text in faces.DEMO_LINKS for part in ("--link", text)]
    weight = [] if twin == "linked" else ["--link-weight", "0"]
    return [
        *base,
        *("--data", str(data), "--run-dir", str(run_dir), "--seed", str(seed), "--kimg", f"{size.kimg:g}"),
        *("--snap", "10", "--threads", "1", "--loss=linkgan", *links, *weight),
    ]


def _train_twins(out: Path, data: Path, seed: int, size: Size) -> None:
    """Train both twins side by side, one thread each, with one bar for the slower of them."""
    todo = [twin for twin in TWINS if _last_stat(out / twin, "Progress/kimg", 0.0) < size.kimg]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "LINKGAN_STOP_WITH_PARENT": "1"}
    children: dict[str, subprocess.Popen[bytes]] = {}
    for twin in todo:
        run_dir = out / twin
        if (run_dir / OPTIONS_FILE).exists() and not (run_dir / STATE_FILE).exists():
            raise LinkGANError(f"{run_dir} was stopped before its first state was written; remove it and start again")
        with open(out / f"{twin}.log", "ab") as log:
            # A session of its own: Ctrl-C reaches this process alone, which passes it on exactly once.
            children[twin] = subprocess.Popen(
                _command(out, data, twin, seed, size),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
    try:
        _follow(children, out, size)
    except KeyboardInterrupt:
        for child in children.values():
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
        for child in children.values():
            child.wait()
        raise Interrupted from None
    finally:
        for child in children.values():
            if child.poll() is None:
                child.terminate()


def _follow(children: Mapping[str, subprocess.Popen[bytes]], out: Path, size: Size) -> None:
    """Show progress until all children are done; one that fails ends all with the end of its log."""
    if not children:
        return

    def done() -> int:
        return round(1000 * min(_last_stat(out / twin, "Progress/kimg", 0.0) for twin in children))

    total = round(1000 * size.kimg)
    with tqdm(total=total, initial=done(), unit="img", unit_scale=True, desc="training both twins") as bar:
        while any(child.poll() is None for child in children.values()):
            time.sleep(0.5)
            bar.update(max(min(done(), total) - bar.n, 0))
            for twin, child in children.items():
                if child.poll() not in (None, 0):
                    end = "\n".join((out / f"{twin}.log").read_text().splitlines()[-15:])
                    raise LinkGANError(f"training the {twin} twin failed with status {child.returncode}:\n{end}")
        bar.update(total - bar.n)


def _last_stat(run_dir: Path, name: str, default: float) -> float:
    """Return the last value of a statistic in ``stats.jsonl``; a half-written last line is passed over."""
    if not (run_dir / "stats.jsonl").exists():
        return default
    found = [record[name]["mean"] for record in read_stats(run_dir) if name in record]
    return float(found[-1]) if found else default


# Measuring


def snapshot_of(run_dir: Path) -> Path:
    """Return the newest snapshot of a run.

    Raises:
        LinkGANError: there is none.
    """
    snapshots = sorted(run_dir.glob("network-snapshot-*.pt"))
    if not snapshots:
        raise LinkGANError(f"{run_dir} holds no network snapshot")
    return snapshots[-1]


def _measure(out: Path, data: Path, seed: int, size: Size) -> dict[str, Any]:
    reader = reader_for(data)
    if reader is None:
        raise LinkGANError(f"{data} is not a set of procedural faces")
    dataset = ImageFolderDataset(data)
    oracle = FaceOracle(32)
    oracle_generator = LinkedGenerator(oracle, oracle_spec(oracle))
    generators = {twin: _generator(out / twin) for twin in TWINS} | {"oracle": oracle_generator}
    results: dict[str, Any] = {}
    with tqdm(total=len(generators) * size.pairs, unit="pair", desc="measuring") as bar:
        for name, generator in generators.items():
            links = evaluate(generator, pairs=size.pairs, reader=reader, progress=bar.update)
            quality = reader_quality(generator, dataset, reader, images=size.quality_images)
            results[name] = _entry(links, quality)
    for twin in TWINS:
        results[twin]["images"] = round(_last_stat(out / twin, "Progress/kimg", 0.0) * 1000)
        results[twin]["training_seconds"] = round(_last_stat(out / twin, "Timing/total_sec", 0.0), 1)
        results[twin]["snapshot"] = str(snapshot_of(out / twin).relative_to(out))
    options = json.loads((out / "linked" / OPTIONS_FILE).read_text())
    return {
        "spec": generators["linked"].spec.to_json(),
        "recipe": options["loss_kwargs"]["recipe"],
        "seed": seed,
        "quality_kind": Quality.READER,
        "pairs": size.pairs,
        "quality_ratio": results["linked"]["quality"] / results["unlinked"]["quality"],
        **results,
        "versions": versions(),
    }


def _generator(run_dir: Path) -> LinkedGenerator:
    network = load_network(snapshot_of(run_dir))
    return LinkedGenerator(network.generator, network.linked())


def oracle_spec(oracle: FaceOracle) -> LinkSpec:
    """Return the spec of the renderer itself: the demo's regions, linked to the attributes painted there."""
    texts = []
    for text in faces.DEMO_LINKS:
        name, region = text.split("=")[0], text.split("@")[1]
        axes = ",".join(f"{axis}:{axis + 1}" for axis in oracle.axes_of(name))
        texts.append(f"{name}={axes}@{region}")
    return LinkSpec.parse(texts, dim=oracle.w_dim)


def _entry(links: Mapping[str, LinkResult], quality: Quality) -> dict[str, Any]:
    return {
        "metrics": {name: result.values() for name, result in links.items()},
        "stderr": {
            name: {key: estimate.stderr for key, estimate in result.estimates.items()} for name, result in links.items()
        },
        "quality": quality.value,
    }


def versions() -> dict[str, str]:
    """Return the versions that a number depends on."""
    return {
        "linkgan_plugin": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


# Pictures


def _write_pictures(out: Path, report: Mapping[str, Any]) -> None:
    twins = {twin: _generator(out / twin) for twin in TWINS}
    regions = twins["linked"].spec.block_names
    metadata = {"command": report["command"], "seed": str(report["seed"]), "link_spec": json.dumps(report["spec"])}
    titles = {"linked": "linked", "unlinked": "its unlinked twin: the same axes, no regularizer"}
    sheets = [
        edit_sheet(generator, range(6 if twin == "linked" else 3), regions, variants=4, title=titles[twin])
        for twin, generator in twins.items()
    ]
    pictures.save_png(out / "sheet.png", stack(sheets), metadata)
    write_mp4(out / "resample.mp4", resample_frames(twins, range(6), regions), comment=f"{report['command']}")
