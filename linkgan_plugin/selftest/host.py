"""A host's custom operations and its own training step with links; runs the host's code, in child processes."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..bench.cost import procedural
from ..bench.overhead import BLOCK, WARMUP
from ..hosts.doctor import CustomOps, diagnose
from ..runs import last_stat
from .child import Done, run
from .context import Context
from .rows import FAILED, SKIPPED, WARN, Row, within

SECTION = "host"
_COMPILING = 240.0  # seconds; the first compilation of one operation takes about one minute
_TOLERANCE = 1e-3
_ROUNDS = {"cuda": 3, "cpu": 1}  # pairs of blocks of steps with and without links
_LINK = "--link=upper=8@box(0,0,1,0.5)"


@dataclass(frozen=True)
class Training:
    """How a family of hosts is trained briefly.

    Attributes:
        flags: of its training command.
        side: of the images in pixels, on a GPU and on a CPU.
        narrow: more flags on a CPU.
        narrow_sets: options without a flag on a CPU, ``KEY=VALUE``.
        cameras: its data need cameras.
    """

    flags: tuple[str, ...]
    side: tuple[int, int] = (128, 32)
    narrow: tuple[str, ...] = ()
    narrow_sets: tuple[str, ...] = ()
    cameras: bool = False


_SHARED = ("--gpus=1", "--batch=4", "--kimg=1", "--snap=1", "--workers=1", "--metrics=none")
_NARROW = ("--cbase=512", "--cmax=16", "--map-depth=2")
_MODERN = (*_SHARED, "--gamma=1", "--tick=1", "--mbstd-group=2", "--aug=noaug")
# Without half precision, which these hosts would use on a CPU, too.
_ADA_NARROW = tuple(
    f"{group}.{name}={value}"
    for group in ("G_kwargs.synthesis_kwargs", "D_kwargs")
    for name, value in (("channel_base", 512), ("channel_max", 16), ("num_fp16_res", 0))
)
_R3GAN_NARROW = tuple(
    f"{group}.{name}PerStage={values[::order]}"
    for group, order in (("G_kwargs", 1), ("D_kwargs", -1))
    for name, values in (("Width", [32, 32, 24, 16]), ("Cardinality", [4] * 4), ("Blocks", [1] * 4))
)
TRAININGS = {
    "stylegan2-ada-pytorch": Training((*_SHARED, "--gamma=1", "--cfg=auto", "--aug=noaug"), narrow_sets=_ADA_NARROW),
    "stylegan3": Training((*_MODERN, "--cfg=stylegan2"), narrow=_NARROW),
    "eg3d": Training(
        (*_MODERN, "--cfg=ffhq", "--gen_pose_cond=True", "--neural_rendering_resolution_initial=32"),
        side=(128, 128),
        narrow=_NARROW,
        narrow_sets=(
            "G_kwargs.rendering_kwargs.depth_resolution=8",
            "G_kwargs.rendering_kwargs.depth_resolution_importance=8",
        ),
        cameras=True,
    ),
    "r3gan": Training(
        (*_SHARED, "--preset=CIFAR10", "--tick=1", "--aug=False", "--g-batch-gpu=4", "--d-batch-gpu=4"),
        side=(32, 32),
        narrow_sets=_R3GAN_NARROW,
    ),
}


def rows(context: Context) -> Iterator[Row]:
    """Yield whether the host's operations compile, what they gain, and what links cost in its own step."""
    if context.host_dir is None:
        yield Row(SECTION, "all", verdict=SKIPPED, why="no host was given; --host DIR tests one, by running its code")
        return
    diagnosis = diagnose(context.host_dir)
    root = Path(diagnosis.root)
    yield Row(SECTION, "family", diagnosis.family)
    if diagnosis.commit is not None:
        changed = ", with local changes" if diagnosis.commit.changed else ""
        yield Row(SECTION, "commit", diagnosis.commit.sha[:12] + changed)
    if not diagnosis.ready:
        yield Row(SECTION, "ready", "no", verdict=WARN, why=diagnosis.verdict)
    yield from context.guarded(SECTION, "custom ops", _operations(context, root, diagnosis.custom_ops))
    yield from context.guarded(SECTION, "training step", _step(context, root, diagnosis.family))


def _operations(context: Context, root: Path, ops: CustomOps) -> Iterator[Row]:
    if not ops.names or ops.gpu is None or not context.on_gpu:
        yield Row(SECTION, "custom ops", verdict=SKIPPED, why=ops.summary if ops.names else "this host has none")
    elif ops.missing:
        yield Row(SECTION, "custom ops", "not compiled", verdict=FAILED if ops.stop else WARN, why=ops.summary)
    else:
        for name in ops.names:
            yield from operation(context, root, name)


def operation(context: Context, root: Path, name: str) -> Iterator[Row]:
    """Yield whether one operation compiles, and its time relative to plain PyTorch.

    Args:
        context: of the section.
        root: the host.
        name: of the module in the host's torch_utils/ops.
    """
    limit = min(_COMPILING, context.seconds_left)
    done = run([sys.executable, "-m", f"{__package__}.custom_ops", str(root), name, str(context.device)], limit)
    context.tick(1)
    if done.status != 0:
        yield _failure(f"{name} compiles", done)
        return
    found = json.loads(done.out.splitlines()[-1])
    yield Row(SECTION, f"{name} compiles", "yes")
    if found:
        verdict, why = within(found["error"], _TOLERANCE, "of the largest value")
        yield Row(SECTION, f"{name}, plain PyTorch / compiled", found["gain"], "times", verdict, why)


def _failure(name: str, done: Done) -> Row:
    """Return the row of a failed child; one that was stopped at its time limit has not failed."""
    return Row(SECTION, name, "no", verdict=SKIPPED if done.status is None else FAILED, why=done.reason)


def _step(context: Context, root: Path, family: str) -> Iterator[Row]:
    if family not in TRAININGS:
        yield Row(SECTION, "training step", verdict=SKIPPED, why=f"no training flags are known for {family}")
        return
    training = TRAININGS[family]
    side = training.side[0 if context.on_gpu else 1]
    kind = "heads3d" if training.cameras else "tiny"
    with (
        procedural(kind, [side], images=16) as (data,),
        tempfile.TemporaryDirectory(prefix="linkgan-selftest-") as folder,
    ):
        done = run(_command(context, root, training, data, Path(folder)), context.seconds_left, cwd=Path(folder))
        context.tick(1)
        if done.status != 0:
            yield _failure("training step with links", done)
            return
        (run_dir,) = (path.parent for path in Path(folder).glob("*/stats.jsonl"))
        seconds = {kind: last_stat(run_dir, f"Timing/link/{kind}", float("nan")) for kind in ("with", "without")}
    yield Row(SECTION, f"{side} px, batch 4, gradients of a step without links", 1e3 * seconds["without"], "ms")
    note = f"from {BLOCK * _ROUNDS[context.device.type]} steps of each kind; other load on the machine affects it"
    yield Row(SECTION, "the same with links / without", seconds["with"] / seconds["without"], why=note)


def _command(context: Context, root: Path, training: Training, data: Path, folder: Path) -> list[str]:
    """Return the command that trains the host with links in every second block of steps."""
    small = not context.on_gpu
    flags = [*training.flags, *(training.narrow if small else ())]
    # The end of a step is noted when the next one begins.
    steps = 2 * BLOCK * (WARMUP + _ROUNDS[context.device.type]) + 2
    sets = [f"total_kimg={4 * steps / 1000}", *(training.narrow_sets if small else ())]
    device = "cuda" if context.on_gpu else "cpu"
    return [
        *(sys.executable, "-m", f"{__package__}.host_step", str(root / "train.py"), device, json.dumps(sets)),
        *(f"--outdir={folder}", f"--data={data}", *flags, "--loss=linkgan_overhead", "--link-start=0", _LINK),
    ]
