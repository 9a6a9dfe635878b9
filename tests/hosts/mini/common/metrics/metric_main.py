"""The metric runner: functions by name, entered by a decorator."""

import copy
import json
import time
from pathlib import Path

import dnnlib
import torch

from .metric_utils import MetricOptions

_by_name = {}


def register_metric(fn):
    return _by_name.setdefault(fn.__name__, fn)


def is_valid_metric(metric):
    return metric in _by_name


def list_valid_metrics():
    return sorted(_by_name)


def calc_metric(metric, **kwargs):
    """Run a metric, on all ranks at once; the first rank's numbers become everyone's."""
    began, opts = time.monotonic(), MetricOptions(**kwargs)
    found = _by_name[metric](opts)
    numbers = torch.tensor([float(found[key]) for key in found], dtype=torch.float64, device=opts.device)
    if opts.num_gpus > 1:
        torch.distributed.broadcast(numbers, 0)
    results = dnnlib.EasyDict(zip(found, numbers.tolist(), strict=True))
    seconds = time.monotonic() - began
    took = {"total_time": seconds, "total_time_str": dnnlib.util.format_time(seconds)}
    return dnnlib.EasyDict(metric=metric, results=results, num_gpus=opts.num_gpus, **took)


def report_metric(result_dict, run_dir=None, snapshot_pkl=None):
    snapshot = snapshot_pkl and Path(snapshot_pkl).name
    text = json.dumps({**result_dict, "snapshot_pkl": snapshot, "timestamp": time.time()})
    print(text)
    if run_dir:
        with Path(run_dir, f"metric-{result_dict.metric}.jsonl").open("a") as file:
            print(text, file=file)


@register_metric
def brightness16(opts):
    """The mean of 16 images: a metric of the host's own."""
    network = copy.deepcopy(opts.G).to(opts.device)
    z = torch.randn(16, network.z_dim, generator=torch.Generator().manual_seed(0))
    shown = network(z.to(opts.device), torch.zeros(16, network.c_dim, device=opts.device))
    return {"brightness16": shown["image"].mean() if isinstance(shown, dict) else shown.mean()}
