"""`linkgan metrics`: region metrics of a snapshot, optionally compared with an unlinked baseline."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import LinkGANError
from .network_options import check_links, class_option, host_option, links_options
from .params import DEVICE, command_line, existing_file, existing_path

if TYPE_CHECKING:
    from training_loops.formats.folder import ImageFolderDataset

    from ..metrics.evaluate import LinkResult
    from ..networks import Network

QUALITY_KINDS = ("auto", "attributes", "patches", "imagenet", "fid", "kid")


@click.command(
    epilog="""\b
Examples:
  linkgan metrics runs/demo/linked/network-snapshot-000084.pt --data runs/demo/faces.zip
  linkgan metrics linked.pt --baseline unlinked.pt --pairs 5000 --json
  linkgan metrics any.pt --link 'eyes=0:16@eyes' --metric locality --metric effect_in
  linkgan metrics cats.pt --data cats.zip --quality-kind imagenet --edited-quality --fit
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
@click.option("--device", type=DEVICE, default="cpu", show_default=True)
@host_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line, in the format of the hosts' metric files.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Append the JSON line to this file.")
def metrics(
    snapshot: Path,
    baseline: Path | None,
    links: tuple[str, ...],
    link_space: str | None,
    link_overlap: bool,
    names: tuple[str, ...],
    pairs: int,
    batch: int,
    seed: int,
    data: Path | None,
    number: int | None,
    quality_images: int,
    quality_kind: str,
    edited_quality: bool,
    fit: bool,
    device: str,
    host: Path | None,
    as_json: bool,
    out: Path | None,
) -> None:
    """Measure whether each link's axes change only their region.

    Every value has a standard error over seeded pairs. With --baseline, the same axes and regions are measured on an
    unlinked network for comparison.
    """
    check_links()

    from tqdm import tqdm

    from training_loops.formats import strict_json
    from training_loops.formats.atomic import append_line
    from training_loops.formats.folder import ImageFolderDataset

    from ..generators import LinkedGenerator
    from ..metrics.attributes import classifier_for
    from ..metrics.edited_quality import Asked, QualityOf
    from ..metrics.evaluate import evaluate
    from ..metrics.yardsticks import yardstick
    from ..networks import load_network

    given = {"--edited-quality": edited_quality, "--fit": fit, "--quality-kind": quality_kind != "auto"}
    _check_quality(data, quality_images, given, pairs)
    started = time.time()
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    network = load_network(snapshot, device, host)
    spec = network.linked(links, space=link_space, allow_overlap=link_overlap)
    classifier = classifier_for(data, device)
    dataset = ImageFolderDataset(data) if data is not None and (quality_images or classifier) else None
    subjects = {"results": network} | ({"baseline": load_network(baseline, device, host)} if baseline else {})
    if dataset is not None:
        for subject in subjects.values():
            check_data(subject, dataset, sizes=bool(quality_images))
    generators = {
        name: LinkedGenerator(subject.generator, spec, labels=subject.labels(data, number))
        for name, subject in subjects.items()
    }
    quality = None
    if dataset is not None and quality_images:
        asked = Asked(quality_images, edited_quality, fit)
        quality = QualityOf(dataset, yardstick(quality_kind, classifier, device), asked)
    line: dict[str, Any] = {}
    tables: dict[str, dict[str, LinkResult]] = {}
    with tqdm(total=pairs * len(subjects), unit="pair", disable=as_json or not pairs) as bar:
        for name, generator in generators.items():
            tables[name] = {}
            if pairs:
                tables[name] = evaluate(
                    generator,
                    pairs=pairs,
                    batch=batch,
                    seed=seed,
                    metrics=names or None,
                    classifier=classifier,
                    progress=bar.update,
                )
            line[name], line[f"{name}_stderr"] = flat(tables[name])
            if quality is not None:
                found = quality.measure(generator)
                line[name] |= {key: estimate.value for key, estimate in found.items()}
                line[f"{name}_stderr"] |= {key: e.stderr for key, e in found.items() if e.stderr is not None}
                line["quality_kind"] = quality.yardstick.text
    line |= {
        "metric": f"link{pairs}" if pairs else "quality",
        "pairs": pairs,
        "skipped": {link: result.skipped for link, result in tables["results"].items()},
        "seed": seed,
        "snapshot_pkl": str(snapshot),
        "baseline_pkl": str(baseline) if baseline else None,
        "link_spec": spec.to_json(),
        "command": command_line(),
        "total_time": time.time() - started,
        "timestamp": time.time(),
    }
    text = strict_json.dumps(line)
    click.echo(text if as_json else table(line, list(tables)))
    if data is None and not as_json:
        click.echo("quality and attributes are skipped without --data DATA", err=True)
    if out is not None:
        append_line(out, text)


def _check_quality(data: Path | None, images: int, asked: dict[str, bool], pairs: int) -> None:
    """Reject flags (name -> given) that need data if there is none; raises LinkGANError."""
    if not pairs and (data is None or not images):
        raise LinkGANError("--pairs 0 measures quality only: add --data DATA, and --quality-images above 0")
    for flag, given in asked.items():
        if given and (data is None or not images):
            raise LinkGANError(f"{flag} needs data: add --data DATA, and --quality-images above 0")


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
                f"{dataset.path} has images of {name} {there}, {network.path} makes them of {name} {own}; give "
                "--data of the same, or leave it out"
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
    if any(key.startswith("edited_quality_difference:") for key in line["results"]):
        notes.append("edited_quality_difference: edited minus unedited quality, same seeds; above 0 is a loss")
    if any(key.startswith("fit:") for key in line["results"]):
        notes.append("fit: share of edited and unedited images told apart by a network; 0.5 is perfect")
    return "\n".join([text, *notes])


def _cell(line: dict[str, Any], name: str, key: str) -> str:
    from ..metrics.estimate import shown

    return shown(line[name].get(key), line.get(f"{name}_stderr", {}).get(key))
