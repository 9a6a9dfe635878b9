"""Options that `linkgan bench recipes` and `linkgan bench paper` share, and how both run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ...errors import LinkGANError
from ...flags import segmenter_option, trust_option
from ..metrics import QUALITY_KINDS
from ..params import SEEDS, command_line, existing_file, with_options
from .params import folder

if TYPE_CHECKING:
    from ...bench.recipe_report import Report
    from ...bench.rows import Row
    from ...bench.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Study:
    """What is trained and measured.

    Attributes:
        rows: names of rows joined by commas; None for all.
        seeds: seeds of every row; None for as many as a claim on the data needs.
        kimg: length of a run in thousand images.
        pretrain: length of the unlinked runs that resumed rows start from; None for `kimg`.
        data: zip of images; None for procedural faces.
        links: ``NAME=AXES@REGION`` each; () for those of the faces.
        jobs: runs at a time.
        pairs: edited pairs per measurement.
        quality_images: images per measurement of quality, 0 for none.
        quality_kind: as in `linkgan metrics`.
        edited_quality: also measure the quality of edited images.
        fit: also measure fit.
        out: the folder of all runs and the report.
        only_list: list the rows and stop.
        train_options: passed to every `linkgan train`.
    """

    rows: str | None
    seeds: list[int] | None
    kimg: float
    pretrain: float | None
    data: Path | None
    links: tuple[str, ...]
    jobs: int
    pairs: int
    quality_images: int
    quality_kind: str
    edited_quality: bool
    fit: bool
    out: Path
    only_list: bool
    train_options: tuple[str, ...]

    @property
    def row_names(self) -> list[str]:
        """The names of the rows to run, none for all."""
        return self.rows.split(",") if self.rows else []

    @property
    def pretraining(self) -> float | None:
        """Thousand images of separate unlinked runs to start from; None where the baseline's runs are as long."""
        return None if self.pretrain == self.kimg else self.pretrain

    def settings(self, links: tuple[str, ...], train_options: tuple[str, ...] | None = None) -> Settings:
        """Return what all runs share.

        Raises:
            LinkGANError: figures of quality are asked for without images.
        """
        from ...bench.recipes import default_data
        from ...bench.settings import Settings

        for flag, given in (("--edited-quality", self.edited_quality), ("--fit", self.fit)):
            if given and not self.quality_images:
                raise LinkGANError(f"{flag} needs images: --quality-images above 0")
        return Settings(
            self.data or default_data(self.out),
            self.kimg,
            links,
            self.train_options if train_options is None else train_options,
            self.pairs,
            self.quality_images,
            self.pretraining,
            self.quality_kind,
            self.edited_quality,
            self.fit,
        )


def study_options(out: str) -> Callable[[F], F]:
    """Return a decorator that adds the options of `Study`; `out` is the default folder."""
    options = [
        click.option("--rows", metavar="NAME,...", help="Only these rows and those they need; see --list."),
        click.option("--seeds", type=SEEDS, help="Seeds of every row.  [default: 0-4 on procedural faces, else 0-2]"),
        click.option(
            "--kimg",
            type=click.FloatRange(0, min_open=True),
            default=84,
            show_default=True,
            help="Thousand images per run.",
        ),
        click.option(
            "--pretrain",
            type=click.FloatRange(0, min_open=True),
            metavar="KIMG",
            help="Thousand images of the unlinked runs that resumed rows start from.  [default: --kimg]",
        ),
        click.option("--data", type=existing_file, help="Zip of images; by default procedural faces are made."),
        click.option(
            "--link",
            "links",
            multiple=True,
            metavar="NAME=AXES@REGION",
            help="Links of the rows.  [default: eyes and mouth of the procedural faces]",
        ),
        segmenter_option,
        trust_option,
        click.option(
            "--jobs", type=click.IntRange(1), default=2, show_default=True, help="Runs at a time, one thread each."
        ),
        click.option(
            "--pairs", type=click.IntRange(2), default=1000, show_default=True, help="Edited pairs per measurement."
        ),
        click.option(
            "--quality-images",
            type=click.IntRange(0),
            default=5000,
            show_default=True,
            help="Images for the quality metric; 0 = skip it.",
        ),
        click.option(
            "--quality-kind",
            type=click.Choice(QUALITY_KINDS),
            default="auto",
            show_default=True,
            help="Quality metric; auto = attributes on procedural faces, else imagenet if installed, else patches.",
        ),
        click.option("--edited-quality", is_flag=True, help="Also measure and compare the quality of edited images."),
        click.option("--fit", is_flag=True, help="Also measure how well edited images can be distinguished."),
        click.option("--out", type=folder, default=Path(out), show_default=True),
        click.option("--list", "only_list", is_flag=True, help="List the rows and stop."),
        click.argument("train_options", metavar="[-- TRAIN OPTIONS]", nargs=-1, type=click.UNPROCESSED),
    ]

    return lambda command: with_options(command, options)


def list_rows(rows: Sequence[Row]) -> None:
    """Print the names and meanings of rows."""
    width = max(len(row.name) for row in rows) + 2
    for row in rows:
        click.echo(f"{row.name:<{width}}{row.meaning}")


def run(study: Study, rows: Sequence[Row], settings: Settings, report: Report, *, keep_going: bool = False) -> None:
    """Train and measure all rows and print the report; after Ctrl-C, print how to resume."""
    from ...bench.recipes import run_study
    from ...bench.settings import default_seeds
    from ...errors import Interrupted
    from ...links import parse_region

    for text in {text for row in rows for text in row.links}:
        parse_region(text.partition("@")[2])  # names segmentation networks, which the child commands receive
    seeds = study.seeds if study.seeds is not None else default_seeds(study.data)
    how: dict[str, Any] = {"jobs": study.jobs, "command": command_line(), "report": report, "keep_going": keep_going}
    try:
        run_study(rows, seeds, study.out, settings, **how)
    except Interrupted:
        click.echo(f"\nstopped; resume with the same command: {command_line()}")
        raise click.exceptions.Exit(130) from None
    click.echo((study.out / f"{report.name}.md").read_text(encoding="utf-8"))
    click.echo(f"wrote {study.out / report.name}.json; open {study.out / report.name}.html", err=True)
