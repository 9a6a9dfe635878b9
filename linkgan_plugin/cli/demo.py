"""`linkgan demo`: trains and evaluates a linked generator on procedural data and writes a report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from .params import command_line

KINDS = ("faces", "semantic", "3d")
SHOWN = {"locality": 2, "effect_in": 3, "transfer": 2, "depth_locality": 2}  # metric -> digits


@click.command(
    epilog="""\b
Examples:
  linkgan demo                                # about 9 minutes on two idle cores; writes runs/demo
  linkgan demo --quick --out runs/quick       # under 2 minutes, poor images
  linkgan demo --seed 1 --out runs/demo-1
  linkgan demo --kind semantic                # hair and background from a segmentation network
  linkgan demo --kind 3d                      # mouth and nose of 3D heads; writes runs/demo-3d
"""
)
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default="faces",
    show_default=True,
    help="faces: fixed boxes; semantic: classes segmented in each image; 3d: boxes in 3D heads.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=None, help="By default runs/demo[-KIND]."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--quick", is_flag=True, help="Little data and a short training, to check that it runs.")
def demo(kind: str, out: Path | None, seed: int, quick: bool) -> None:
    """Train a linked generator and an unlinked baseline on procedural images in parallel, and compare them.

    Ctrl-C stops the demo; the same command resumes it.
    """
    from ..demos.job import REPORT, run_demo
    from ..errors import Interrupted

    name = "demo" if kind == "faces" else f"demo-{kind}"
    out = out or Path("runs", f"{name}-quick" if quick else name)
    if (out / REPORT).exists():
        raise click.UsageError(f"{out} contains a finished demo; choose another --out or remove it")
    cls = _kind(kind)
    try:
        report = run_demo(cls(out, seed, cls.quick if quick else cls.full), command=command_line())
    except Interrupted:
        click.echo(f"\nstopped; resume with the same command: {command_line()}")
        raise click.exceptions.Exit(130) from None
    for line in _summary(report):
        click.echo(line)
    click.echo(f"open {out / 'report.html'}")


def _kind(name: str) -> Any:
    """Return the class of a kind of demo."""
    if name == "semantic":
        from ..demos.semantic import SemanticDemo

        return SemanticDemo
    if name == "3d":
        from ..demos.heads3d import HeadsDemo

        return HeadsDemo
    from ..demos.faces import FacesDemo

    return FacesDemo


def _summary(report: Mapping[str, Any]) -> list[str]:
    """Return the main results, one line per link, with those of the unlinked baseline in parentheses."""
    lines = []
    for link, metrics in report["linked"]["metrics"].items():
        baseline = report["unlinked"]["metrics"][link]
        figures = [
            f"{key} {metrics[key]:.{digits}f} ({baseline[key]:.{digits}f})"
            for key, digits in SHOWN.items()
            if None not in (metrics.get(key), baseline.get(key))
        ]
        lines.append(f"{link}: {', '.join(figures).replace('(', '(unlinked ', 1)}")
    return [*lines, f"quality, linked / unlinked: {report['quality_ratio']:.2f}"]
