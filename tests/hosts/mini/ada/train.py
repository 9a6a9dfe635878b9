"""Train a GAN: the command of the stylegan2-ada-pytorch dialect."""

import json
import os
import re
import tempfile

import click
import dnnlib
import torch
from metrics import metric_main
from torch_utils import training_stats
from training import training_loop


class UserError(Exception):
    pass


def setup_training_loop_kwargs(
    gpus=None,
    snap=None,
    metrics=None,
    seed=None,
    data=None,
    cond=None,
    cfg=None,
    gamma=None,
    kimg=None,
    batch=None,
    aug=None,
    p=None,
    resume=None,
    workers=None,
):
    args = dnnlib.EasyDict()
    args.num_gpus = gpus or 1
    if args.num_gpus & (args.num_gpus - 1):
        raise UserError("--gpus must be a power of two")
    args.image_snapshot_ticks = args.network_snapshot_ticks = snap or 50
    args.metrics = ["brightness16"] if metrics is None else metrics
    if not all(metric_main.is_valid_metric(metric) for metric in args.metrics):
        names = metric_main.list_valid_metrics()
        raise UserError("\n".join(["--metrics can only contain the following values:", *names]))
    args.random_seed = seed or 0
    args.training_set_kwargs = dnnlib.EasyDict(
        class_name="training.dataset.ImageFolderDataset", path=data, use_labels=True, max_size=None, xflip=False
    )
    args.data_loader_kwargs = dnnlib.EasyDict(pin_memory=True, num_workers=3 if workers is None else workers)
    try:
        dataset = dnnlib.util.construct_class_by_name(**args.training_set_kwargs)
    except OSError as err:
        raise UserError(f"--data: {err}") from err
    args.training_set_kwargs.update(resolution=dataset.resolution, max_size=len(dataset), use_labels=bool(cond))
    if cond and not dataset.has_labels:
        raise UserError("--cond=True requires labels specified in dataset.json")

    args.G_kwargs = dnnlib.EasyDict(
        class_name="training.networks.Generator",
        z_dim=32,
        w_dim=32,
        mapping_kwargs=dnnlib.EasyDict(num_layers=2),
        synthesis_kwargs=dnnlib.EasyDict(channel_base=256, channel_max=16),
    )
    args.D_kwargs = dnnlib.EasyDict(class_name="training.networks.Discriminator", channel_base=256, channel_max=16)
    args.G_opt_kwargs = dnnlib.EasyDict(class_name="torch.optim.Adam", lr=0.002, betas=[0, 0.99], eps=1e-8)
    args.D_opt_kwargs = dnnlib.EasyDict(class_name="torch.optim.Adam", lr=0.002, betas=[0, 0.99], eps=1e-8)
    args.loss_kwargs = dnnlib.EasyDict(class_name="training.loss.StyleGAN2Loss", r1_gamma=1 if gamma is None else gamma)
    args.total_kimg = 25000 if kimg is None else kimg
    args.batch_size = batch or 8
    args.batch_gpu = args.batch_size // args.num_gpus
    args.ema_kimg = args.batch_size * 10 / 32
    if aug == "fixed":
        if p is None:
            raise UserError("--aug=fixed requires specifying --p")
        args.augment_kwargs, args.augment_p = dnnlib.EasyDict(class_name="training.augment.AugmentPipe"), p
    if resume is not None:
        args.resume_pkl = resume
    return f"{dataset.name}-{cfg or 'auto'}", args


def subprocess_fn(rank, args, temp_dir):
    dnnlib.util.Logger(file_name=os.path.join(args.run_dir, "log.txt"), file_mode="a", should_flush=True)
    if args.num_gpus > 1:
        method = f"file://{os.path.abspath(os.path.join(temp_dir, 'meeting'))}"
        torch.distributed.init_process_group(backend="nccl", init_method=method, rank=rank, world_size=args.num_gpus)
    sync_device = torch.device("cuda", rank) if args.num_gpus > 1 else None
    training_stats.init_multiprocessing(rank=rank, sync_device=sync_device)
    training_loop.training_loop(rank=rank, **args)


class CommaSeparatedList(click.ParamType):
    name = "list"

    def convert(self, value, param, ctx):
        return [] if value in (None, "", "none") else value.split(",")


@click.command()
@click.pass_context
@click.option("--outdir", required=True, metavar="DIR")
@click.option("--gpus", type=int, metavar="INT")
@click.option("--snap", type=int, metavar="INT")
@click.option("--metrics", type=CommaSeparatedList())
@click.option("--seed", type=int, metavar="INT")
@click.option("-n", "--dry-run", is_flag=True)
@click.option("--data", metavar="PATH", required=True)
@click.option("--cond", type=bool, metavar="BOOL")
@click.option("--cfg", type=click.Choice(["auto", "stylegan2", "paper256", "cifar"]))
@click.option("--gamma", type=float)
@click.option("--kimg", type=float, metavar="INT")
@click.option("--batch", type=int, metavar="INT")
@click.option("--aug", type=click.Choice(["noaug", "ada", "fixed"]))
@click.option("--p", type=float)
@click.option("--resume", metavar="PKL")
@click.option("--workers", type=int, metavar="INT")
def main(ctx, outdir, dry_run, **config_kwargs):
    """Train a GAN."""
    dnnlib.util.Logger(should_flush=True)
    try:
        run_desc, args = setup_training_loop_kwargs(**config_kwargs)
    except UserError as err:
        ctx.fail(err)
    runs = [re.match(r"^\d+", name) for name in (os.listdir(outdir) if os.path.isdir(outdir) else [])]
    number = max([int(run.group()) for run in runs if run], default=-1) + 1
    args.run_dir = os.path.join(outdir, f"{number:05d}-{run_desc}")
    print("Training options:")
    print(json.dumps(args, indent=2))
    if dry_run:
        print("Dry run; exiting.")
        return
    os.makedirs(args.run_dir)
    with open(os.path.join(args.run_dir, "training_options.json"), "w") as f:
        json.dump(args, f, indent=2)
    torch.multiprocessing.set_start_method("spawn")
    with tempfile.TemporaryDirectory() as temp_dir:
        if args.num_gpus == 1:
            subprocess_fn(rank=0, args=args, temp_dir=temp_dir)
        else:
            torch.multiprocessing.spawn(fn=subprocess_fn, args=(args, temp_dir), nprocs=args.num_gpus)


if __name__ == "__main__":
    main()
