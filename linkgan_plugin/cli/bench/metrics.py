"""`linkgan bench metrics`: speed of region metrics compared with plain synthesis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..network_options import NetworkFlags, check_links, class_option, host_option, links_options
from ..params import DEVICE, check_out, existing_file, existing_path, force_option, gathered
from .params import folder, threads_option, write_result

if TYPE_CHECKING:
    from ...generators import LinkedGenerator


@dataclass(frozen=True)
class Measurement:
    """What is measured.

    Attributes:
        snapshot: the network's file.
        pairs: edited pairs per round.
        batch: images at a time.
        rounds: timed rounds.
        device: cpu, cuda or cuda:1.
        threads: CPU threads.
        out: the folder for metrics.json.
        force: overwrite it.
    """

    snapshot: Path
    pairs: int
    batch: int
    rounds: int
    device: str
    threads: int
    out: Path
    force: bool

    def generator(self, source: NetworkFlags) -> LinkedGenerator:
        """Return the network with its links, used as `source` says."""
        from ...generators import LinkedGenerator
        from ...networks import load_network

        network = load_network(self.snapshot, self.device, source.host)
        labels = network.labels(source.data, source.number)
        return LinkedGenerator(network.generator, source.linked(network), labels=labels)


@click.command(
    epilog="\b\nExamples:\n  linkgan bench metrics runs/demo/linked/network-snapshot-000084.pt",
)
@click.argument("snapshot", type=existing_file)
@links_options
@click.option("--pairs", type=click.IntRange(2), default=256, show_default=True, help="Pairs per round.")
@click.option("--batch", type=click.IntRange(1), default=64, show_default=True, help="Images at a time.")
@click.option("--rounds", type=click.IntRange(1), default=8, show_default=True)
@click.option("--data", type=existing_path, help="Data set for attributes and labels.")
@class_option
@click.option("--device", type=DEVICE, default="cpu", show_default=True)
@threads_option
@host_option
@click.option("--out", type=folder, default=Path("runs/bench-metrics"), show_default=True, help="For metrics.json.")
@force_option
@gathered(NetworkFlags, Measurement)
def metrics(source: NetworkFlags, asked: Measurement) -> None:
    """Compare the speed of `linkgan metrics`, in images per second, with plain synthesis of the same images.

    Both render the same batches, alternating. With procedural faces as --data, a second row includes the metrics that
    read attributes.
    """
    check_links()
    check_out(asked.out / "metrics.json", asked.force)

    import torch
    from tqdm import tqdm

    from ...bench import throughput
    from ...metrics.attributes import classifier_for

    torch.set_num_threads(asked.threads)
    generator = asked.generator(source)
    classifier = classifier_for(source.data, asked.device)
    kinds = {"region metrics": None} | ({"with attributes read": classifier} if classifier else {})
    size: dict[str, Any] = {"pairs": asked.pairs, "batch": asked.batch}
    with tqdm(total=len(kinds) * (asked.rounds + 1), unit="round", desc="measuring") as bar:
        rows = [
            {
                "metrics": name,
                **throughput.measure_throughput(generator, kind, rounds=asked.rounds, progress=bar.update, **size),
            }
            for name, kind in kinds.items()
        ]
    write_result(asked.out / "metrics.json", {"snapshot": str(asked.snapshot), **size, "rows": rows})
    click.echo(throughput.table(rows))
