"""The hooks called by the lines inserted into a host: command flags, options with links, specs next to snapshots."""

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
    """Decorator for a host's training command: adds the link flags, which are not passed to its function."""
    return _with_flags(command, link_options, take_link_options)


def metric_options(command: F) -> F:
    """Decorator for a host's metrics command: adds --link, for networks without a link spec."""
    return _with_flags(command, spec_options, take_spec_options)


def _with_flags(command: F, add: Callable[[F], F], take: Callable[[dict[str, Any]], dict[str, Any]]) -> F:
    """Return the command with additional flags; their values are stored in click's context for the hooks."""

    @functools.wraps(command)
    def stashing(*args: Any, **values: Any) -> Any:
        click.get_current_context().meta[_FLAGS] = take(values)
        return command(*args, **values)

    return add(stashing)  # type: ignore[arg-type]


def _flags() -> dict[str, Any] | None:
    """Return the flags of the running command; None where a script calls the host's functions directly."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(_FLAGS)


def _user_error(error: LinkGANError) -> click.UsageError:
    return click.UsageError(str(error), ctx=click.get_current_context(silent=True))


def apply(options: MutableMapping[str, Any]) -> None:
    """Edit the options of a host before they are passed to its training loop: links, fixes, overrides, smoke limits.

    Without link flags, and outside of `linkgan run`, nothing is changed.

    Raises:
        click.UsageError: invalid flags; raised before anything is built.
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
    """Print when links start, unless they start with the first image."""
    if line := announcement(options):
        click.echo(line, err=True)


def give_links(network: nn.Module, metrics: Sequence[str]) -> None:
    """Set the links of --link on a network before a host evaluates it; child processes get them with the network.

    Raises:
        click.UsageError: region metrics are requested, but there is neither a link spec on the network nor --link.
    """
    flags = _flags() or {"links": ()}
    try:
        if flags["links"]:
            set_links(network, flags["links"], space=flags["space"], allow_overlap=flags["allow_overlap"])
        check_metrics(metrics, linked=has_links(network))
    except LinkGANError as error:
        raise _user_error(error) from error


def check_resume(name: str, source: nn.Module, target: nn.Module, loss_kwargs: Mapping[str, Any]) -> None:
    """Compare a snapshot's network with the network that it will be copied into, if links are trained.

    Raises:
        click.UsageError: their tensors differ; lists them. Hosts copy matching tensors and silently skip the rest.
    """
    if not is_linked(loss_kwargs):
        return
    try:
        resume.compare(name, source, target)
    except LinkGANError as error:
        raise _user_error(error) from error


def begin_step(loss: Any, cur_nimg: int) -> None:
    """Pass the number of images seen to the plugin's loss, for hosts that do not pass it to theirs."""
    if (begin := getattr(loss, "begin_step", None)) is not None:
        begin(cur_nimg)


def snapshot_written(path: str, data: Mapping[str, Any], loss_kwargs: Mapping[str, Any]) -> None:
    """Write the link spec, if any, next to a snapshot; called only by the process that writes snapshots."""
    if is_linked(loss_kwargs):
        sidecar.write(Path(path), loss_kwargs)


def small_grid(size: tuple[int, int], images: Any, labels: Any) -> tuple[tuple[int, int], Any, Any]:
    """Return the part of a host's grid of sample images that a smoke run renders."""
    return smoke.small_grid(size, images, labels)
