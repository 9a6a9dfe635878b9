"""`linkgan run`: runs a host's own command with the plugin inserted in memory."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog="""\b
Examples:
  # StyleGAN3's own training command, with links
  linkgan run stylegan3/train.py -- --outdir=runs --cfg=stylegan2 --data=ffhq.zip --gpus=1 --batch=32 --gamma=10 \\
      --loss=linkgan --link 'eyes=auto@eyes' --link 'mouth=auto@mouth' --metrics=fid50k_full,link10k
\b
  # List the flags, including the plugin's
  linkgan run stylegan3/train.py -- --help
\b
  # Region metrics of a snapshot, in the host's own runner
  linkgan run stylegan3/calc_metrics.py -- --network=runs/00000/network-snapshot-000200.pkl --metrics=link10k
\b
  # Test the command on a CPU for a few steps
  linkgan run --device cpu --smoke stylegan3/train.py -- --outdir=/tmp/smoke --cfg=stylegan2 ...
\b
  # Several processes with torchrun, for hosts that support it
  torchrun --nproc_per_node=8 -m linkgan_plugin run host/train.py -- ...
""",
)
@click.argument("script", type=click.Path(path_type=Path))
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.option("--compat/--no-compat", default=True, show_default=True, help="Apply fixes for current library versions.")
@click.option(
    "--device",
    type=click.Choice(["cuda", "cpu"]),
    default="cuda",
    show_default=True,
    help="cpu: emulate CUDA on the CPU.",
)
@click.option(
    "--smoke",
    is_flag=True,
    help="Test run: a few steps, a small image grid, few pairs in link metrics.",
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Set an option that has no flag.")
def run(
    script: Path, args: tuple[str, ...], compat: bool, device: str, smoke: bool, overrides: tuple[str, ...]
) -> None:
    """Run SCRIPT, a host's train.py, calc_metrics.py, gen_images.py, ..., as `python SCRIPT ARGS` does.

    The host's training command accepts --loss, --link and the --link-* flags; its metric runner knows link2k and
    link10k. Exit codes, output and Ctrl-C are those of the host. Put the host's arguments after `--`.
    """
    from ..hosts import launch
    from ..hosts.overrides import read_override

    session = launch.make_session(
        script,
        compat=compat,
        device="cpu" if device == "cpu" else None,
        smoke=smoke,
        overrides=dict(read_override(text) for text in overrides),
    )
    launch.run(session, args[1:] if args[:1] == ("--",) else args)
