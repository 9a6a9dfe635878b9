"""Calculate metrics of a network pickle."""

import copy
import os
import tempfile

import click
import dnnlib
import legacy
import torch
from metrics import metric_main, metric_utils
from torch_utils import misc, training_stats


def subprocess_fn(rank, args, temp_dir):
    if args.num_gpus > 1:
        method = f"file://{os.path.abspath(os.path.join(temp_dir, 'meeting'))}"
        torch.distributed.init_process_group(backend="nccl", init_method=method, rank=rank, world_size=args.num_gpus)
    device = torch.device("cuda", rank)
    training_stats.init_multiprocessing(rank=rank, sync_device=device if args.num_gpus > 1 else None)
    G = copy.deepcopy(args.G).eval().requires_grad_(False).to(device)
    if rank == 0 and args.verbose:
        misc.print_module_summary(
            G, [torch.empty([1, G.z_dim], device=device), torch.empty([1, G.c_dim], device=device)]
        )
    for metric in args.metrics:
        result_dict = metric_main.calc_metric(
            metric=metric,
            G=G,
            dataset_kwargs=args.dataset_kwargs,
            num_gpus=args.num_gpus,
            rank=rank,
            device=device,
            progress=metric_utils.ProgressMonitor(verbose=args.verbose),
        )
        if rank == 0:
            metric_main.report_metric(result_dict, run_dir=args.run_dir, snapshot_pkl=args.network_pkl)


def parse_comma_separated_list(s):
    return s if isinstance(s, list) else [] if s in (None, "", "none") else s.split(",")


@click.command()
@click.pass_context
@click.option("network_pkl", "--network", metavar="PATH", required=True)
@click.option("--metrics", type=parse_comma_separated_list, default="brightness16")
@click.option("--data", metavar="[ZIP|DIR]")
@click.option("--gpus", type=int, default=1)
@click.option("--verbose", type=bool, default=True)
def calc_metrics(ctx, network_pkl, metrics, data, gpus, verbose):
    """Calculate metrics of a network pickle."""
    dnnlib.util.Logger(should_flush=True)
    args = dnnlib.EasyDict(metrics=metrics, num_gpus=gpus, network_pkl=network_pkl, verbose=verbose)
    if not all(metric_main.is_valid_metric(metric) for metric in args.metrics):
        ctx.fail("\n".join(["--metrics can only contain the following values:", *metric_main.list_valid_metrics()]))
    if not os.path.isfile(network_pkl):
        ctx.fail("--network must point to a file or URL")
    with dnnlib.util.open_url(network_pkl) as f:
        network_dict = legacy.load_network_pkl(f)
        args.G = network_dict['G_ema']  # fmt: skip
    args.dataset_kwargs = dnnlib.EasyDict(
        network_dict["training_set_kwargs"] or {"class_name": "training.dataset.ImageFolderDataset", "path": data}
    )
    folder = os.path.dirname(network_pkl)
    args.run_dir = folder if os.path.isfile(os.path.join(folder, "training_options.json")) else None
    torch.multiprocessing.set_start_method("spawn")
    with tempfile.TemporaryDirectory() as temp_dir:
        if args.num_gpus == 1:
            subprocess_fn(rank=0, args=args, temp_dir=temp_dir)
        else:
            torch.multiprocessing.spawn(fn=subprocess_fn, args=(args, temp_dir), nprocs=args.num_gpus)


if __name__ == "__main__":
    calc_metrics()
