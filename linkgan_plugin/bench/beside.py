"""Training speed of the embedded host beside a real stylegan3 ``--cfg=stylegan2`` of the same configuration."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ..errors import LinkGANError
from .ratio import paired_ratio
from .tables import markdown

# Steps per turn: a multiple of the lazy regularization of G (4) and D (16).
BLOCK = 16
WARMUP = 1
SIDES = ("host", "embedded")
# What --cfg=stylegan2 trains with, whatever its size, and what the tiny preset does without.
TERMS: dict[str, dict[str, Any]] = {
    "stylegan2": {"pl_weight": 2.0, "style_mixing": 0.9, "noise": True},
    "tiny": {"pl_weight": 0.0, "style_mixing": 0.0, "noise": False},
}
_TURN_LOSS = "linkgan_plugin.bench.turns.TurnLoss"
_IMAGES = 256
_NEVER = 10**6


def embedded_options(data: Path, terms: str, cfg: str, **overrides: Any) -> dict[str, Any]:
    """Return the embedded host's training options, as training_options.json has them.

    Args:
        data: zip of images. terms: one of `TERMS`. cfg: preset. overrides: further attributes of `TrainingRequest`.
    """
    from training_loops.presets import build_options
    from training_loops.request import TrainingRequest

    request = TrainingRequest(cfg, data, fp32=True, snap=_NEVER, tick=_NEVER, kimg=_NEVER, **TERMS[terms], **overrides)
    options = build_options(request).to_json()
    base = {name: value for name, value in options["loss_kwargs"].items() if name != "class_name"}
    base["pl_no_weight_grad"] = True
    return {**options, "loss_kwargs": _turns(options["loss_kwargs"]["class_name"], base)}


def host_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same options as stylegan3's own training loop takes them for ``--cfg=stylegan2``."""
    network, loss = "training.networks_stylegan2", options["loss_kwargs"]
    generator = {**options["G_kwargs"], "class_name": f"{network}.Generator"}
    discriminator = {**options["D_kwargs"], "class_name": f"{network}.Discriminator"}
    same = ("batch_size", "batch_gpu", "ema_kimg", "G_reg_interval", "D_reg_interval", "random_seed")
    never = dict.fromkeys(("total_kimg", "kimg_per_tick"), _NEVER)
    return {
        "training_set_kwargs": {**options["training_set_kwargs"], "class_name": "training.dataset.ImageFolderDataset"},
        "G_kwargs": {**generator, "fused_modconv_default": "inference_only"},
        "D_kwargs": discriminator,
        **{key: _with_float_betas(options[key]) for key in ("G_opt_kwargs", "D_opt_kwargs")},
        "loss_kwargs": _turns("training.loss.StyleGAN2Loss", loss["base_kwargs"]),
        **{key: options[key] for key in same},
        **never,
        **dict.fromkeys(("image_snapshot_ticks", "network_snapshot_ticks"), None),
    }


def _turns(base: str, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {"class_name": _TURN_LOSS, "base_class_name": base, "base_kwargs": dict(kwargs), "block": BLOCK}


def _with_float_betas(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {**kwargs, "betas": [float(beta) for beta in kwargs["betas"]]}


# The two children


def train_embedded(pipe: Connection, log: Path, options: dict[str, Any], run_dir: Path, **how: Any) -> None:
    """Train the embedded host in turns, in a process of its own."""
    from training_loops.session import Session
    from training_loops.training_loop import TrainingOptions, training_loop

    with _in_turns(pipe, log, how["threads"]):
        training_loop(TrainingOptions.from_json(options), run_dir, Session(device=how["device"], tensorboard=False))


def train_host(pipe: Connection, log: Path, options: dict[str, Any], run_dir: Path, **how: Any) -> None:
    """Train the real host in turns, in a process of its own, on the CPU where `how` says so."""
    from ..hosts import cpu
    from ..pickles.checkout import importing

    with _in_turns(pipe, log, how["threads"]):
        if how["device"] == "cpu":
            cpu.emulate(how["threads"])
        run_dir.mkdir(parents=True)
        with importing(how["host"].resolve()):
            easy = importlib.import_module("dnnlib").EasyDict
            loop = importlib.import_module("training.training_loop").training_loop
            loop(**_easy(options, easy), run_dir=str(run_dir))


def _easy(value: Any, kind: type) -> Any:
    """Return nested dicts as the host's dicts with attributes."""
    return kind({key: _easy(item, kind) for key, item in value.items()}) if isinstance(value, dict) else value


@contextlib.contextmanager
def _in_turns(pipe: Connection, log: Path, threads: int) -> Iterator[None]:
    """Send what the process says to `log`, and let its loop end when it was told that it is enough."""
    import torch

    from . import turns

    turns.connection = pipe
    with open(log, "ab", buffering=0) as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    torch.set_num_threads(threads)
    with contextlib.suppress(turns.Enough):
        yield


# The parent


def compare(
    host: Path,
    terms: str,
    *,
    cfg: str = "tiny",
    resolution: int = 32,
    rounds: int = 8,
    device: str = "cpu",
    threads: int = 1,
    progress: Callable[[], object] = lambda: None,
    **overrides: Any,
) -> dict[str, Any]:
    """Train both in turns of `BLOCK` steps and return the row of their speeds.

    Args:
        host: stylegan3's folder with train.py. terms: one of `TERMS`. resolution: side of the images in pixels.
        rounds: turns of each that are timed. device: cpu or cuda. progress: called after every turn of both.
        overrides: further attributes of the embedded host's `TrainingRequest`, such as cbase.
    Raises:
        LinkGANError: no such checkout, or one of the two failed; with the end of its log.
    """
    from training_loops.data.face_files import write_faces

    if not (host / "training" / "networks_stylegan2.py").is_file():
        raise LinkGANError(f"{host} is not a stylegan3 checkout: expected training/networks_stylegan2.py in it")
    with tempfile.TemporaryDirectory(prefix="linkgan-bench-") as name:
        folder = Path(name)
        write_faces(folder / "faces.zip", _IMAGES, resolution, seed=0)
        options = embedded_options(folder / "faces.zip", terms, cfg, **overrides)
        how = {"device": device, "threads": threads, "host": host}
        children = {
            "host": _Child(train_host, folder / "host", host_options(options), how),
            "embedded": _Child(train_embedded, folder / "embedded", options, how),
        }
        seconds: dict[str, list[float]] = {side: [] for side in SIDES}
        try:
            for child in children.values():
                child.receive()
            for number in range(WARMUP + rounds):
                for side in SIDES if number % 2 else reversed(SIDES):
                    elapsed = children[side].turn()
                    if number >= WARMUP:
                        seconds[side].append(elapsed)
                progress()
        finally:
            for child in children.values():
                child.end()
    return _row(terms, cfg, resolution, options["batch_size"], seconds)


def _row(terms: str, cfg: str, resolution: int, batch: int, seconds: Mapping[str, list[float]]) -> dict[str, Any]:
    ratio = paired_ratio(seconds["host"], seconds["embedded"])
    images = BLOCK * batch
    return {
        "terms": terms,
        "cfg": cfg,
        "resolution": resolution,
        "batch": batch,
        "speed_ratio": ratio.value,
        "low": ratio.low,
        "high": ratio.high,
        "rounds": ratio.rounds,
        **{f"images_per_second_{side}": images * len(seconds[side]) / sum(seconds[side]) for side in SIDES},
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a Markdown table."""
    header = ["loss terms", "embedded / stylegan3", "middle half", "embedded images/s", "stylegan3 images/s"]
    cells = [
        [
            row["terms"],
            f"{row['speed_ratio']:.3f}",
            f"{row['low']:.3f} - {row['high']:.3f}",
            f"{row['images_per_second_embedded']:.1f}",
            f"{row['images_per_second_host']:.1f}",
        ]
        for row in rows
    ]
    return markdown(header, cells)


class _Child:
    """One training loop in a process of its own."""

    def __init__(
        self, target: Callable[..., None], run_dir: Path, options: dict[str, Any], how: dict[str, Any]
    ) -> None:
        self._log = run_dir.with_suffix(".log")
        self._name = run_dir.name
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=target, args=(other, self._log, options, run_dir), kwargs=how)
        self._process.start()
        other.close()  # so that the end of the child is the end of the pipe

    def turn(self) -> float:
        """Let it train for a turn; returns its seconds."""
        with contextlib.suppress(OSError):  # it has ended; the next line says of what
            self._pipe.send(True)
        return float(self.receive())

    def receive(self) -> Any:
        """Return what it sends next.

        Raises:
            LinkGANError: it has ended instead.
        """
        try:
            return self._pipe.recv()
        except EOFError:
            self._process.join()
            lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
            end = "\n".join(lines[-15:])
            raise LinkGANError(
                f"training the {self._name} failed with status {self._process.exitcode}:\n{end}"
            ) from None

    def end(self) -> None:
        """Tell it that it is enough, and see it off."""
        with contextlib.suppress(OSError):
            self._pipe.send(False)
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()
        self._pipe.close()
