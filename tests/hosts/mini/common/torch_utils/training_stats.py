"""Statistics reported from anywhere, summed over ranks. All ranks must report the same names in the same order."""

import re

import torch

_rank = 0
_sync_device = None
_pending = {}
_totals = {}


def init_multiprocessing(rank, sync_device):
    global _rank, _sync_device
    _rank, _sync_device = rank, sync_device


def report(name, value):
    moments = _pending.setdefault(name, torch.zeros(3, dtype=torch.float64))
    values = torch.as_tensor(value).detach().flatten().to(torch.float64).cpu()
    if values.numel():
        moments += torch.stack([torch.ones_like(values).sum(), values.sum(), values.square().sum()])
    return value


def report0(name, value):
    report(name, value if _rank == 0 else [])
    return value


class Collector:
    """Means of the statistics reported between two updates."""

    def __init__(self, regex=".*"):
        self._regex = re.compile(regex)
        self._seen, self._moments = {}, {}

    def update(self):
        names = [name for name in _pending if self._regex.fullmatch(name)]
        if not names:
            return
        new = torch.stack([_pending[name] for name in names])
        if _sync_device is not None:
            torch.distributed.all_reduce(new)
        for name, delta in zip(names, new, strict=True):
            _pending[name].zero_()
            _totals[name] = _totals.get(name, 0) + delta
            if (difference := _totals[name] - self._seen.get(name, 0))[0] > 0:
                self._moments[name] = difference
            self._seen[name] = _totals[name]

    def as_dict(self):
        result = {}
        for name, (count, total, squares) in ((name, m.tolist()) for name, m in self._moments.items()):
            mean = total / count
            result[name] = {"num": int(count), "mean": mean, "std": max(squares / count - mean**2, 0) ** 0.5}
        return result
