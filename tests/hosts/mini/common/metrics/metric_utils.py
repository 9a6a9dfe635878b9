"""What a metric is called with."""

from dataclasses import dataclass, field
from typing import Any

import dnnlib


@dataclass
class ProgressMonitor:
    tag: str | None = None
    num_items: int | None = None
    verbose: bool = False

    def update(self, cur_items):
        assert self.num_items is None or self.num_items >= cur_items
        if self.verbose:
            print(f"{self.tag}: {cur_items} of {self.num_items}")

    def sub(self, tag=None, num_items=None):
        return ProgressMonitor(tag, num_items, self.verbose)


@dataclass
class MetricOptions:
    G: Any = None
    G_kwargs: dict = field(default_factory=dict)
    dataset_kwargs: dict = field(default_factory=dict)
    num_gpus: int = 1
    rank: int = 0
    device: Any = "cuda"
    progress: ProgressMonitor | None = None
    cache: bool = True

    def __post_init__(self):
        self.dataset_kwargs = dnnlib.EasyDict(self.dataset_kwargs)
        if self.rank or self.progress is None:
            self.progress = ProgressMonitor()
