"""Measure a network pickle."""

import copy
from pathlib import Path

import click
import commands
import dnnlib
import legacy
from metrics import metric_main, metric_utils


def measure(rank, meeting, job):
    with commands.together(rank, meeting, job.num_gpus) as device:
        network = copy.deepcopy(job.G).to(device).requires_grad_(False).eval()
        setting = {"dataset_kwargs": job.data, "num_gpus": job.num_gpus, "rank": rank, "device": device}
        for name in job.metrics:
            monitor = metric_utils.ProgressMonitor(verbose=job.verbose)
            numbers = metric_main.calc_metric(metric=name, G=network, progress=monitor, **setting)
            if not rank:
                metric_main.report_metric(numbers, job.folder, job.snapshot)


@click.command()
@commands.flags("network", network=str, metrics=commands.names, data=str, gpus=int, verbose=bool)
@click.pass_context
def main(context, network, metrics, data, gpus, verbose):
    """Measure a network pickle."""
    dnnlib.util.Logger()
    job = dnnlib.EasyDict(snapshot=network, metrics=metrics or ["brightness16"], num_gpus=gpus or 1)
    job.verbose = verbose is not False
    try:
        commands.check_metrics(job.metrics)
        with dnnlib.util.open_url(network) as file:
            found = legacy.load_network_pkl(file)
    except (commands.UserError, OSError) as problem:
        context.fail(str(problem))
    job.G = found['G_ema']  # fmt: skip
    job.data = found["training_set_kwargs"] or {"class_name": "training.dataset.ImageFolderDataset", "path": data}
    beside = Path(network).with_name("training_options.json")
    job.folder = str(beside.parent) if beside.exists() else None
    commands.on_each_gpu(measure, job.num_gpus, job)


if __name__ == "__main__":
    main()
