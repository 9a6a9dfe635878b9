"""Train a GAN: the command of the stylegan2-ada-pytorch dialect."""

import click
import commands
import dnnlib
from training import training_loop


def setup_training_loop_kwargs(cfg=None, **flags):
    if flags["gpus"] and flags["gpus"].bit_count() != 1:
        raise commands.UserError("--gpus: two, four, eight and so on, or one")
    options, flag, title = commands.training_options(flags)
    widths = dnnlib.EasyDict(channel_base=flag.cbase, channel_max=flag.cmax)
    options.G_kwargs.update(class_name="training.networks.Generator", synthesis_kwargs=widths)
    options.D_kwargs.class_name = "training.networks.Discriminator"
    return f"{title}-{cfg or 'auto'}", options


def work(rank, meeting, options):
    dnnlib.util.Logger(f"{options.run_dir}/log.txt")
    with commands.together(rank, meeting, options.num_gpus):
        training_loop.training_loop(rank, **options)


@click.command()
@commands.flags("outdir", "data", **commands.FLAGS, cfg=click.Choice(["auto", "stylegan2", "paper256", "cifar"]))
@click.option("-n", "--dry-run", is_flag=True)
@click.pass_context
def main(context, outdir, dry_run, **flags):
    """Train a GAN."""
    dnnlib.util.Logger()
    try:
        title, options = setup_training_loop_kwargs(**flags)
    except commands.UserError as problem:
        context.fail(str(problem))
    if commands.open_run(options, outdir, title, dry_run):
        commands.on_each_gpu(work, options.num_gpus, options)


if __name__ == "__main__":
    main()
