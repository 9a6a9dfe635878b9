"""Train a GAN: the command of the dialects after stylegan3."""

import click
import commands
import dnnlib
from training import presets, training_loop

WIDTHS = dict.fromkeys(("batch-gpu", "cbase", "cmax", "map-depth", "mbstd-group"), int)


def work(rank, meeting, options):
    dnnlib.util.Logger(f"{options.run_dir}/log.txt")
    with commands.together(rank, meeting, options.num_gpus):
        training_loop.training_loop(rank, **options)


def launch_training(c, title, outdir, dry_run):
    dnnlib.util.Logger()
    if commands.open_run(c, outdir, title, dry_run):
        commands.on_each_gpu(work, c.num_gpus, c)


@click.command()
@commands.flags("outdir", "data", "cfg", **commands.FLAGS, **WIDTHS, **presets.FLAGS, tick=float)
@click.option("-n", "--dry-run", is_flag=True)
def main(outdir, dry_run, **flags):
    """Train a GAN."""
    try:
        options, flag, data = commands.training_options(flags, **presets.DEFAULTS)
    except commands.UserError as problem:
        raise click.ClickException(str(problem)) from problem
    options.G_kwargs.update(channel_base=flag.cbase, channel_max=flag.cmax)
    presets.choose(options, flag)
    launch_training(c=options, title=f"{flag.cfg}-{data}-gpus{flag.gpus}", outdir=outdir, dry_run=dry_run)


if __name__ == "__main__":
    main()
