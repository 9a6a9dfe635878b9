"""The names of the link metrics in a host's metric runner, and a check whether they can be used."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import LinkGANError

# Name -> number of edited pairs.
SIZES = {"link2k": 2_000, "link10k": 10_000}


def is_link_metric(name: str) -> bool:
    """Return whether `name` is a link metric."""
    return name in SIZES


def check_metrics(metrics: Sequence[str], *, linked: bool) -> None:
    """Check that link metrics are only requested for networks with links.

    Raises:
        LinkGANError: link metrics without links; names the metrics and how to fix it.
    """
    asked = [name for name in metrics if is_link_metric(name)]
    if asked and not linked:
        raise LinkGANError(
            f"--metrics={','.join(asked)} needs links, but this network has none; give them with "
            "--link NAME=AXES@REGION (in training, --link-weight=0 measures links without training them)"
        )
