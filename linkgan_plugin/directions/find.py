"""`find_directions`: one call for every method, with the unit and the scores that make methods comparable."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .. import registry
from ..change import split_change
from ..errors import LinkGANError, suggest
from ..generators import LinkedGenerator
from ..links import parse_region
from ..regions.base import Region
from .directions import Directions
from .task import Discriminator, Found, LabelledSamples, Method, Progress, Reader, Task, silent

DEFAULT = "resefa"
CANDIDATES = 4  # times as many directions are found, and the most local ones kept, where a method knows no region
SCORED = 64  # images over which effect and leak are measured


def find_directions(
    generator: LinkedGenerator,
    method: str = DEFAULT,
    *,
    region: str | Region | None = None,
    count: int = 8,
    reader: Reader | LabelledSamples | None = None,
    attributes: Sequence[str] = (),
    seed: int = 0,
    network: str = "",
    progress: Progress = silent,
    discriminator: Discriminator | None = None,
    **settings: Any,
) -> Directions:
    """Find directions of a trained network.

    Args:
        generator: the network; the space of its spec is searched.
        method: a name in the entry-point group ``linkgan.directions``.
        region: the pixels that the directions should change, as an expression or a region. Methods that know no regions
            find `CANDIDATES` times as many directions, of which the most local ones are kept.
        count: directions wanted; a method may find fewer. At least as many as `attributes`.
        reader: of attributes, for methods that need one; see `readers.reader_from`.
        attributes: those wanted; by default all that the reader has.
        seed: of all that is drawn.
        network: SHA-256 of the network file, to be stored.
        progress: wraps ranges of steps.
        discriminator: of the network, for methods that can use one.
        settings: of the method.
    Returns:
        The directions with their scores, most local first if a region is given.
    Raises:
        LinkGANError: an unknown method or setting, a missing region or reader, or what the method raises.
    """
    if count < 1:
        raise LinkGANError(f"{count} directions; expected at least 1")
    count = max(count, len(attributes))
    pixels = parse_region(region) if isinstance(region, str) else region
    task = Task(generator, count, pixels, reader, tuple(attributes), seed, progress, discriminator)
    return dataclasses.replace(kept(task, candidates(task, method, settings)), network=network)


def candidates(task: Task, method: str, settings: Mapping[str, Any]) -> Directions:
    """Return what a method finds, unscored: `CANDIDATES` times as many as wanted if regions are up to `kept`.

    Args:
        task: the network and what is wanted.
        method: a name in the entry-point group ``linkgan.directions``.
        settings: of the method.
    Raises:
        LinkGANError: an unknown method or setting, a missing region or reader, or what the method raises.
    """
    found = method_of(method)
    check(found, method, settings, task.region is not None, task.reader is not None)
    if task.region is not None and not found.local:
        task = dataclasses.replace(task, count=min(task.count * CANDIDATES, task.dim))
    stored = {**defaults(found), **settings}
    return dataclasses.replace(made(task, found(task, **settings)), method=method, settings=stored, seed=task.seed)


def kept(task: Task, found: Directions) -> Directions:
    """Return as many directions as wanted with effect and leak, the most local ones if the task has a region.

    Args:
        task: the network and what is wanted.
        found: candidates; they are not changed.
    """
    scored = measured(task, found)
    best = list(range(len(scored)))
    if task.region is not None:
        assert scored.inside is not None
        best = scored.inside.argsort(descending=True, stable=True).tolist()
    return dataclasses.replace(scored.only(best[: task.count]), region=str(task.region or ""))


def method_of(name: str) -> Method:
    """Return the method of a name in the entry-point group ``linkgan.directions``.

    Raises:
        LinkGANError: no such plugin, one that does not load, or one that is no `Method`.
    """
    found = registry.load("directions", name)
    if not isinstance(found, Method):
        raise LinkGANError(f"'{name}' of directions is a {type(found).__name__}, expected a Method")
    return found


def settings_of(method: Method) -> dict[str, inspect.Parameter]:
    """Return the settings of a method by name."""
    parameters = inspect.signature(method.find).parameters.values()
    return {p.name: p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def defaults(method: Method) -> dict[str, Any]:
    """Return the default settings of a method."""
    return {name: parameter.default for name, parameter in settings_of(method).items()}


def check(method: Method, name: str, settings: Mapping[str, Any], has_region: bool, has_reader: bool) -> None:
    """Refuse what a method cannot use or lacks, before anything is rendered.

    Raises:
        LinkGANError: an unknown setting, one of another type, or no region or reader for a method that needs it.
    """
    known = defaults(method)
    for key, value in settings.items():
        if key not in known:
            raise LinkGANError(f"{name} has no setting '{key}'; {suggest(key, known) if known else 'it has none'}")
        expected = type(known[key])
        if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
            raise LinkGANError(f"{name} {key} is {value!r}; expected {expected.__name__} such as {known[key]!r}")
    if method.local and not has_region:
        raise LinkGANError(f"{name} finds directions for a region: give one with --region NAME=REGION")
    if method.reads and not has_reader:
        raise LinkGANError(f"{name} needs a reader of attributes: give one with --reader")


def made(task: Task, found: Found) -> Directions:
    """Return a method's directions, scaled to one standard deviation of what the network draws."""
    vectors = found.vectors.detach().float()
    vectors = vectors.unsqueeze(1) if vectors.ndim == 2 else vectors
    space = found.space or task.space
    if not found.scaled:
        vectors = vectors * (deviations(task, vectors, space) / _lengths(vectors)).view(-1, 1, 1)
    return Directions(vectors.cpu(), space, names=found.names, bend=found.bend, facts=found.facts)


def deviations(task: Task, vectors: Tensor, space: str) -> Tensor:
    """Return the standard deviation of drawn latents along vectors [K, L, D]: [K], mean over the layers they touch."""
    samples = task.style_samples if space == "s" else task.samples
    units = vectors / vectors.norm(dim=2, keepdim=True).clamp(min=1e-12)
    spread = torch.einsum("nd,kld->nkl", samples.float(), units.to(samples.device)).var(dim=0)
    touched = (vectors.norm(dim=2) > 0).to(spread)
    return ((spread * touched).sum(dim=1) / touched.sum(dim=1).clamp(min=1)).sqrt().to(vectors.device)


def _lengths(vectors: Tensor) -> Tensor:
    """Return the root mean square length of vectors [K, L, D] over the layers that they touch."""
    squares = vectors.square().sum(dim=2)
    touched = (squares > 0).sum(dim=1).clamp(min=1)
    return (squares.sum(dim=1) / touched).sqrt().clamp(min=1e-12)


@torch.no_grad()
def measured(task: Task, directions: Directions) -> Directions:
    """Return the directions with effect and leak of amounts +1 and -1, over the same `SCORED` images for each."""
    count, batch = len(directions), task.batch
    sums = torch.zeros(2, count, dtype=torch.float64)
    starts = range(0, SCORED, batch)
    for start in task.progress(starts, "measuring"):
        size = min(batch, SCORED - start)
        latents, labels = task.draw(start, size)
        before = task.generator.rendering(latents, labels)
        mask = task.mask(before, labels) if task.region is not None else torch.ones_like(before.image[:1, :1])
        for index in range(count):
            for amount in (-1.0, 1.0):
                image = moved_image(task.generator, directions, index, amount, latents, labels)
                inside, outside = split_change(before.image, image, mask)
                sums[:, index] += torch.stack([inside.sum(), outside.sum()]).double().cpu()
    effect, leak = (sums / (2 * SCORED * before.image[0].numel())).float()
    return dataclasses.replace(directions, effect=effect, leak=leak)


def moved_image(
    generator: LinkedGenerator, directions: Directions, index: int, amount: float, latents: Tensor, labels: Tensor
) -> Tensor:
    """Render latents [N, L, D] with labels [N, c_dim], moved along a direction of any space: images [N, C, H, W]."""
    if directions.space == "s":
        with generator.shifted(directions.offset(index, amount)):
            return generator.render(latents, labels)
    return generator.render(directions.moved(latents, index, amount), labels)
