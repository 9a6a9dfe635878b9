"""The basis of links for `linkgan train` and `linkgan link`: where it is read from, and finding it with a bar."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..flags import FIND_BASIS, NO_BASIS

if TYPE_CHECKING:
    from ..basis import Basis
    from ..generators import LinkedGenerator
    from ..links import LinkSpec


def links_source(
    links: Mapping[str, Any], resume: Path | None, data: Path | None, device: str | None
) -> LinkSpec | None:
    """Return the spec whose basis a run trains in, and whose links where none were typed; None for the plain axes.

    Args:
        links: the link flags, as `take_link_options` returns them.
        resume: the snapshot that the run starts from.
        data: the data set, for labels.
        device: where `--link-basis auto` finds the basis; by default a GPU if there is one.
    Raises:
        click.UsageError: auto without a network to find the basis in.
        LinkGANError: a file without links, or that cannot be read.
    """
    from ..links import LinkSpec
    from ..networks import load_network

    basis = links["basis"]
    if links["loss"] is None:
        return None
    if basis == FIND_BASIS:
        if resume is None:
            raise click.UsageError("--link-basis auto finds the basis in a trained network: give it by --resume FILE")
        return _found(links, resume, data, device)
    if basis not in (None, NO_BASIS):
        from .. import sidecar

        file = Path(basis)
        if file.name.endswith(sidecar.SUFFIX):
            return LinkSpec.from_json(sidecar.read_named(file))
        if not file.is_file():
            raise click.UsageError(f"--link-basis: no file {file}; expected a network with links, auto or none")
        return load_network(file).linked()
    return None if resume is None else _kept(links, resume, basis)


def _kept(links: Mapping[str, Any], resume: Path, basis: str | None) -> LinkSpec | None:
    """Return the spec of the resumed snapshot, without its basis for `none`; None where it carries none."""
    from training_loops.snapshots import load_snapshot

    from ..links import LinkSpec

    data = load_snapshot(resume).link_spec
    if data is None:
        return None
    spec = LinkSpec.from_json(data)
    if basis == NO_BASIS:
        spec = dataclasses.replace(spec, basis=None)
    if spec.basis is not None:
        click.echo(f"links keep the basis of {resume}; with --link-basis none, the plain axes", err=True)
    return spec


def _found(links: Mapping[str, Any], resume: Path, data: Path | None, device: str | None) -> LinkSpec:
    from training_loops.processes import default_device

    from ..generators import LinkedGenerator
    from ..networks import load_network

    network = load_network(resume, device or default_device())
    spec = network.linked(links["links"], space=links["space"], allow_overlap=links["allow_overlap"])
    generator = LinkedGenerator(network.generator, spec, labels=network.labels(data))
    return dataclasses.replace(spec, basis=find_basis(generator))


def find_basis(generator: LinkedGenerator, *, quiet: bool = False, **settings: Any) -> Basis:
    """Return `region_basis` of a generator, with a progress bar unless `quiet`; `settings` are its other arguments."""
    from tqdm import tqdm

    from ..directions.basis import region_basis

    def bar(steps: range) -> Iterable[int]:
        return tqdm(steps, desc="finding the basis", unit="batch", disable=quiet or None)

    return region_basis(generator, progress=bar, **settings)
