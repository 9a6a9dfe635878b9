"""`linkgan bench editors`: every way to edit a region of a trained network, on equal terms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import LinkGANError
from ..params import DEVICE, SEEDS, command_line, existing_path, gathered
from .params import folder, named, named_file, threads_option

if TYPE_CHECKING:
    from ...bench.editors import Plan, Subject


@dataclass(frozen=True)
class EditorsStudy:
    """What the command was given.

    Attributes:
        networks: ``FILE`` or ``NAME=FILE`` each.
        region_texts: ``NAME=REGION`` each.
        editor_list: names, separated by commas.
        seeds: of finding and measuring.
        count: directions per method.
        samples: images per curve.
        quality_images: images per measurement of quality.
        quality_kind: as in `linkgan metrics`.
        data: for quality, attributes and labels.
        number: class of all images.
        reader: of attributes.
        link_space: w or z.
        settings: ``METHOD.KEY=VALUE`` each.
        device: cpu, cuda or cuda:1.
        threads: CPU threads.
        out: folder of the study.
    """

    networks: tuple[str, ...]
    region_texts: tuple[str, ...]
    editor_list: str
    seeds: list[int]
    count: int
    samples: int
    quality_images: int
    quality_kind: str
    data: Path | None
    number: int | None
    reader: str | None
    link_space: str | None
    settings: tuple[str, ...]
    device: str
    threads: int
    out: Path

    def plan(self) -> Plan:
        """Return the plan of the study."""
        from ...bench.editors import Plan

        return Plan(
            regions=dict(named(text, "region") for text in self.region_texts),
            editors=tuple(name.strip() for name in self.editor_list.split(",") if name.strip()),
            seeds=tuple(self.seeds),
            count=self.count,
            samples=self.samples,
            images=self.quality_images,
            quality_kind=self.quality_kind,
            space=self.link_space,
            settings=_settings(self.settings),
        )

    def subjects(self) -> list[Subject]:
        """Open the networks."""
        from ...bench.editors import Subject
        from ...networks import load_network

        reader = None
        if self.reader is not None:
            from ...directions.readers import reader_from

            reader = reader_from(self.reader, self.device)
        found = []
        for text in self.networks:
            name, path = named_file(text)
            network = load_network(path, self.device)
            labels = network.labels(self.data, self.number)
            found.append(Subject(name, network, labels, self.data, reader))
        names = [subject.name for subject in found]
        if len(set(names)) < len(names):
            raise click.UsageError(f"two networks are called {names[0]}; give names: NAME=FILE")
        return found


@click.command(
    epilog="""\b
Examples:
  linkgan bench editors network-snapshot-000084.pt --region 'eyes=box(0.25,0.3,0.75,0.5)'
  linkgan bench editors unlinked=a.pt linked=b.pt --region 'eyes=box(0.25,0.3,0.75,0.5)' --data faces.zip --reader faces
  linkgan bench editors ffhq.pkl --region eyes=eyes --editors basis,resefa,sefa --seeds 0 --device cuda
""",
)
@click.argument("networks", metavar="[NAME=]FILE...", nargs=-1, required=True)
@click.option("--region", "region_texts", metavar="NAME=REGION", multiple=True, required=True, help="Repeatable.")
@click.option("--editors", "editor_list", metavar="NAME,...", default="", help="Only these; by default all.")
@click.option("--seeds", type=SEEDS, default="0-2", show_default=True, help="Of finding and measuring.")
@click.option("--count", type=click.IntRange(1), default=4, show_default=True, help="Directions per method and region.")
@click.option("--samples", type=click.IntRange(2), default=32, show_default=True, help="Images per curve.")
@click.option(
    "--quality-images",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    help="Images per measurement of quality; 0 = skip it.",
)
@click.option("--quality-kind", default="auto", show_default=True, help="As in linkgan metrics.")
@click.option("--data", type=existing_path, help="Data set for quality, attributes and labels.")
@click.option("--class", "number", type=click.IntRange(0), help="Class of all images, for conditional networks.")
@click.option("--reader", metavar="faces|CSV|FOLDER", help="Reads attributes, for the methods that need them.")
@click.option("--link-space", type=click.Choice(["w", "z"]), help="Latent space; by default w where there is one.")
@click.option("--set", "settings", metavar="METHOD.KEY=VALUE", multiple=True, help="A setting of a method; repeatable.")
@click.option("--device", type=DEVICE, default="cpu", show_default=True)
@threads_option
@click.option("--out", type=folder, default=Path("runs/bench-editors"), show_default=True)
@gathered(EditorsStudy)
def editors(asked: EditorsStudy) -> None:
    """Compare every way to edit a region of trained networks.

    Each method of the entry-point group linkgan.directions, resampled links, links without training and plain axes are
    brought to the same effect inside the region; then the change outside, the attributes that change and the quality of
    edited images are compared. Writes editors.md, editors.json and a sheet of the best editors of each network and
    region.

    Ctrl-C stops at any time; the same command resumes.
    """
    import torch

    from training_loops.formats.atomic import write_bytes, write_json

    from ...bench import editors as study
    from ...bench import editors_report as report
    from ...images import png

    torch.set_num_threads(asked.threads)
    plan, subjects = asked.plan(), asked.subjects()
    cells = study.run(plan, subjects, asked.out, _bar, lambda name: click.echo(name, err=True))
    command = command_line()
    kinds = {s.name: "faces" if s.classifier is not None else "photographs" for s in subjects}
    text = report.text(cells, command, plan.seeds, kinds)
    write_json(asked.out / "editors.json", {"command": command, "plan": plan.stored(), "cells": cells})
    write_bytes(asked.out / "editors.md", text.encode())
    by_name = {subject.name: subject for subject in subjects}
    for (network, region), found in report.groups(cells).items():
        best = [name for name in report.ranked(found) if "levels" in found[name][0]][: report.BEST]
        drawn = [
            (study.Cell(plan, by_name[network], region, n, plan.seeds[0], asked.out, _bar), found[n][0]) for n in best
        ]
        if drawn:
            png.save_png(asked.out / f"{network}-{region}.png", report.sheet(drawn), {"command": command})
    click.echo(text)


def _bar(steps: Iterable[int], text: str) -> Iterable[int]:
    from tqdm import tqdm

    return tqdm(steps, desc=text, leave=False, disable=None)


def _settings(texts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return method -> its settings, of the types of their defaults."""
    from ...directions.find import method_of
    from ..directions_settings import settings_from

    found: dict[str, list[str]] = {}
    for text in texts:
        method, dot, setting = text.partition(".")
        if not dot:
            raise LinkGANError(f"setting {text!r:.80}: expected METHOD.KEY=VALUE")
        found.setdefault(method, []).append(setting)
    return {name: settings_from(given, method_of(name), name) for name, given in found.items()}
