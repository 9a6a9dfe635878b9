"""`linkgan train`: the training command of the embedded host, with the same link flags as other hosts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..flags import link_options
from .params import DEVICE, NAMES, existing_file, existing_path, gathered
from .train_options import RunFlags, options_and_folder

if TYPE_CHECKING:
    from training_loops.processes import Place

# The names of training_loops.presets.PRESETS, which would import torch.
STYLES = ("tiny", "small", "stylegan2", "heads3d", "volume3d", "eg3d", "stylemap")
FAMILIES = ("vae", "autoencoder", "dcgan", "glo", "r3gan", "lapgan", "msg_gan", "progan")

EPILOG = """\b
Examples:
  # A linked generator of your own images
  linkgan train --data photos.zip --outdir runs --link 'lower=auto@box(0,0.5,1,1)'
\b
  # Two links, the paper's recipe, region metrics at every snapshot
  linkgan train --data faces.zip --outdir runs --loss=linkgan --link-recipe paper --metrics link2k \\
      --link 'eyes=16@eyes' --link 'mouth=8@mouth'
\b
  # Links added to a trained generator
  linkgan train --data faces.zip --outdir runs --resume network-snapshot-000060.pt --kimg 20 \\
      --loss=linkgan --link 'eyes=16@eyes'
\b
  # The same in a basis found in the network first, where links start out more local
  linkgan train --data faces.zip --outdir runs --resume network-snapshot-000060.pt --kimg 20 \\
      --link 'eyes=16@eyes' --link-basis auto
\b
  # A 3D-aware generator; the data needs camera labels. --link-depth also penalises leaks in depth
  linkgan train --data heads.zip --outdir runs --cfg heads3d --link-depth 1 \\
      --link 'mouth=16@box3d(-0.105,-0.19,0.07,0.105,-0.06,0.2)'
\b
  # Resume a stopped run
  linkgan train --continue runs/00000-faces-batch8-linked
\b
  # Four GPUs (or, with --device cpu, four processes); if one fails, all stop
  torchrun --nproc_per_node=4 -m linkgan_plugin train --data faces.zip --outdir runs --cfg stylegan2
"""


@click.command(epilog=EPILOG)
@click.option("--data", type=existing_path, help="Zip or folder of PNGs in the hosts' format.")
@click.option(
    "--outdir", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of all runs."
)
@click.option("--run-dir", type=click.Path(path_type=Path), help="Folder of this run, instead of a numbered one.")
@click.option(
    "--continue",
    "continued",
    type=existing_path,
    metavar="RUN",
    help="Resume a stopped run exactly; only --kimg, --tick, --snap, --metrics and --threads may change.",
)
@click.option(
    "--cfg",
    type=click.Choice([*STYLES, *FAMILIES]),
    default="tiny",
    show_default=True,
    help="Networks, loss and defaults: StyleGAN2 in three sizes, EG3D in three, and one each of other families.",
)
@click.option("--kimg", type=click.FloatRange(0, min_open=True), help="Thousand images to train for.")
@click.option("--batch", type=click.IntRange(1), help="Images per step.")
@click.option("--batch-gpu", type=click.IntRange(1), help="Images at a time.")
@click.option("--resume", type=existing_file, help="Snapshot to start from.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--cond", is_flag=True, help="Train on the data's labels.")
@click.option("--mirror", is_flag=True, help="Add mirrored images.")
@click.option("--max-size", type=click.IntRange(1), help="Use at most this many images.")
@click.option("--gamma", type=float, help="R1 weight.")
@click.option("--pl-weight", type=float, help="Path length weight.")
@click.option("--style-mixing", type=float, help="Style mixing probability.")
@click.option("--cbase", type=click.IntRange(1), help="Capacity multiplier.")
@click.option("--cmax", type=click.IntRange(1), help="Most feature maps.")
@click.option("--z-dim", type=click.IntRange(1))
@click.option("--w-dim", type=click.IntRange(1))
@click.option("--map-depth", type=click.IntRange(1), help="Layers of the mapping network.")
@click.option("--mbstd-group", type=click.IntRange(1), help="Minibatch standard deviation group.")
@click.option("--noise/--no-noise", default=None, help="Noise inputs.")
@click.option("--glr", type=float, help="Learning rate of G.")
@click.option("--dlr", type=float, help="Learning rate of D.")
@click.option("--lr-final", type=float, help="Final fraction of the learning rate; it decays over the last quarter.")
@click.option("--ema-kimg", type=float, help="Half-life of the averaged generator, in thousand images.")
@click.option("--freezed", type=click.IntRange(0), default=0, show_default=True, help="Frozen layers of D.")
@click.option("--neural-res", type=click.IntRange(4), help="3D: initial neural rendering resolution.")
@click.option("--density-reg", type=click.FloatRange(0), help="3D: weight of density regularization (total variation).")
@click.option(
    "--gpc-reg-prob", type=click.FloatRange(0, 1), help="3D: condition G on cameras, swapped with this probability."
)
@click.option(
    "--local-planes",
    is_flag=True,
    help="With --cfg volume3d: the axes of links in 3D boxes act on tri-planes of their own, which end at the box.",
)
@click.option(
    "--metrics",
    type=NAMES,
    default="",
    metavar="NAMES",
    help="Metrics at every snapshot, comma-separated, e.g. link2k.",
)
@click.option("--tick", type=float, help="Thousand images between log lines.")
@click.option("--snap", type=click.IntRange(1), help="Ticks between snapshots.")
@click.option("--fp32", is_flag=True, help="Use float32 everywhere.")
@click.option("--fp16-res", type=click.IntRange(0), help="Number of highest resolutions computed in half precision.")
@click.option(
    "--half",
    type=click.Choice(["float16", "bfloat16"]),
    default="float16",
    show_default=True,
    help="Half precision format; on a CPU, float16 layers run in float32.",
)
@click.option("--nobench", is_flag=True, help="Disable cuDNN benchmarking.")
@click.option("--device", type=DEVICE, help="cpu, cuda, cuda:1; by default a GPU if available.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads.")
@click.option("--dry-run", is_flag=True, help="Print the training options and stop.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
@link_options
@gathered(RunFlags)
def train(run: RunFlags, **values: Any) -> None:
    """Train an embedded StyleGAN2, EG3D, StyleMapGAN or older generator; with --loss=linkgan, link axes to regions."""
    from training_loops.processes import joined

    with joined(run.device) as place, failures_named(place):
        train_at(place, run, values)


def train_at(place: Place, run: RunFlags, values: dict[str, Any]) -> None:
    """Train as one process of the run. Rank 0 reads the options and prints the messages.

    Args:
        place: this process.
        run: folders, device and output of the run.
        values: the other flags of the command by name.
    """
    from training_loops.formats import strict_json
    from training_loops.session import Session
    from training_loops.training_loop import training_loop

    options, run_dir = place.decided(lambda: options_and_folder(run, values, place.count))
    if run.dry_run:
        if place.rank == 0:
            click.echo(strict_json.dumps(options.to_json(), indent=2))
        return
    register_metrics(options.logging.metrics)
    with progress_bar(run.quiet or place.rank != 0) as on_progress:
        session = Session(
            rank=place.rank,
            device=place.device,
            restart=run.continued is not None,
            verbose=run.quiet,
            abort_fn=abort_with_parent(),
            progress_fn=on_progress,
        )
        result = training_loop(options, run_dir, session)
    if not result.finished:
        if place.rank == 0:
            click.echo(f"stopped at {result.cur_nimg / 1000:g} kimg; resume with: linkgan train --continue {run_dir}")
        raise click.exceptions.Exit(130)
    if place.rank == 0:
        click.echo(f"wrote {result.snapshot}")


@contextmanager
def failures_named(place: Place) -> Iterator[None]:
    """Report unwritable files in one line, and which rank failed or lost its peer."""
    from training_loops.formats.atomic import DISK_ERRORS
    from training_loops.processes import PeerError

    try:
        yield
    except PeerError as error:
        raise click.ClickException(f"rank {place.rank}: {error}") from error
    except OSError as error:
        if error.filename is None:
            raise
        advice = "; the run's files are intact, resume with --continue" if error.errno in DISK_ERRORS else ""
        raise click.ClickException(f"{error}{advice}") from error
    except Exception as error:
        if place.count > 1 and not isinstance(error, (click.exceptions.Exit, click.ClickException)):
            click.echo(f"rank {place.rank} of {place.count} failed: {type(error).__name__}: {error}", err=True)
        raise


def register_metrics(names: Sequence[str]) -> None:
    """Register the region metrics with the embedded host's metric runner, if any metric is requested."""
    if names:
        from training_loops import metrics

        from ..metrics.runner import register

        register(metrics.register_metric)


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Yield a callback (images done, images in total) for the training loop that updates a progress bar."""
    from tqdm import tqdm

    with tqdm(unit="img", unit_scale=True, disable=quiet, smoothing=0.05) as bar:

        def show(done: int, total: int) -> None:
            if bar.total is None:
                bar.reset(total)
                bar.initial = bar.n = done
            bar.update(done - bar.n)

        yield show


def abort_with_parent() -> Callable[[], bool] | None:
    """Return a check whether the demo or torchrun that started this process has died; None without one."""
    if not {"LINKGAN_STOP_WITH_PARENT", "TORCHELASTIC_RUN_ID"} & os.environ.keys():
        return None
    parent = os.getppid()
    return lambda: os.getppid() != parent
