"""Peak memory of tensors over a period: read from CUDA's allocator, or counted on the CPU by the profiler."""

from __future__ import annotations

import gc
import json
import os
import tempfile
from pathlib import Path

import torch


class PeakMemory:
    """Measures the peak bytes of all tensors on a device between `start` and `stop`.

    On the CPU, allocations of PyTorch's allocator are counted: the process's pages would include the interpreter, its
    libraries and freed memory. Counting slows a step down severalfold, so steps must not be timed and counted
    at once. Gradients that outlive a step are counted only if they were allocated after `start`.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._before = 0
        self._profile: torch.profiler.profile | None = None

    def start(self) -> None:
        """Start a new measurement."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            return
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else the profiler prints to standard error
        self._before = live_bytes()
        cpu = [torch.profiler.ProfilerActivity.CPU]
        self._profile = torch.profiler.profile(activities=cpu, profile_memory=True)
        self._profile.start()

    def stop(self) -> int:
        """Return the peak since `start`, in bytes."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        if self._profile is None:
            raise RuntimeError("stop() before start()")
        self._profile.stop()
        with tempfile.TemporaryDirectory() as folder:
            trace = Path(folder) / "trace.json"
            self._profile.export_chrome_trace(str(trace))
            events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
        self._profile = None
        return self._before + max((e["args"]["Total Allocated"] for e in events if e["name"] == "[memory]"), default=0)


def live_bytes() -> int:
    """Return the bytes of all CPU tensors in this process, each storage counted once.

    Subclasses and symbolic sizes are skipped: torch.export leaves tensors behind that have no memory.
    """
    tensors = [thing for thing in gc.get_objects() if type(thing) in (torch.Tensor, torch.nn.Parameter)]
    storages = {}
    for tensor in tensors:
        if tensor.device.type == "cpu" and tensor.layout == torch.strided:
            storage = tensor.untyped_storage()
            if isinstance(size := storage.nbytes(), int):
                storages[storage.data_ptr()] = size
    return sum(storages.values())
