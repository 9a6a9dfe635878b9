"""Train a GAN: the command of the stylegan3 dialect."""

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


def subprocess_fn(rank, c, temp_dir):
    dnnlib.util.Logger(file_name=os.path.join(c.run_dir, "log.txt"), file_mode="a", should_flush=True)
    if c.num_gpus > 1:
        method = f"file://{os.path.abspath(os.path.join(temp_dir, 'meeting'))}"
        torch.distributed.init_process_group(backend="nccl", init_method=method, rank=rank, world_size=c.num_gpus)
    sync_device = torch.device("cuda", rank) if c.num_gpus > 1 else None
    training_stats.init_multiprocessing(rank=rank, sync_device=sync_device)
    training_loop.training_loop(rank=rank, **c)


def launch_training(c, desc, outdir, dry_run):
    dnnlib.util.Logger(should_flush=True)
    runs = [re.match(r"^\d+", name) for name in (os.listdir(outdir) if os.path.isdir(outdir) else [])]
    number = max([int(run.group()) for run in runs if run], default=-1) + 1
    c.run_dir = os.path.join(outdir, f"{number:05d}-{desc}")
    print("Training options:")
    print(json.dumps(c, indent=2))
    if dry_run:
        print("Dry run; exiting.")
        return
    os.makedirs(c.run_dir)
    with open(os.path.join(c.run_dir, "training_options.json"), "w") as f:
        json.dump(c, f, indent=2)
    torch.multiprocessing.set_start_method("spawn")
    with tempfile.TemporaryDirectory() as temp_dir:
        if c.num_gpus == 1:
            subprocess_fn(rank=0, c=c, temp_dir=temp_dir)
        else:
            torch.multiprocessing.spawn(fn=subprocess_fn, args=(c, temp_dir), nprocs=c.num_gpus)


def init_dataset_kwargs(data):
    try:
        kwargs = dnnlib.EasyDict(
            class_name="training.dataset.ImageFolderDataset", path=data, use_labels=True, max_size=None, xflip=False
        )
        dataset = dnnlib.util.construct_class_by_name(**kwargs)
        kwargs.update(resolution=dataset.resolution, use_labels=dataset.has_labels, max_size=len(dataset))
        return kwargs, dataset.name
    except OSError as err:
        raise click.ClickException(f"--data: {err}") from err


def parse_comma_separated_list(s):
    return s if isinstance(s, list) else [] if s in (None, "", "none") else s.split(",")


@click.command()
@click.option("--outdir", metavar="DIR", required=True)
@click.option("--cfg", type=click.Choice(["stylegan3-t", "stylegan3-r", "stylegan2"]), required=True)
@click.option("--data", metavar="[ZIP|DIR]", type=str, required=True)
@click.option("--gpus", metavar="INT", type=click.IntRange(min=1), required=True)
@click.option("--batch", metavar="INT", type=click.IntRange(min=1), required=True)
@click.option("--gamma", metavar="FLOAT", type=click.FloatRange(min=0), required=True)
@click.option("--cond", metavar="BOOL", type=bool, default=False)
@click.option("--aug", type=click.Choice(["noaug", "ada", "fixed"]), default="ada")
@click.option("--p", metavar="FLOAT", type=click.FloatRange(min=0, max=1), default=0.2)
@click.option("--resume", metavar="[PATH|URL]", type=str)
@click.option("--batch-gpu", metavar="INT", type=click.IntRange(min=1))
@click.option("--cbase", metavar="INT", type=click.IntRange(min=1), default=256)
@click.option("--cmax", metavar="INT", type=click.IntRange(min=1), default=16)
@click.option("--map-depth", metavar="INT", type=click.IntRange(min=1), default=2)
@click.option("--mbstd-group", metavar="INT", type=click.IntRange(min=1), default=2)
@click.option("--metrics", metavar="[NAME|A,B,C|none]", type=parse_comma_separated_list, default="brightness16")
@click.option("--kimg", metavar="KIMG", type=float, default=25000)
@click.option("--tick", metavar="KIMG", type=float, default=4)
@click.option("--snap", metavar="TICKS", type=click.IntRange(min=1), default=50)
@click.option("--seed", metavar="INT", type=click.IntRange(min=0), default=0)
@click.option("--workers", metavar="INT", type=click.IntRange(min=0), default=3)
@click.option("-n", "--dry-run", is_flag=True)
def main(**kwargs):
    """Train a GAN."""
    opts = dnnlib.EasyDict(kwargs)
    c = dnnlib.EasyDict()
    c.G_kwargs = dnnlib.EasyDict(class_name=None, z_dim=32, w_dim=32, mapping_kwargs=dnnlib.EasyDict())
    c.D_kwargs = dnnlib.EasyDict(class_name="training.networks_stylegan2.Discriminator")
    c.G_opt_kwargs = dnnlib.EasyDict(class_name="torch.optim.Adam", betas=[0, 0.99], eps=1e-8)
    c.D_opt_kwargs = dnnlib.EasyDict(class_name="torch.optim.Adam", betas=[0, 0.99], eps=1e-8, lr=0.002)
    c.loss_kwargs = dnnlib.EasyDict(class_name="training.loss.StyleGAN2Loss", r1_gamma=opts.gamma)
    c.data_loader_kwargs = dnnlib.EasyDict(pin_memory=True, num_workers=opts.workers)
    c.training_set_kwargs, dataset_name = init_dataset_kwargs(data=opts.data)
    if opts.cond and not c.training_set_kwargs.use_labels:
        raise click.ClickException("--cond=True requires labels specified in dataset.json")
    c.training_set_kwargs.use_labels = opts.cond
    c.num_gpus, c.batch_size = opts.gpus, opts.batch
    c.batch_gpu = opts.batch_gpu or opts.batch // opts.gpus
    c.G_kwargs.channel_base = c.D_kwargs.channel_base = opts.cbase
    c.G_kwargs.channel_max = c.D_kwargs.channel_max = opts.cmax
    c.G_kwargs.mapping_kwargs.num_layers = opts.map_depth
    c.metrics = opts.metrics
    c.total_kimg, c.kimg_per_tick = opts.kimg, opts.tick
    c.image_snapshot_ticks = c.network_snapshot_ticks = opts.snap
    c.random_seed = c.training_set_kwargs.random_seed = opts.seed
    if c.batch_size % (c.num_gpus * c.batch_gpu) != 0:
        raise click.ClickException("--batch must be a multiple of --gpus times --batch-gpu")
    if any(not metric_main.is_valid_metric(metric) for metric in c.metrics):
        names = metric_main.list_valid_metrics()
        raise click.ClickException("\n".join(["--metrics can only contain the following values:", *names]))

    c.ema_kimg = c.batch_size * 10 / 32
    if opts.cfg == "stylegan2":
        c.G_kwargs.class_name = "training.networks_stylegan2.Generator"
        c.loss_kwargs.update(style_mixing_prob=0.9, pl_weight=2)
        c.G_reg_interval = 4
        c.G_opt_kwargs.lr = 0.002
    else:
        c.G_kwargs.class_name = "training.networks_stylegan3.Generator"
        c.G_kwargs.magnitude_ema_beta = 0.5 ** (c.batch_size / (20 * 1e3))
        c.G_opt_kwargs.lr = 0.0025
        if opts.cfg == "stylegan3-r":
            c.G_kwargs.conv_kernel = 1
    if opts.aug == "fixed":
        c.augment_kwargs, c.augment_p = dnnlib.EasyDict(class_name="training.augment.AugmentPipe"), opts.p
    if opts.resume is not None:
        c.resume_pkl = opts.resume
    desc = f"{opts.cfg:s}-{dataset_name:s}-gpus{c.num_gpus:d}-batch{c.batch_size:d}-gamma{c.loss_kwargs.r1_gamma:g}"
    launch_training(c=c, desc=desc, outdir=opts.outdir, dry_run=opts.dry_run)


if __name__ == "__main__":
    main()
