"""Helpers for samplers and modules."""

import contextlib
import itertools
import re

import numpy as np
import torch


class InfiniteSampler(torch.utils.data.Sampler):
    """Indices without end in an order drawn anew each time round; each rank takes its own share."""

    def __init__(self, dataset, rank=0, num_replicas=1, shuffle=True, seed=0):
        super().__init__(dataset)
        self.size, self.shuffle, self.seed = len(dataset), shuffle, seed
        self.share = slice(rank, None, num_replicas)

    def __iter__(self):
        random = np.random.default_rng(self.seed)
        draw = random.permutation if self.shuffle else np.arange
        endless = itertools.chain.from_iterable(draw(self.size) for _ in itertools.count())
        return itertools.islice(endless, self.share.start, None, self.share.step)


def named_params_and_buffers(module):
    return list(itertools.chain(module.named_parameters(), module.named_buffers()))


def params_and_buffers(module):
    return [tensor for _, tensor in named_params_and_buffers(module)]


@torch.no_grad()
def copy_params_and_buffers(src_module, dst_module, require_all=False):
    source = dict(named_params_and_buffers(src_module))
    for name, target in named_params_and_buffers(dst_module):
        if require_all or name in source:
            target.copy_(source[name])


def ddp_sync(module, sync):
    """Return the context of a call whose gradients are, or are not, averaged over the ranks."""
    wrapped = isinstance(module, torch.nn.parallel.DistributedDataParallel)
    return module.no_sync() if wrapped and not sync else contextlib.nullcontext()


def check_ddp_consistency(module, ignore_regex=None):
    ignored = re.compile(ignore_regex or "(?!)")
    for key, tensor in named_params_and_buffers(module):
        name = f"{type(module).__name__}.{key}"
        if not ignored.fullmatch(name):
            here = tensor.detach().nan_to_num()
            there = here.clone()
            torch.distributed.broadcast(there, 0)
            assert (here == there).all(), name


def print_module_summary(module, inputs):
    result = module(*inputs)
    size = sum(map(torch.numel, module.parameters()))
    print(type(module).__name__, "has", size, "parameters")
    return result
