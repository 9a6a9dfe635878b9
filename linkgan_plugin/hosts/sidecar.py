"""A network's links outside of the links' own training: beside its snapshot, given by hand, or missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from training_loops.formats.budget import DESCRIPTION
from training_loops.formats.files import read_file
from training_loops.formats.json_text import parse_object

from .. import __version__
from ..atomic import write_json
from ..errors import LinkGANError
from ..generators import SPEC_ATTRIBUTE, links_for
from ..metrics.runner import is_link_metric

SUFFIX = ".links.json"


def path_of(snapshot: Path) -> Path:
    """Return where the links of a snapshot are kept: ``network-snapshot-000100.links.json`` beside the .pkl."""
    return snapshot.with_suffix(SUFFIX)


def write(snapshot: Path, loss_kwargs: Mapping[str, Any]) -> None:
    """Write spec and recipe beside a snapshot: the attribute on the network is lost when a plain host trains on."""
    data = {
        "linkgan_plugin": __version__,
        "link_spec": loss_kwargs["link_spec"],
        "recipe": loss_kwargs["recipe"],
        "base_loss": loss_kwargs["base_class_name"],
    }
    write_json(path_of(snapshot), data)


def read(snapshot: Path) -> dict[str, Any] | None:
    """Return the spec kept beside a snapshot, as ``LinkSpec.to_json()`` gives it, or None.

    Raises:
        LinkGANError: the file is there and cannot be read.
    """
    path = path_of(snapshot)
    if not path.exists():
        return None
    try:
        spec = parse_object(read_file(path, DESCRIPTION.bytes), str(path)).get("link_spec")
        if not isinstance(spec, dict):
            raise LinkGANError(f"{path}: holds no 'link_spec'")
    except LinkGANError as error:
        raise LinkGANError(f"{error}; delete it, or give the links with --link") from error
    return spec


def has_links(network: nn.Module) -> bool:
    """Return whether a network carries a link spec."""
    return getattr(network, SPEC_ATTRIBUTE, None) is not None


def set_links(network: nn.Module, links: Sequence[str], *, space: str | None, allow_overlap: bool) -> None:
    """Set links, ``NAME=AXES@REGION`` each, on a network.

    Raises:
        LinkGANError: malformed, or they do not fit its latent space.
    """
    spec = links_for(network, links, space=space, allow_overlap=allow_overlap)
    setattr(network, SPEC_ATTRIBUTE, spec.to_json())


def check_metrics(metrics: Sequence[str], *, linked: bool) -> None:
    """Check that region metrics are only asked for where there are links.

    Raises:
        LinkGANError: they are, and there are none; names the metrics and the ways out.
    """
    asked = [name for name in metrics if is_link_metric(name)]
    if asked and not linked:
        raise LinkGANError(
            f"--metrics={','.join(asked)} needs links and this network carries none; give them with "
            "--link NAME=AXES@REGION (in training, --link-weight=0 measures links without training them)"
        )
