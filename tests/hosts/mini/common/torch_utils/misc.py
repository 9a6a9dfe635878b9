"""Helpers for samplers and modules."""

import contextlib
import re

import numpy as np
import torch


class InfiniteSampler(torch.utils.data.Sampler):
    """Indices without end; shuffled, each rank its own share."""

    def __init__(self, dataset, rank=0, num_replicas=1, shuffle=True, seed=0):
        super().__init__(dataset)
        self.dataset, self.rank, self.num_replicas, self.shuffle, self.seed = dataset, rank, num_replicas, shuffle, seed

    def __iter__(self):
        random = np.random.RandomState(self.seed)
        position = 0
        while True:
            order = np.arange(len(self.dataset))
            if self.shuffle:
                random.shuffle(order)
            for index in order:
                if position % self.num_replicas == self.rank:
                    yield index
                position += 1


def params_and_buffers(module):
    return [*module.parameters(), *module.buffers()]


def named_params_and_buffers(module):
    return [*module.named_parameters(), *module.named_buffers()]


def copy_params_and_buffers(src_module, dst_module, require_all=False):
    found = dict(named_params_and_buffers(src_module))
    for name, tensor in named_params_and_buffers(dst_module):
        assert name in found or not require_all, name
        if name in found:
            tensor.copy_(found[name].detach()).requires_grad_(tensor.requires_grad)


@contextlib.contextmanager
def ddp_sync(module, sync):
    if sync or not isinstance(module, torch.nn.parallel.DistributedDataParallel):
        yield
    else:
        with module.no_sync():
            yield


def check_ddp_consistency(module, ignore_regex=None):
    for name, tensor in named_params_and_buffers(module):
        full = f"{type(module).__name__}.{name}"
        if ignore_regex is None or not re.fullmatch(ignore_regex, full):
            mine = torch.nan_to_num(tensor.detach())
            first = mine.clone()
            torch.distributed.broadcast(first, src=0)
            assert torch.equal(mine, first), full


def print_module_summary(module, inputs):
    outputs = module(*inputs)
    print(f"{type(module).__name__}: {sum(p.numel() for p in module.parameters())} parameters")
    return outputs
