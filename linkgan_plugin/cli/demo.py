"""`linkgan demo`: the whole job on procedural faces, from nothing to a report."""

from __future__ import annotations

from pathlib import Path

import click

from .params import command_line


@click.command(
    epilog="""\b
Examples:
  linkgan demo                                # about 9 minutes on two idle cores; writes runs/demo
  linkgan demo --quick --out runs/quick       # under 2 minutes, and it shows
  linkgan demo --seed 1 --out runs/demo-1
"""
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=None, help="Folder; runs/demo.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--quick", is_flag=True, help="Little data and little training: does it run here?")
def demo(out: Path | None, seed: int, quick: bool) -> None:
    """Train a linked generator and its unlinked twin on procedural faces, side by side, and compare them.

    Ctrl-C leaves a run that the same command continues.
    """
    from ..demo import FULL, QUICK, Interrupted, run_demo

    out = out or Path("runs/demo-quick" if quick else "runs/demo")
    if (out / "report.json").exists():
        raise click.UsageError(f"{out} holds a finished demo; choose another --out or remove it")
    try:
        report = run_demo(out, seed=seed, size=QUICK if quick else FULL, command=command_line())
    except Interrupted:
        click.echo(f"\nstopped; the same command goes on: {command_line()}")
        raise click.exceptions.Exit(130) from None
    for link, metrics in report["linked"]["metrics"].items():
        twin = report["unlinked"]["metrics"][link]
        click.echo(
            f"{link}: locality {metrics['locality']:.2f} (unlinked {twin['locality']:.2f}), "
            f"effect_in {metrics['effect_in']:.3f} ({twin['effect_in']:.3f}), "
            f"transfer {metrics['transfer']:.2f} ({twin['transfer']:.2f})"
        )
    click.echo(f"quality, linked / unlinked: {report['quality_ratio']:.2f}")
    click.echo(f"open {out / 'report.html'}")
