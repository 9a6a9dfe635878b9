"""Statistics that any code in a training step can report, averaged per tick over all processes."""

from __future__ import annotations

import math
import re
from typing import Any

import torch

from training_loops import processes

_rank = 0
_sync_device: torch.device | None = None
_counters: dict[str, dict[torch.device, torch.Tensor]] = {}  # name -> device -> [num, sum, sum of squares]
_totals: dict[str, torch.Tensor] = {}  # the same over all devices and ranks, float64 on the CPU


def init_multiprocessing(rank: int, sync_device: torch.device | None) -> None:
    """Set this process's rank and the device used to exchange sums; None disables the exchange.

    Call after ``torch.distributed.init_process_group`` and before the first ``Collector.update``.
    """
    global _rank, _sync_device
    _rank = rank
    _sync_device = sync_device


def report(name: str, value: Any) -> Any:
    """Add the scalars in `value` (number, sequence, array or tensor of any shape) to the statistic `name`.

    Returns `value`. A name that any process reports exists in all of them after the next update; an empty list
    reports a name without scalars.
    """
    by_device = _counters.setdefault(name, {})
    # Python numbers are stored as float64: a count of images would lose its last digits in float32.
    scalars = (value if isinstance(value, torch.Tensor) else torch.as_tensor(value, dtype=torch.float64)).detach()
    if scalars.numel() == 0:
        return value
    # (n, sum x, sum x^2): they add up over calls, devices and processes, and give mean and deviation.
    flat = scalars.flatten().to(torch.float64)
    moments = torch.stack([torch.full_like(flat[0], flat.numel()), flat.sum(), flat.square().sum()])
    counter = by_device.get(moments.device)
    if counter is None:
        by_device[moments.device] = moments.to(torch.float64)
    else:
        counter.add_(moments)
    return value


def report0(name: str, value: Any) -> Any:
    """Report from rank 0 only; the scalars of other ranks are ignored. Returns `value`."""
    mine = value if _rank == 0 else []
    report(name, mine)
    return value


class Collector:
    """Averages of the statistics reported between its last two calls of ``update``.

    `regex` must match the whole name. With `keep_previous` a statistic without reports in a round keeps the values of
    the previous round.
    """

    def __init__(self, regex: str = ".*", keep_previous: bool = True) -> None:
        self._pattern = re.compile(regex)
        self._keeps = keep_previous
        self._seen: dict[str, torch.Tensor] = {}
        self._moments: dict[str, torch.Tensor] = {}
        self.update()
        self._moments.clear()

    def names(self) -> list[str]:
        """Return the matching names reported so far, in the order of their first report."""
        return [*filter(self._pattern.fullmatch, _counters)]

    def update(self) -> None:
        """Collect everything reported since the last call, in all processes."""
        if not self._keeps:
            self._moments.clear()
        for name, total in _sync(self.names()).items():
            delta = total - self._seen.get(name, 0.0)
            self._seen[name] = total.clone()
            if float(delta[0]) != 0:
                self._moments[name] = delta

    def num(self, name: str) -> int:
        """Return the number of scalars in the last round."""
        return int(self._moments[name][0]) if name in self._moments else 0

    def mean(self, name: str) -> float:
        """Return their mean, or NaN without scalars."""
        if self.num(name) == 0:
            return math.nan
        moments = self._moments[name]
        return float(moments[1] / moments[0])

    def std(self, name: str) -> float:
        """Return their population standard deviation, or NaN without scalars."""
        num = self.num(name)
        mean = self.mean(name)
        if num == 0 or not math.isfinite(mean):
            return math.nan
        if num == 1:
            return 0.0
        moments = self._moments[name]
        # sigma^2 = E[x^2] - E[x]^2; may be slightly negative by rounding
        return math.sqrt(max(float(moments[2] / moments[0]) - mean * mean, 0.0))

    def as_dict(self) -> dict[str, dict[str, float]]:
        """``{name: {"num": int, "mean": float, "std": float}}`` for every matching name."""
        return {n: {"num": self.num(n), "mean": self.mean(n), "std": self.std(n)} for n in self.names()}

    def __getitem__(self, name: str) -> float:
        return self.mean(name)


def _sync(names: list[str]) -> dict[str, torch.Tensor]:
    """Add the per-device counters to the totals of all processes; return those of `names` of any process."""
    if _sync_device is not None:
        everyone = processes.gathered(names, torch.distributed.get_world_size())
        names = list(dict.fromkeys(name for each in everyone for name in each))
    if not names:
        return {}
    device = _sync_device or torch.device("cpu")
    deltas = torch.zeros([len(names), 3], dtype=torch.float64, device=device)
    for row, name in zip(deltas, names, strict=True):
        for counter in _counters.setdefault(name, {}).values():
            row.add_(counter.to(device))
            counter.zero_()
    if _sync_device is not None:
        processes.add_up(deltas)
    for name, delta in zip(names, deltas.cpu(), strict=True):
        _totals[name] = _totals.get(name, torch.zeros(3, dtype=torch.float64)) + delta
    return {name: _totals[name] for name in names}
