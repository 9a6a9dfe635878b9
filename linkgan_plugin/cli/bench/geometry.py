"""`linkgan bench geometry`: the shape of generated procedural heads, compared with the renderer's."""

from __future__ import annotations

from pathlib import Path

import click

from ..params import DEVICE, check_out, existing_path, force_option
from .params import folder, named_file, threads_option, write_result


@click.command(
    epilog="""\b
Examples:
  linkgan bench geometry runs/heads/network-snapshot-000030.pt --data heads.zip
  linkgan bench geometry unlinked=a.pt linked=b.pt --data heads.zip --heads 1000 --out runs/geometry
""",
)
@click.argument("networks", metavar="[NAME=]FILE...", nargs=-1, required=True)
@click.option("--data", type=existing_path, required=True, help="The procedural heads that they were trained on.")
@click.option("--heads", type=click.IntRange(8), default=256, show_default=True, help="Heads per network.")
@click.option("--device", type=DEVICE, default="cpu", show_default=True)
@threads_option
@click.option("--out", type=folder, default=Path("runs/bench-geometry"), show_default=True, help="For geometry.json.")
@force_option
def geometry(
    networks: tuple[str, ...], data: Path, heads: int, device: str, threads: int, out: Path, force: bool
) -> None:
    """Compare the depth of generated heads with that of heads rendered from the attributes that their colours show.

    A classifier, trained on the data first, reads the attributes. A network that paints its noses on a flat wall has
    the colours of long noses and short ones, and the depth of neither. The renderer itself is the last column: what the
    measure gives for a perfect network.
    """
    named = dict(named_file(text) for text in networks)
    if len(named) < len(networks):
        raise click.UsageError("two networks have the same name; give names: NAME=FILE")
    check_out(out / "geometry.json", force)

    import torch
    from tqdm import tqdm

    from training_loops.data.head_oracle import HeadOracle
    from training_loops.formats.folder import ImageFolderDataset

    from ...bench import geometry as measure
    from ...bench.tables import markdown
    from ...generators import LinkedGenerator
    from ...labels import labels_from
    from ...metrics.head_classifier import HeadClassifier, train_head_classifier, training_steps
    from ...network_links import unlinked
    from ...networks import load_network

    torch.set_num_threads(threads)
    opened = {name: load_network(path, device) for name, path in named.items()}
    generators = {
        name: LinkedGenerator(n.generator, n.linked(needed=False), labels=n.labels(data)) for name, n in opened.items()
    }
    oracle = HeadOracle(ImageFolderDataset(data).resolution)
    generators["renderer"] = LinkedGenerator(
        oracle, unlinked(oracle), labels=labels_from(ImageFolderDataset(data, use_labels=True), oracle.c_dim)
    )
    with tqdm(total=training_steps(data), unit="step", desc="training the classifier", disable=None) as bar:
        classifier = HeadClassifier(train_head_classifier(data, progress=lambda loss: bar.update()))
    with tqdm(total=heads * len(generators), unit="head", desc="measuring", disable=None) as bar:
        found = {
            name: measure.measure_geometry(generator, classifier, heads=heads, progress=bar.update)
            for name, generator in generators.items()
        }
    write_result(out / "geometry.json", {"heads": heads, "data": str(data), "networks": found})
    click.echo(markdown(["", *found], measure.rows(found)))
