"""What the machine is: versions, device, memory and tools, and nothing that identifies its user."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

from ..metrics.record import versions
from .context import Context
from .rows import SKIPPED, WARN, Row

SECTION = "machine"
_GIB = 2**30


def rows(context: Context) -> Iterator[Row]:
    """Yield the facts of the machine and of the device."""
    for name, version in versions().items():
        yield Row(SECTION, name, version)
    yield Row(SECTION, "system", f"{platform.system()} {platform.machine()}")
    yield Row(SECTION, "CPU", cpu_name())
    yield Row(SECTION, "CPU instructions", torch.backends.cpu.get_cpu_capability())
    yield Row(SECTION, "cores", f"{psutil.cpu_count(logical=False) or '?'} ({psutil.cpu_count()} threads)")
    yield Row(SECTION, "torch threads", float(torch.get_num_threads()))
    yield Row(SECTION, "memory", psutil.virtual_memory().total / _GIB, "GiB")
    yield _load()
    yield _ffmpeg()
    yield Row(SECTION, "CUDA of torch", torch.version.cuda or "none")
    if context.on_gpu:
        yield from _gpu(context.device)
    else:
        yield Row(SECTION, "GPU", verdict=SKIPPED, why="the CPU was tested; with a GPU, give --device cuda")


def cpu_name() -> str:
    """Return the processor's name."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or "unknown"


def _load() -> Row:
    """Return whether other work runs on the machine, which makes times longer."""
    load, cores = psutil.getloadavg()[0], psutil.cpu_count() or 1
    busy = load > 0.5 * cores
    why = "other work runs on this machine, so times are longer than they could be" if busy else ""
    return Row(SECTION, "load before", load, "processes", WARN if busy else "ok", why)


def _ffmpeg() -> Row:
    import imageio_ffmpeg

    try:
        return Row(SECTION, "ffmpeg", imageio_ffmpeg.get_ffmpeg_version())
    except (RuntimeError, OSError):
        return Row(SECTION, "ffmpeg", verdict=WARN, why="no ffmpeg was found; videos cannot be written")


def _gpu(device: torch.device) -> Iterator[Row]:
    found = torch.cuda.get_device_properties(device)
    yield Row(SECTION, "GPU", found.name)
    yield Row(SECTION, "GPUs", float(torch.cuda.device_count()))
    yield Row(SECTION, "GPU memory", found.total_memory / _GIB, "GiB")
    free, total = torch.cuda.mem_get_info(device)
    busy = free < 0.8 * total
    why = "other work uses this GPU's memory; times are longer than they could be" if busy else ""
    yield Row(SECTION, "GPU memory free", free / _GIB, "GiB", WARN if busy else "ok", why)
    yield Row(SECTION, "multiprocessors", float(found.multi_processor_count))
    yield Row(SECTION, "compute capability", f"{found.major}.{found.minor}")
    supported = [name for name in torch.cuda.get_arch_list() if name.startswith("sm_")]
    yield Row(SECTION, "torch is built for", " ".join(supported))
    yield Row(SECTION, "driver", driver() or "unknown")
    yield Row(SECTION, "cuDNN", str(torch.backends.cudnn.version()))
    yield Row(SECTION, "TF32", "yes" if found.major >= 8 else "no")
    yield Row(SECTION, "bfloat16", "yes" if torch.cuda.is_bf16_supported() else "no")


def driver() -> str | None:
    """Return the version of the NVIDIA driver; None where nvidia-smi does not say."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(done.stdout.split()), None)
