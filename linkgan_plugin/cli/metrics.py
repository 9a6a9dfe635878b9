"""`linkgan metrics`: region metrics of a snapshot, optionally compared with an unlinked baseline."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import LinkGANError
from .consistent_options import check_consistent, consistent_options
from .network_options import NetworkFlags, check_links, class_option, host_option, links_options
from .params import DEVICE, command_line, existing_file, existing_path, gathered, typed_flags

if TYPE_CHECKING:
    from training_loops.formats.folder import ImageFolderDataset

    from ..metrics.estimate import Estimate
    from ..metrics.evaluate import LinkResult
    from ..networks import Network

QUALITY_KINDS = ("auto", "attributes", "patches", "imagenet", "fid", "kid")


@dataclass(frozen=True)
class MetricsRequest:
    """What `linkgan metrics` measures.

    Attributes:
        snapshot: the network's file.
        baseline: that of an unlinked network to compare with.
        names: metrics to compute; () for all.
        pairs: image pairs per link.
        batch: images at a time.
        seed: of all randomness.
        quality_images: images for the quality metric; 0 for none.
        quality_kind: one of `QUALITY_KINDS`.
        edited_quality: also measure the quality of edited images.
        fit: also measure how well edited images can be distinguished from unedited ones.
        consistent: samples that each edit chooses its donor from; None to use the first.
        consistent_by: `rest` or `critic`.
        device: of the networks.
        as_json: print a JSON line instead of a table.
        out: file to append the JSON line to.
    """

    snapshot: Path
    baseline: Path | None
    names: tuple[str, ...]
    pairs: int
    batch: int
    seed: int
    quality_images: int
    quality_kind: str
    edited_quality: bool
    fit: bool
    consistent: int | None
    consistent_by: str
    device: str
    as_json: bool
    out: Path | None

    def check(self, data: Path | None) -> None:
        """Reject flags that need data if there is none; raises LinkGANError."""
        if not self.pairs and (data is None or not self.quality_images):
            raise LinkGANError("--pairs 0 measures quality only: add --data DATA, and --quality-images above 0")
        asked = {
            "--edited-quality": self.edited_quality,
            "--fit": self.fit,
            "--quality-kind": self.quality_kind != "auto",
        }
        for flag, given in asked.items():
            if given and (data is None or not self.quality_images):
                raise LinkGANError(f"{flag} needs data: add --data DATA, and --quality-images above 0")


@click.command(
    epilog="""\b
Examples:
  linkgan metrics runs/demo/linked/network-snapshot-000084.pt --data runs/demo/faces.zip
  linkgan metrics linked.pt --baseline unlinked.pt --pairs 5000 --json
  linkgan metrics any.pt --link 'eyes=0:16@eyes' --metric locality --metric effect_in
  linkgan metrics cats.pt --data cats.zip --quality-kind imagenet --edited-quality --fit
  linkgan metrics cats.pt --data cats.zip --edited-quality --fit --consistent 8
  linkgan metrics classes.pt --class 3
  linkgan metrics network-snapshot-000200.pkl --host ~/stylegan3
"""
)
@click.argument("snapshot", type=existing_file)
@click.option("--baseline", type=existing_file, help="Unlinked snapshot, measured on the same axes and regions.")
@links_options
@click.option("--metric", "names", multiple=True, help="Compute only this metric (see `linkgan plugins`); repeatable.")
@click.option(
    "--pairs",
    type=click.IntRange(0),
    default=2000,
    show_default=True,
    help="Image pairs per link, from 2; 0 = only quality.",
)
@click.option("--batch", type=click.IntRange(1), default=64, show_default=True, help="Images at a time.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--data", type=existing_path, help="Data set for quality, attributes and labels; without it, these are skipped."
)
@class_option
@click.option(
    "--quality-images",
    type=click.IntRange(0),
    default=5000,
    show_default=True,
    help="Images for the quality metric; 0 = skip it.",
)
@click.option(
    "--quality-kind",
    type=click.Choice(QUALITY_KINDS),
    default="auto",
    show_default=True,
    help="Quality metric; auto = attributes if the data set has them, else patches.",
)
@click.option(
    "--edited-quality", is_flag=True, help="Also measure the quality of edited images, and its difference to quality."
)
@click.option(
    "--fit", is_flag=True, help="Also measure how well edited images can be distinguished from unedited ones."
)
@consistent_options
@click.option("--device", type=DEVICE, default="cpu", show_default=True)
@host_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line, in the format of the hosts' metric files.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Append the JSON line to this file.")
@gathered(NetworkFlags, MetricsRequest)
def metrics(source: NetworkFlags, asked: MetricsRequest) -> None:
    """Measure whether each link's axes change only their region.

    Every value has a standard error over seeded pairs. With --baseline, the same axes and regions are measured on an
    unlinked network for comparison.
    """
    check_links()
    check_consistent(typed_flags())

    from tqdm import tqdm

    from training_loops.formats import strict_json
    from training_loops.formats.atomic import append_line
    from training_loops.formats.folder import ImageFolderDataset

    from ..consistent import consistent_from
    from ..generators import LinkedGenerator
    from ..metrics import chosen_donors
    from ..metrics.attributes import classifier_for
    from ..metrics.edited_quality import Asked, QualityOf
    from ..metrics.evaluate import evaluate
    from ..metrics.yardsticks import yardstick
    from ..networks import load_network

    asked.check(source.data)
    started = time.time()
    if asked.out is not None:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
    network = load_network(asked.snapshot, asked.device, source.host)
    spec = source.linked(network)
    classifier = classifier_for(source.data, asked.device)
    uses_data = source.data is not None and (asked.quality_images or classifier)
    dataset = ImageFolderDataset(source.data) if source.data is not None and uses_data else None
    subjects = {"results": network}
    if asked.baseline:
        subjects["baseline"] = load_network(asked.baseline, asked.device, source.host)
    if dataset is not None:
        for subject in subjects.values():
            check_data(subject, dataset, sizes=bool(asked.quality_images))
    generators = {
        name: LinkedGenerator(subject.generator, spec, labels=subject.labels(source.data, source.number))
        for name, subject in subjects.items()
    }
    choices = {
        name: consistent_from(asked.consistent, asked.consistent_by, lambda subject=subject: subject.discriminator)  # type: ignore[misc]
        for name, subject in subjects.items()
    }
    quality = None
    if dataset is not None and asked.quality_images:
        measured = Asked(asked.quality_images, asked.edited_quality, asked.fit)
        quality = QualityOf(dataset, yardstick(asked.quality_kind, classifier, asked.device), measured)
    line: dict[str, Any] = {}
    tables: dict[str, dict[str, LinkResult]] = {}
    with tqdm(total=asked.pairs * len(subjects), unit="pair", disable=asked.as_json or not asked.pairs) as bar:
        for name, generator in generators.items():
            tables[name] = {}
            if asked.pairs:
                tables[name] = evaluate(
                    generator,
                    pairs=asked.pairs,
                    batch=asked.batch,
                    seed=asked.seed,
                    metrics=asked.names or None,
                    classifier=classifier,
                    progress=bar.update,
                )
            line[name], line[f"{name}_stderr"] = flat(tables[name])
            found: dict[str, Estimate] = {}
            if (choice := choices[name]) is not None and asked.pairs:
                kept = chosen_donors.diversity_of(
                    generator, choice, pairs=asked.pairs, batch=asked.batch, seed=asked.seed
                )
                found |= {f"{link}/{chosen_donors.KEY}": estimate for link, estimate in kept.items()}
            if quality is not None:
                found |= quality.measure(generator, choice)
            line[name] |= {key: estimate.value for key, estimate in found.items()}
            line[f"{name}_stderr"] |= {key: e.stderr for key, e in found.items() if e.stderr is not None}
            if quality is not None:
                line["quality_kind"] = quality.yardstick.text
    if asked.consistent is not None:
        line["consistent"] = {"candidates": asked.consistent, "by": asked.consistent_by}
    line |= {
        "metric": f"link{asked.pairs}" if asked.pairs else "quality",
        "pairs": asked.pairs,
        "skipped": {link: result.skipped for link, result in tables["results"].items()},
        "seed": asked.seed,
        "snapshot_pkl": str(asked.snapshot),
        "baseline_pkl": str(asked.baseline) if asked.baseline else None,
        "link_spec": spec.described(),
        "command": command_line(),
        "total_time": time.time() - started,
        "timestamp": time.time(),
    }
    text = strict_json.dumps(line)
    click.echo(text if asked.as_json else table(line, list(tables)))
    if source.data is None and not asked.as_json:
        click.echo("quality and attributes are skipped without --data DATA", err=True)
    if asked.out is not None:
        append_line(asked.out, text)


def check_data(network: Network, dataset: ImageFolderDataset, *, sizes: bool) -> None:
    """Check that a network and a data set have the same channels and, with `sizes`, the same resolution.

    Raises:
        LinkGANError: they differ; states both values.
    """
    compared = {"channels": dataset.num_channels} | ({"resolution": dataset.resolution} if sizes else {})
    for name, there in compared.items():
        own = getattr(network.generator, f"img_{name}", there)
        if own != there:
            raise LinkGANError(
                f"{dataset.path} has images of {name} {there}, {network.path} generates images of {name} {own}; give "
                "--data with the same, or omit it"
            )


def flat(results: dict[str, LinkResult]) -> tuple[dict[str, float | None], dict[str, float | None]]:
    """Return ``link/key -> value`` and ``link/key -> standard error``."""
    estimates = {f"{link}/{key}": e for link, r in results.items() for key, e in r.estimates.items()}
    return {key: e.value for key, e in estimates.items()}, {key: e.stderr for key, e in estimates.items()}


def table(line: dict[str, Any], columns: list[str]) -> str:
    """Return the values as a text table, one row per metric, one column per network."""
    heads = {"results": "this network", "baseline": "baseline"}
    rows = [["", *(heads[name] for name in columns)]]
    for key in line["results"]:
        rows.append([key, *(_cell(line, name, key) for name in columns)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    text = "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    skipped = {link: count for link, count in line["skipped"].items() if count}
    notes = [f"{count} of {line['pairs']} pairs without region {link}" for link, count in skipped.items()]
    if "quality_kind" in line:
        notes.append(f"quality: {line['quality_kind']}, lower is better")
    if "consistent" in line:
        choice = line["consistent"]
        notes.append(
            f"donors of edited_quality, fit and diversity_kept_consistent: best of {choice['candidates']} by "
            f"{choice['by']}"
        )
    if any(key.startswith("edited_quality_difference:") for key in line["results"]):
        notes.append("edited_quality_difference: edited minus unedited quality, same seeds; above 0 is a loss")
    if any(key.startswith("fit:") for key in line["results"]):
        notes.append("fit: accuracy of a network that distinguishes edited from unedited images; 0.5 is perfect")
    return "\n".join([text, *notes])


def _cell(line: dict[str, Any], name: str, key: str) -> str:
    from ..metrics.estimate import shown

    return shown(line[name].get(key), line.get(f"{name}_stderr", {}).get(key))
