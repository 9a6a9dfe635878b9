"""Statistics reported from anywhere, summed over ranks. All ranks must report the same names in the same order."""

import re

import torch

_here = {"rank": 0, "device": None}
_sums = {}  # name -> number, sum and sum of squares of what was reported


def init_multiprocessing(rank, sync_device):
    _here.update(rank=rank, device=sync_device)


def report(name, value):
    numbers = torch.as_tensor(value).detach().double().cpu().reshape(-1, 1)
    powers = numbers ** torch.arange(3)
    _sums[name] = _sums.get(name, 0) + powers.sum(0)
    return value


def report0(name, value):
    return report(name, value if _here["rank"] == 0 else torch.zeros(0))


class Collector:
    """Means of what was reported between two updates, of the names that match; there is one collector at a time."""

    def __init__(self, regex=".*"):
        self.wanted, self.latest = re.compile(regex), {}

    def update(self):
        names = list(filter(self.wanted.fullmatch, _sums))
        sums = torch.stack([_sums.pop(name) for name in names])
        if _here["device"] is not None:
            torch.distributed.all_reduce(sums)
        self.latest = dict(zip(names, sums.tolist(), strict=True))

    def as_dict(self):
        return {name: _summary(*sums) for name, sums in self.latest.items() if sums[0]}


def _summary(number, total, squares):
    mean = total / number
    return {"num": int(number), "mean": mean, "std": abs(squares / number - mean * mean) ** 0.5}
