"""Train a GAN: the command of the R3GAN dialect, whose presets say what the networks are."""

import click
import commands
import dnnlib
from training import training_loop

FLAGS = {name: kind for name, kind in commands.FLAGS.items() if name not in ("gamma", "aug", "p")}
OWN = {"preset": click.Choice(["tiny"]), "g-batch-gpu": int, "d-batch-gpu": int, "tick": float, "aug": bool}


def work(rank, meeting, options):
    dnnlib.util.Logger(f"{options.run_dir}/log.txt")
    with commands.together(rank, meeting, options.num_gpus):
        training_loop.training_loop(rank, **options)


def launch_training(c, title, outdir, dry_run):
    dnnlib.util.Logger()
    if commands.open_run(c, outdir, title, dry_run):
        commands.on_each_gpu(work, c.num_gpus, c)


@click.command()
@commands.flags("outdir", "data", "preset", **FLAGS, **OWN)
@click.option("-n", "--dry-run", is_flag=True)
def main(outdir, dry_run, **flags):
    """Train a GAN."""
    try:
        options, flag, data = commands.training_options({**flags, "aug": "fixed" if flags["aug"] else "noaug"})
    except commands.UserError as problem:
        raise click.ClickException(str(problem)) from problem
    widths, half = [16, 16, 8], [-1]
    shape = {"CardinalityPerStage": [4, 4, 2], "BlocksPerStage": [1, 1, 1]}
    options.G_kwargs = dnnlib.EasyDict(shape, WidthPerStage=widths, NoiseDimension=24, FP16Stages=half)
    options.D_kwargs = dnnlib.EasyDict(shape, CardinalityPerStage=[2, 4, 4], WidthPerStage=widths[::-1], FP16Stages=[0])
    for name in "GD":
        kind = {"G": "Generator", "D": "Discriminator"}[name]
        options[f"{name}_kwargs"].class_name = f"training.networks.{kind}"
        options[f"{name}_opt_kwargs"] = dnnlib.EasyDict(class_name="torch.optim.Adam", betas=[0, 0], eps=1e-8)
        options[f"{name.lower()}_batch_gpu"] = flag.get(f"{name.lower()}_batch_gpu") or flag.batch // flag.gpus
    options.loss_kwargs = dnnlib.EasyDict(class_name="training.loss.R3GANLoss")
    options.lr_scheduler = dnnlib.EasyDict(base_value=2e-3, final_value=1e-3, total_nimg=1e6)
    options.gamma_scheduler = dnnlib.EasyDict(base_value=1, final_value=0.1, total_nimg=1e6)
    launch_training(c=options, title=f"{data}-gpus{flag.gpus}", outdir=outdir, dry_run=dry_run)


if __name__ == "__main__":
    main()
