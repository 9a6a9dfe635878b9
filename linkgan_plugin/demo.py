"""The main job on the embedded host, start to report: data, a linked generator and its unlinked twin, measurements."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from training_loops.data import faces
from training_loops.data.face_files import write_faces
from training_loops.data.face_oracle import FaceOracle
from training_loops.data.folder import ImageFolderDataset
from training_loops.training_loop import OPTIONS_FILE

from .atomic import write_json
from .errors import LinkGANError
from .generators import LinkedGenerator
from .links import LinkSpec
from .metrics.evaluate import evaluate
from .metrics.quality import Quality, reader_quality
from .metrics.readers import reader_for
from .metrics.record import record, versions
from .networks import load_network
from .report import demo_page, pictures
from .report.sheet import edit_sheet, stack
from .report.video import resample_frames, write_mp4
from .runs import Interrupted, check_children, interrupt, kimg_of, last_stat, snapshot_of, start, train_command

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
    spent = [last_stat(out / twin, "Timing/total_sec", 0.0) for twin in TWINS]
    return max(spent)


# Training


def _command(out: Path, data: Path, twin: str, seed: int, size: Size) -> list[str]:
    """Return the training command of a twin."""
    links = [part for text in faces.DEMO_LINKS for part in ("--link", text)]
    weight = [] if twin == "linked" else ["--link-weight", "0"]
    arguments = [
        *("--data", str(data), "--seed", str(seed), "--kimg", f"{size.kimg:g}"),
        *("--snap", "10", "--threads", "1", "--loss=linkgan", *links, *weight),
    ]
    return train_command(out / twin, arguments)


def _train_twins(out: Path, data: Path, seed: int, size: Size) -> None:
    """Train both twins side by side, one thread each, with one bar for the slower of them."""
    todo = [twin for twin in TWINS if kimg_of(out / twin) < size.kimg]
    children: dict[str, subprocess.Popen[bytes]] = {}
    for twin in todo:
        children[twin] = start(_command(out, data, twin, seed, size), out / f"{twin}.log")
    try:
        _follow(children, out, size)
    except KeyboardInterrupt:
        interrupt(children.values())
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
        return round(1000 * min(kimg_of(out / twin) for twin in children))

    named = {f"{twin} twin": child for twin, child in children.items()}
    logs = {f"{twin} twin": out / f"{twin}.log" for twin in children}
    total = round(1000 * size.kimg)
    with tqdm(total=total, initial=done(), unit="img", unit_scale=True, desc="training both twins") as bar:
        while any(child.poll() is None for child in children.values()):
            time.sleep(0.5)
            bar.update(max(min(done(), total) - bar.n, 0))
            check_children(named, logs, "training")
        check_children(named, logs, "training")
        bar.update(total - bar.n)


# Measuring


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
            results[name] = record(links, quality)
    for twin in TWINS:
        results[twin]["images"] = round(kimg_of(out / twin) * 1000)
        results[twin]["training_seconds"] = round(last_stat(out / twin, "Timing/total_sec", 0.0), 1)
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
