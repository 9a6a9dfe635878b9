"""The metric runner: a table of functions, filled by a decorator."""

import copy
import json
import os
import time

import dnnlib
import torch

from . import metric_utils

_metrics = {}


def register_metric(fn):
    _metrics[fn.__name__] = fn
    return fn


def is_valid_metric(metric):
    return metric in _metrics


def list_valid_metrics():
    return list(_metrics)


def calc_metric(metric, **kwargs):
    """Run a metric on every rank; the first rank's numbers are everyone's."""
    opts = metric_utils.MetricOptions(**kwargs)
    start = time.time()
    results = _metrics[metric](opts)
    if opts.num_gpus > 1:
        for key in list(results):
            value = torch.as_tensor(results[key], dtype=torch.float64, device=opts.device)
            torch.distributed.broadcast(value, src=0)
            results[key] = float(value)
    total = time.time() - start
    return dnnlib.EasyDict(
        results=dnnlib.EasyDict(results),
        metric=metric,
        total_time=total,
        total_time_str=dnnlib.util.format_time(total),
        num_gpus=opts.num_gpus,
    )


def report_metric(result_dict, run_dir=None, snapshot_pkl=None):
    if run_dir is not None and snapshot_pkl is not None:
        snapshot_pkl = os.path.relpath(snapshot_pkl, run_dir)
    line = json.dumps({**result_dict, "snapshot_pkl": snapshot_pkl, "timestamp": time.time()})
    print(line)
    if run_dir is not None:
        with open(os.path.join(run_dir, f"metric-{result_dict['metric']}.jsonl"), "a") as f:
            f.write(line + "\n")


@register_metric
def brightness16(opts):
    """The mean of 16 images: a metric of the host's own."""
    G = copy.deepcopy(opts.G).eval().requires_grad_(False).to(opts.device)
    z = torch.randn([16, G.z_dim], generator=torch.Generator().manual_seed(0)).to(opts.device)
    c = torch.zeros([16, G.c_dim], device=opts.device)
    images = G(z, c, **opts.G_kwargs)
    images = images["image"] if isinstance(images, dict) else images
    return {"brightness16": float(images.mean())}
