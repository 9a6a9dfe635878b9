"""Base class of demos: data, networks, measurements and images."""

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
    """Size of a demo: images of data, thousand images of training, and measured pairs and images."""

    data: int
    kimg: float
    pairs: int
    quality_images: int


@dataclass(frozen=True)
class Kind(ABC):
    """One demo in one folder. The job calls `prepare`, trains the networks, then calls the other methods in order.

    Class attributes:
        networks: folders of the compared networks; the linked one first, the unlinked baseline last.
        starts: network -> the network whose weights it starts from, which is trained first.
        columns: headings of all measured generators, the networks first.
        title: title of the report.
        full, quick: sizes of the full and the quick demo.
    Attributes:
        out: the folder.
        seed: seed of data order, networks and latents.
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
        """Return the settings that must be equal to resume a folder's demo, as plain data."""
        return {"seed": self.seed, "data": self.size.data, "kimg": self.size.kimg}

    @abstractmethod
    def prepare(self) -> None:
        """Create the data and other inputs of the trainings that do not exist yet."""

    @abstractmethod
    def options(self, network: str) -> list[str]:
        """Return the options of `linkgan train` that are specific to a network."""

    @abstractmethod
    def measure(self) -> dict[str, Any]:
        """Return the results of every column, as from `metrics.record.record`, and other values of the report."""

    @abstractmethod
    def draw(self, metadata: Mapping[str, str]) -> None:
        """Write the images, with `metadata`."""

    @abstractmethod
    def sections(self, report: Mapping[str, Any]) -> Sequence[str]:
        """Return the sections of the report: images and tables."""

    @property
    def runs(self) -> tuple[str, ...]:
        """All networks to train; those that others start from are first."""
        return tuple(dict.fromkeys([*self.starts.values(), *self.networks]))

    def kimg(self, network: str) -> float:
        """Return the length of a network's own training, in thousand images."""
        return self.size.kimg

    def trained(self, network: str) -> bool:
        """Return whether a network has seen all its images."""
        return has_seen(self.run_dir(network), self.kimg(network))

    def training_chain(self, network: str) -> tuple[str, ...]:
        """Return a network and the networks that it started from, the last training first."""
        return (network, *self.training_chain(self.starts[network])) if network in self.starts else (network,)

    def run_dir(self, network: str) -> Path:
        """Return the folder that a network is trained in."""
        return self.out / network

    def command(self, network: str) -> list[str]:
        """Return the command that trains a network, or resumes its training."""
        arguments = ["--data", str(self.data), "--seed", str(self.seed), "--kimg", f"{self.kimg(network):g}"]
        if network in self.starts:
            arguments += ["--resume", str(snapshot_of(self.run_dir(self.starts[network])))]
        arguments += ["--snap", "10", "--threads", "1", "--loss=linkgan", *self.options(network)]
        return train_command(self.run_dir(network), arguments)

    def network(self, network: str) -> Network:
        """Return a trained network."""
        return load_network(snapshot_of(self.run_dir(network)))

    def generator(self, network: str) -> LinkedGenerator:
        """Return a trained generator with its links."""
        trained = self.network(network)
        return LinkedGenerator(trained.generator, trained.linked(), labels=trained.labels(self.data))
