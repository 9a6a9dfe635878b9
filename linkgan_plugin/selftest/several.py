"""Several processes, one per GPU: an all-reduce, and a training of two that gives what one gives."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from . import short_runs
from .child import Done, run
from .context import Context
from .ranks import NUMBERS
from .rows import FAILED, OK, SKIPPED, Row, within

SECTION = "gpus"
TORCHRUN = ("-m", "torch.distributed.run", "--nproc_per_node=2", "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0")
_SECONDS = 180.0
# A few steps of Adam move a weight by up to 0.01; two processes add up the same numbers in another order.
_TOLERANCE = 1e-4


def rows(context: Context) -> Iterator[Row]:
    """Yield the rate of an all-reduce and how close a training by two processes is to that by one."""
    if not torch.distributed.is_available():
        yield Row(SECTION, "two processes", verdict=SKIPPED, why="this build of torch has no torch.distributed")
        return
    two_gpus = context.on_gpu and torch.cuda.device_count() >= 2
    kind = "cuda" if two_gpus else "cpu"
    if context.on_gpu and not two_gpus:
        yield Row(SECTION, "two GPUs (NCCL)", verdict=SKIPPED, why="there is one GPU; two processes run on the CPU")
    name = "two processes (NCCL)" if two_gpus else "two processes on the CPU (Gloo)"
    yield from context.guarded(SECTION, name, _two(context, name, kind))


def _two(context: Context, name: str, kind: str) -> Iterator[Row]:
    with short_runs.faces(context.quick) as data, tempfile.TemporaryDirectory(prefix="linkgan-selftest-") as temporary:
        folder = Path(temporary)
        # Without links: each process perturbs other axes.
        made = short_runs.options(data, context.quick, links=0, gpus=2)
        (folder / "options.json").write_text(json.dumps(made), encoding="utf-8")
        command = [sys.executable, *TORCHRUN, "-m", f"{__package__}.ranks", str(folder / "options.json")]
        done = run(
            [*command, str(folder / "two"), kind],
            min(_SECONDS, context.seconds_left),
            environment={"OMP_NUM_THREADS": "1"},
        )
        context.tick(1)
        if done.status != 0:
            yield Row(SECTION, name, verdict=SKIPPED if done.status is None else FAILED, why=_reason(done))
            return
        yield _all_reduce(name, kind, done)
        alone = short_runs.options(data, context.quick, links=0, batch_gpu=short_runs.BATCH // 2)
        short_runs.train(alone, folder / "one", torch.device(kind), step=context.step)
        one, two = short_runs.tensors(folder / "one"), short_runs.tensors(folder / "two")
        error, tensor = short_runs.closeness(one, two, [key for key in one if key.startswith("networks.")])
        verdict, why = within(error, _TOLERANCE, "")
        yield Row(SECTION, f"{name}, weights against one process", error, "", verdict, f"{tensor}: {why}")


def _reason(done: Done) -> str:
    """Return the first error of a rank, `SomeError: message`; torchrun's own messages come after it."""
    found = re.search(r"^(?:\[rank\d+\]:\s*)?([\w.]*Error: .+)$", done.err, re.MULTILINE)
    return found[1] if found and done.status is not None else done.reason


def _all_reduce(name: str, kind: str, done: Done) -> Row:
    found = next(json.loads(line) for line in done.out.splitlines() if line.startswith("{"))
    gigabytes = 4 * NUMBERS[kind] / 1e9
    verdict, why = (OK, "") if found["right"] else (FAILED, "the sum over both processes is wrong")
    return Row(SECTION, f"{name}, all-reduce", gigabytes / found["seconds"], "GB/s", verdict, why)
