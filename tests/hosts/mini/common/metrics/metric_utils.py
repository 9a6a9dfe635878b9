"""What a metric is called with."""

import dnnlib
import torch


class MetricOptions:
    def __init__(self, G=None, G_kwargs=None, dataset_kwargs=None, num_gpus=1, rank=0, device=None, progress=None):
        self.G, self.G_kwargs = G, dnnlib.EasyDict(G_kwargs or {})
        self.dataset_kwargs = dnnlib.EasyDict(dataset_kwargs or {})
        self.num_gpus, self.rank = num_gpus, rank
        self.device = device if device is not None else torch.device("cuda", rank)
        self.progress = progress if progress is not None and rank == 0 else ProgressMonitor()
        self.cache = True


class ProgressMonitor:
    def __init__(self, tag=None, num_items=None, verbose=False):
        self.tag, self.num_items, self.verbose = tag, num_items, verbose

    def update(self, cur_items):
        assert self.num_items is None or cur_items <= self.num_items
        if self.verbose:
            print(self.tag, cur_items)

    def sub(self, tag=None, num_items=None):
        return ProgressMonitor(tag, num_items, self.verbose)
