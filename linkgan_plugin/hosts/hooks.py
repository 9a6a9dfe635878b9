"""What the lines inserted into a host call: flags on its commands, links in its options, spec beside its snapshots."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from torch import nn

from .. import sidecar
from ..errors import LinkGANError
from ..flags import link_options, spec_options, take_link_options, take_spec_options
from ..network_links import has_links, set_links
from . import compat, resume, session, smoke
from .metric_names import check_metrics
from .options import announcement, follow_flags, is_linked
from .overrides import override

F = TypeVar("F", bound=Callable[..., Any])
_FLAGS = "linkgan"


def train_options(command: F) -> F:
    """Decorate a host's training command: it takes our flags, and its function never sees them."""
    return _with_flags(command, link_options, take_link_options)


def metric_options(command: F) -> F:
    """Decorate a host's metrics command: it takes --link for networks that carry no spec."""
    return _with_flags(command, spec_options, take_spec_options)


def _with_flags(command: F, add: Callable[[F], F], take: Callable[[dict[str, Any]], dict[str, Any]]) -> F:
    """Return the command with flags whose values wait in click's context for the hook that needs them."""

    @functools.wraps(command)
    def stashing(*args: Any, **values: Any) -> Any:
        click.get_current_context().meta[_FLAGS] = take(values)
        return command(*args, **values)

    return add(stashing)  # type: ignore[arg-type]


def _flags() -> dict[str, Any] | None:
    """Return the flags of the command that is running; None where a script calls the host's functions itself."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(_FLAGS)


def _user_error(error: LinkGANError) -> click.UsageError:
    return click.UsageError(str(error), ctx=click.get_current_context(silent=True))


def apply(options: MutableMapping[str, Any]) -> None:
    """Edit what a host is about to hand to its training loop: links, remedies, overrides and smoke limits.

    Without our flags, and outside of `linkgan run`, nothing is changed.

    Raises:
        click.UsageError: bad flags; says what is wrong before anything is built.
    """
    run = session.current()
    flags = _flags()
    try:
        if compat.active():
            compat.float_betas(options)
        if run is not None:
            override(options, run.overrides)
            if run.smoke:
                smoke.limit(options)
        if flags is not None:
            follow_flags(options, smoke.at_once(flags) if run is not None and run.smoke else flags)
            announce(options)
        check_metrics(options.get("metrics") or [], linked=is_linked(options.get("loss_kwargs", {})))
    except LinkGANError as error:
        raise _user_error(error) from error


def announce(options: Mapping[str, Any]) -> None:
    """Tell when links start, where it is not at once."""
    if line := announcement(options):
        click.echo(line, err=True)


def give_links(network: nn.Module, metrics: Sequence[str]) -> None:
    """Set --link on a network that a host is about to measure; it travels to child processes with the network.

    Raises:
        click.UsageError: region metrics are asked for, the network carries no spec and there is no --link.
    """
    flags = _flags() or {"links": ()}
    try:
        if flags["links"]:
            set_links(network, flags["links"], space=flags["space"], allow_overlap=flags["allow_overlap"])
        check_metrics(metrics, linked=has_links(network))
    except LinkGANError as error:
        raise _user_error(error) from error


def check_resume(name: str, source: nn.Module, target: nn.Module, loss_kwargs: Mapping[str, Any]) -> None:
    """Compare a snapshot's network with the one it is about to be copied into, where links are trained.

    Raises:
        click.UsageError: their tensors differ; lists them. Hosts copy what matches and pass over the rest in silence.
    """
    if not is_linked(loss_kwargs):
        return
    try:
        resume.compare(name, source, target)
    except LinkGANError as error:
        raise _user_error(error) from error


def begin_step(loss: Any, cur_nimg: int) -> None:
    """Tell a loss of ours how many images the run has seen, where the host's own is not told."""
    if (begin := getattr(loss, "begin_step", None)) is not None:
        begin(cur_nimg)


def snapshot_written(path: str, data: Mapping[str, Any], loss_kwargs: Mapping[str, Any]) -> None:
    """Write the link spec beside a snapshot, where there is one; only the process that writes snapshots calls this."""
    if is_linked(loss_kwargs):
        sidecar.write(Path(path), loss_kwargs)


def small_grid(size: tuple[int, int], images: Any, labels: Any) -> tuple[tuple[int, int], Any, Any]:
    """Return the corner of a host's grid of sample images that a smoke run renders."""
    return smoke.small_grid(size, images, labels)
