"""The names of the link metrics in a host's metric runner, and when they can be asked for."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import LinkGANError

# Name -> number of edited pairs.
SIZES = {"link2k": 2_000, "link10k": 10_000}


def is_link_metric(name: str) -> bool:
    """Return whether `name` is one of our metrics."""
    return name in SIZES


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
