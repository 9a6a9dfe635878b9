"""Options shared by the commands that open a network file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..flags import spec_options
from .params import typed_flags

if TYPE_CHECKING:
    from ..links import LinkSpec
    from ..networks import Network

F = TypeVar("F", bound=Callable[..., Any])

host_option = click.option(
    "--host",
    envvar="LINKGAN_HOST",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Host folder (with train.py): build a .pkl with its classes instead of ours; runs its code. Or LINKGAN_HOST.",
)


class_option = click.option(
    "--class", "number", type=click.IntRange(0), help="Class of all images, for conditional networks."
)


@dataclass(frozen=True)
class NetworkFlags:
    """How a command uses a network file.

    Attributes:
        links: links instead of the network's own; () for its own.
        link_overlap: let their regions share pixels.
        data: data set with the classes or cameras to use.
        number: class of all images; None for those of the data.
        host: the folder with the train.py of a .pkl; None for our own classes.
        link_space: the latent space of `links`, w or z; None for w where there is one.
    """

    links: tuple[str, ...]
    link_overlap: bool
    data: Path | None
    number: int | None
    host: Path | None
    link_space: str | None = None

    def linked(self, network: Network) -> LinkSpec:
        """Return the given links, else the network's own; raises LinkGANError as `Network.linked` does."""
        return network.linked(self.links, space=self.link_space, allow_overlap=self.link_overlap)


def check_labels() -> None:
    """Reject --class together with a --data that is used only for classes.

    Raises:
        click.UsageError: both were typed.
    """
    typed = typed_flags()
    if {"number", "data"} <= typed.keys():
        raise click.UsageError("--class and --data do not go together: one class for all images, or those of the data")


def links_options(command: F) -> F:
    """Add the options of links that replace a network's own: `links`, `link_space`, `link_overlap`."""
    return spec_options(command, "Links instead of the snapshot's own.")


def check_links() -> None:
    """Reject link options that would have no effect.

    Raises:
        click.UsageError: --link-space or --link-overlap was typed without --link.
    """
    typed = typed_flags()
    unheard = [typed[name] for name in ("link_space", "link_overlap") if name in typed]
    if unheard and "links" not in typed:
        raise click.UsageError(
            f"{' and '.join(unheard)}: only for links given by --link NAME=AXES@REGION; the network's own links "
            "already define this"
        )
