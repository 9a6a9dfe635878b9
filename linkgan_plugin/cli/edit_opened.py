"""What `linkgan edit` opens: the network, its links, the images to edit, their donors, and directions of files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..consistent import Consistent
    from ..directions.directions import Directions
    from ..editing.editor import Editor
    from ..generators import LinkedGenerator
    from ..inversion.encoder import Encoder
    from .edit_request import EditRequest


@dataclass(frozen=True)
class Opened:
    """A network with its links, and what the command line gives it.

    Attributes:
        network: the host's generator.
        generator: its editing wrapper.
        label: [1, c_dim] for projections of hosts, which store none; None if it is unknown.
        choice: chooses the donor of each image; None for the seed itself.
        sets: the files' directions, by name.
    """

    network: nn.Module
    generator: LinkedGenerator
    label: Tensor | None
    choice: Consistent | None
    sets: dict[str, Directions]

    def editors(self, asked: EditRequest) -> list[Editor]:
        """Return an editor of every image."""
        from ..editing.editor import Editor
        from ..inversion.projected import load_projected

        if not asked.projections:
            return [Editor.of_seed(self.generator, seed) for seed in asked.seeds]
        found = [load_projected(path, self.network, self.label) for path in asked.projections]
        detailed = {path: projected.detailed for path, projected in zip(asked.projections, found, strict=True)}
        encoder = self.encoder(asked, detailed)
        return [Editor.of_projected(self.generator, projected, encoder) for projected in found]

    def encoder(self, asked: EditRequest, detailed: Mapping[Path, bool]) -> Encoder | None:
        """Return the encoder whose details edits keep, if one was given; warn where details are lost without it.

        Args:
            asked: the command line.
            detailed: whether each projection was made with details.
        """
        from ..inversion.encoder_files import load_encoder

        if asked.encoder is not None:
            return load_encoder(asked.encoder, self.generator.device)
        for path in (path for path, has_details in detailed.items() if has_details):
            click.echo(f"Warning: {path} was made with details, which are lost without --encoder FILE", err=True)
        return None

    def donor(self, donor: int | Path) -> int | Tensor:
        """Return a donor as steps take it: a seed as it is, a projection as its latents [1, num_ws, w_dim]."""
        if isinstance(donor, int):
            return donor
        from ..inversion.projected import load_projected

        return load_projected(donor, self.network, self.label).latents


def open_network(asked: EditRequest) -> Opened:
    """Open the network with its own links, the given ones, or none for directions of files."""
    from .. import registry
    from ..consistent import consistent_from
    from ..editing.direction_sets import load_sets, space_of
    from ..images.pixels import check_channels
    from ..inversion.conditions import photograph_label
    from ..networks import load_network
    from .edit_directions import warn_of_others

    network = load_network(asked.snapshot, host=asked.host)
    check_channels(int(getattr(network.generator, "img_channels", 3)))
    sets = load_sets(asked.files, network.generator)
    warn_of_others(sets, asked.snapshot)
    space = asked.link_space or (space_of(sets) if not asked.links else None)
    spec = network.linked(asked.links, space=space, allow_overlap=asked.link_overlap, needed=not sets)
    labels = network.labels(asked.data, asked.number)
    label = photograph_label(network.generator, labels)
    wrap = registry.load("generators", asked.wrapper)
    generator = wrap(network.generator, spec, truncation_psi=asked.psi, labels=labels)
    choice = consistent_from(asked.consistent, asked.consistent_by, lambda: network.discriminator)
    return Opened(network.generator, generator, label, choice, sets)
