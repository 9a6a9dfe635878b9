"""What a kind of demo says of itself: its data, its networks, what is measured and what is drawn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ..generators import LinkedGenerator
from ..networks import Network, load_network
from ..runs import has_seen, snapshot_of, train_command


@dataclass(frozen=True)
class Size:
    """How much work a demo does: images of data, thousand images of training, and what is measured."""

    data: int
    kimg: float
    pairs: int
    quality_images: int


@dataclass(frozen=True)
class Kind(ABC):
    """One demo in one folder. The job calls `prepare`, trains the networks, then calls the rest in their order.

    Class attributes:
        networks: folders of the networks that are compared; the linked one first, the unlinked baseline last.
        starts: network -> the one whose weights it starts from, which is trained before it.
        columns: headings of all that is measured, the networks first.
        title: of the report.
        full, quick: how much work there is.
    Attributes:
        out: the folder.
        seed: of data order, networks and latents.
    """

    networks: ClassVar[tuple[str, ...]] = ("linked", "unlinked")
    starts: ClassVar[Mapping[str, str]] = {}
    columns: ClassVar[Mapping[str, str]] = {
        "linked": "linked",
        "unlinked": "unlinked baseline",
        "oracle": "the renderer itself",
    }
    title: ClassVar[str]
    full: ClassVar[Size]
    quick: ClassVar[Size]

    out: Path
    seed: int
    size: Size

    @property
    @abstractmethod
    def data(self) -> Path:
        """The training data."""

    def settings(self) -> dict[str, Any]:
        """Return what must be the same for a folder's demo to go on, plain data."""
        return {"seed": self.seed, "data": self.size.data, "kimg": self.size.kimg}

    @abstractmethod
    def prepare(self) -> None:
        """Make the data and whatever else the trainings need, each only where it is not there."""

    @abstractmethod
    def options(self, network: str) -> list[str]:
        """Return the options of a network's `linkgan train` that make it what it is."""

    @abstractmethod
    def measure(self) -> dict[str, Any]:
        """Return the figures of every column, as `metrics.record.record` gives them, and what belongs beside them."""

    @abstractmethod
    def draw(self, metadata: Mapping[str, str]) -> None:
        """Write the images, which carry `metadata`."""

    @abstractmethod
    def sections(self, report: Mapping[str, Any]) -> Sequence[str]:
        """Return the page's own sections: images and tables."""

    @property
    def runs(self) -> tuple[str, ...]:
        """All networks that are trained, those that others start from first."""
        return tuple(dict.fromkeys([*self.starts.values(), *self.networks]))

    def kimg(self, network: str) -> float:
        """Return how many thousand images a network sees in its own training."""
        return self.size.kimg

    def trained(self, network: str) -> bool:
        """Return whether a network has seen all its images."""
        return has_seen(self.run_dir(network), self.kimg(network))

    def training_chain(self, network: str) -> tuple[str, ...]:
        """Return the trainings that a network went through, the last one first."""
        return (network, *self.training_chain(self.starts[network])) if network in self.starts else (network,)

    def run_dir(self, network: str) -> Path:
        """Return the folder that a network is trained in."""
        return self.out / network

    def command(self, network: str) -> list[str]:
        """Return the command that trains a network, or goes on with it."""
        arguments = ["--data", str(self.data), "--seed", str(self.seed), "--kimg", f"{self.kimg(network):g}"]
        if network in self.starts:
            arguments += ["--resume", str(snapshot_of(self.run_dir(self.starts[network])))]
        arguments += ["--snap", "10", "--threads", "1", "--loss=linkgan", *self.options(network)]
        return train_command(self.run_dir(network), arguments)

    def network(self, network: str) -> Network:
        """Return a trained network."""
        return load_network(snapshot_of(self.run_dir(network)))

    def generator(self, network: str) -> LinkedGenerator:
        """Return a trained generator with the links that it was trained with, or measured by."""
        trained = self.network(network)
        return LinkedGenerator(trained.generator, trained.linked(), labels=trained.labels(self.data))
