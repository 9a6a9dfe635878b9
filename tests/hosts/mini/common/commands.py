"""What the commands of the miniature hosts share: flags, options, a folder for the run, one process for each GPU."""

import contextlib
import json
import multiprocessing
import os
import tempfile
from pathlib import Path

import click
import dnnlib
import torch
from metrics import metric_main
from torch_utils import training_stats

DEFAULTS = {
    "gpus": 1, "batch": 8, "gamma": 1.0, "kimg": 25000.0, "tick": 4.0, "snap": 50, "seed": 0, "workers": 3,
    "cond": False, "aug": "noaug", "p": 0.2, "cbase": 256, "cmax": 16, "map_depth": 2,
}  # fmt: skip


class UserError(Exception):
    """The flags cannot be followed."""


def names(text):
    """Read a list, commas between its items; `none` is an empty one."""
    return [] if text == "none" else [name for name in text.split(",") if name]


# Those that all training commands have, and what reads them.
FLAGS = {
    **dict.fromkeys(("outdir", "data", "resume"), str),
    **dict.fromkeys(("gpus", "batch", "snap", "seed", "workers"), int),
    **dict.fromkeys(("gamma", "kimg", "p"), float),
    "cond": bool,
    "metrics": names,
    "aug": click.Choice(["noaug", "ada", "fixed"]),
}


def flags(*needed, **kinds):
    """Return a decorator that gives a command its flags, name -> type; some are needed."""

    def decorate(command):
        for name, kind in kinds.items():
            command = click.option("--" + name, type=kind, required=name in needed)(command)
        return command

    return decorate


def check_metrics(metrics):
    unknown = set(metrics) - {name for name in metrics if metric_main.is_valid_metric(name)}
    if unknown:
        known = " ".join(metric_main.list_valid_metrics())
        raise UserError(f"--metrics: no {' '.join(unknown)} here, only {known}")


def training_options(given, **defaults):
    """Return the options that all dialects have, what the flags were read as, and the name of the data."""
    flag = dnnlib.EasyDict({**DEFAULTS, **defaults, **{k: v for k, v in given.items() if v is not None}})
    data = dnnlib.EasyDict(class_name="training.dataset.ImageFolderDataset", path=flag.data, use_labels=True)
    try:
        found = dnnlib.util.construct_class_by_name(**data)
    except OSError as problem:
        raise UserError(f"--data: {problem}") from problem
    if flag.cond and not found.has_labels:
        raise UserError("--cond: these data have no labels")
    metrics = flag.get("metrics", ["brightness16"])
    check_metrics(metrics)
    data.update(use_labels=flag.cond, resolution=found.resolution, max_size=len(found), random_seed=flag.seed)
    adam = {"class_name": "torch.optim.Adam", "lr": 0.002, "eps": 1e-8}
    options = dnnlib.EasyDict(
        num_gpus=flag.gpus,
        batch_size=flag.batch,
        batch_gpu=flag.get("batch_gpu") or flag.batch // flag.gpus,
        metrics=metrics,
        random_seed=flag.seed,
        total_kimg=flag.kimg,
        kimg_per_tick=flag.tick,
        ema_kimg=flag.batch * 0.3,
        image_snapshot_ticks=flag.snap,
        network_snapshot_ticks=flag.snap,
        training_set_kwargs=data,
        data_loader_kwargs=dnnlib.EasyDict(num_workers=flag.workers, pin_memory=True),
        G_kwargs=dnnlib.EasyDict(z_dim=32, w_dim=32, mapping_kwargs=dnnlib.EasyDict(num_layers=flag.map_depth)),
        D_kwargs=dnnlib.EasyDict(channel_base=flag.cbase, channel_max=flag.cmax),
        G_opt_kwargs=dnnlib.EasyDict(adam, betas=[0, 0.99]),
        D_opt_kwargs=dnnlib.EasyDict(adam, betas=[0, 0.99]),
        loss_kwargs=dnnlib.EasyDict(class_name="training.loss.StyleGAN2Loss", r1_gamma=flag.gamma),
    )
    if options.batch_size % (options.num_gpus * options.batch_gpu):
        raise UserError("--batch does not divide evenly among GPUs and microbatches")
    if flag.aug == "fixed":
        options.update(augment_kwargs={"class_name": "training.augment.AugmentPipe"}, augment_p=flag.p)
    if "resume" in flag:
        options.resume_pkl = flag.resume
    return options, flag, Path(flag.data).stem


def open_run(options, outdir, title, dry_run):
    """Number the run and show its options; unless it is a dry one, make its folder and return true."""
    taken = [int(folder.name[:5]) for folder in Path(outdir).glob("[0-9]" * 5 + "-*")]
    options.run_dir = str(Path(outdir, f"{max(taken, default=-1) + 1:05d}-{title}"))
    text = json.dumps(options, indent=1)
    print(f"options of {options.run_dir}:\n{text}")
    if not dry_run:
        os.makedirs(options.run_dir)
        Path(options.run_dir, "training_options.json").write_text(text)
    return not dry_run


def on_each_gpu(work, count, *args):
    """Call ``work(rank, meeting, *args)`` here for one GPU, else in a process for each; they meet through a file."""
    multiprocessing.set_start_method("spawn")
    with tempfile.TemporaryDirectory() as folder:
        meeting = os.path.join(folder, "meet")
        if count > 1:
            torch.multiprocessing.spawn(work, (meeting, *args), count)
        else:
            work(0, meeting, *args)


@contextlib.contextmanager
def together(rank, meeting, count):
    """Let the block work with the other processes, if any; gives this one's device."""
    device = torch.device("cuda", rank)
    if count > 1:
        torch.distributed.init_process_group("nccl", f"file://{meeting}", world_size=count, rank=rank)
    training_stats.init_multiprocessing(rank, device if count > 1 else None)
    yield device
    if count > 1:  # a process that ends with its group's threads alive is now and then aborted
        torch.distributed.destroy_process_group()
