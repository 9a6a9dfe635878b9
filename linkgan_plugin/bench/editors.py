"""`linkgan bench editors`: every way to edit a region of a trained network, on equal terms.

A cell of the study is one network, region, editor and seed. Its edits are brought to three levels of effect inside the
region; what they leak outside is compared there, and at the middle level also the attributes that change and the
quality of edited images. Cells are stored one by one, so a stopped study goes on where it was.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training_loops.formats.atomic import write_json
from training_loops.formats.folder import ImageFolderDataset
from training_loops.formats.lock import locked

from .. import registry
from ..calls.spaces import axes_of, choose_space, stylemap_size_of
from ..directions.basis import region_basis
from ..directions.directions import Directions
from ..directions.files import SUFFIX, load_directions, save_directions
from ..directions.find import candidates, kept, method_of
from ..directions.task import LabelledSamples, Progress, Reader, Task, silent
from ..errors import LinkGANError, suggest
from ..generators import LinkedGenerator
from ..labels import Labels
from ..links import LinkSpec, parse_region
from ..metrics.attributes import ProceduralClassifier, classifier_for
from ..metrics.quality import real_images
from ..metrics.yardsticks import Yardstick, yardstick
from ..networks import Network
from .editing_rows import AXES, BASIS, LINK, AlongDirections, Resampled
from .equal_effect import LEVELS, Curve, Edit, curves, variety

OWN = (AXES, BASIS, LINK)
MIDDLE = 1  # the level at which attributes and quality are measured


@dataclass(frozen=True)
class Plan:
    """What is compared, and how thoroughly.

    Attributes:
        regions: name -> expression.
        editors: names of rows, methods or OWN; () for all.
        seeds: of finding and measuring.
        count: directions per method and region.
        samples: images per curve.
        images: images per measurement of quality; 0 for none.
        quality_kind: as in `linkgan metrics`.
        space: latent space, `w` or `z`; None for W where there is one.
        settings: method -> its settings.
    """

    regions: Mapping[str, str]
    editors: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)
    count: int = 4
    samples: int = 32
    images: int = 1000
    quality_kind: str = "auto"
    space: str | None = None
    settings: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    def stored(self) -> dict[str, Any]:
        """Return what a cell depends on, JSON-able."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in ("editors", "seeds")}


@dataclass(frozen=True, eq=False)
class Subject:
    """One network of the study.

    Attributes:
        name: of its rows.
        network: opened.
        labels: its classes or cameras; None for none.
        data: what quality compares with, and whose attributes are read; None for neither.
        reader: of attributes, for the methods that need one.
    """

    name: str
    network: Network
    labels: Labels | None = None
    data: Path | None = None
    reader: Reader | LabelledSamples | None = None

    def generator(self, space: str | None, links: Sequence[str] = ()) -> LinkedGenerator:
        """Return the network with links, or without."""
        chosen, dim = choose_space(axes_of(self.network.generator), space, str(self.network.path))
        size = stylemap_size_of(self.network.generator)
        spec = LinkSpec.parse(links, dim=dim, space=chosen, stylemap_size=size) if links else LinkSpec((), dim, chosen)
        return LinkedGenerator(self.network.generator, spec, labels=self.labels)

    @cached_property
    def classifier(self) -> ProceduralClassifier | None:
        """The reader of the data's attributes, None if it has none."""
        return classifier_for(self.data)

    def is_linked_to(self, region: str) -> bool:
        """Return whether a link of that name was trained: runs with --link-weight 0 store links that were not."""
        spec, options = self.network.spec, self.network.training_options.get("loss_kwargs")
        recipe = options.get("recipe") if isinstance(options, dict) else None
        weight = recipe.get("weight") if isinstance(recipe, dict) else None
        return spec is not None and region in spec.names and weight != 0

    @lru_cache(maxsize=1)  # noqa: B019 (subjects live as long as the study)
    def ruler(self, kind: str, images: int) -> tuple[Yardstick, Tensor]:
        """Return the quality measure of a kind and what it sees of the first `images` of the data, [N, ...].

        Raises:
            LinkGANError: a kind that these data do not have.
        """
        assert self.data is not None
        measure = yardstick(kind, self.classifier)
        return measure, torch.cat([measure.seen(batch) for batch in real_images(ImageFolderDataset(self.data), images)])


def editor_names(subject: Subject, region: str, wanted: Sequence[str]) -> list[str]:
    """Return the editors that can edit a region of a network, in the order of the table.

    Raises:
        LinkGANError: an unknown name.
    """
    methods = registry.names("directions")
    known = [*OWN, *methods]
    for name in wanted:
        if name not in known:
            raise LinkGANError(f"no editor '{name}'; {suggest(name, known)}")
    unable = (AXES, BASIS) if subject.is_linked_to(region) else (LINK,)
    able = [name for name in known if name not in unable]
    return [name for name in able if not wanted or name in wanted]


def run(
    plan: Plan, subjects: Sequence[Subject], out: Path, progress: Progress = silent, say: Callable[[str], Any] = print
) -> list[dict[str, Any]]:
    """Measure every cell that `out` does not have yet, and return all of them.

    Args:
        plan: what is compared.
        subjects: the networks.
        out: folder of the study; cells are stored in out/cells.
        progress: wraps the ranges of each cell.
        say: told the name of each cell that is measured.
    Raises:
        LinkGANError: `out` contains a study with another plan, or an unknown editor.
        LockedError: another process works in `out`.
    """
    with locked(out):
        _claim(out, plan.stored())
        found, shared = [], Shared()
        for folder in ("cells", "directions"):
            (out / folder).mkdir(exist_ok=True)
        for subject, region, editor, seed in list(_cells(plan, subjects)):
            cell = Cell(plan, subject, region, editor, seed, out, progress, shared)
            if not cell.path.exists():
                say(cell.path.stem)
                write_json(cell.path, cell.measured())
            found.append(json.loads(cell.path.read_text(encoding="utf-8")))
    return found


def _claim(out: Path, plan: Mapping[str, Any]) -> None:
    path = out / "plan.json"
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        if before != json.loads(json.dumps(plan)):
            raise LinkGANError(f"{out} contains a study with {before}, not {plan}; choose another --out")
        return
    out.mkdir(parents=True, exist_ok=True)
    write_json(path, plan)


def _cells(plan: Plan, subjects: Sequence[Subject]) -> Iterator[tuple[Subject, str, str, int]]:
    # Regions innermost: what a method finds without knowing them is shared by them.
    for subject in subjects:
        able = {region: editor_names(subject, region, plan.editors) for region in plan.regions}
        for editor in dict.fromkeys(name for names in able.values() for name in names):
            for seed in plan.seeds:
                for region in plan.regions:
                    if editor in able[region]:
                        yield subject, region, editor, seed


class Shared:
    """The candidates that were found last by a method that knows no regions, and the seconds that took."""

    def __init__(self) -> None:
        self._key: tuple[str, str, int] | None = None
        self._found: tuple[Directions, float] | None = None

    def get(self, key: tuple[str, str, int], find: Callable[[], Directions]) -> tuple[Directions, float]:
        """Return candidates and seconds of a network, editor and seed; they are found where the last ones differ."""
        if self._found is None or key != self._key:
            began = time.perf_counter()
            self._key, self._found = key, (find(), time.perf_counter() - began)
        return self._found


@dataclass(frozen=True)
class Cell:
    """One network, region, editor and seed, with its files in the folder of the study."""

    plan: Plan
    subject: Subject
    region: str
    editor: str
    seed: int
    out: Path
    progress: Progress = silent
    shared: Shared = dataclasses.field(default_factory=Shared)

    @property
    def path(self) -> Path:
        """The file of its figures."""
        return self.out / "cells" / f"{self.subject.name}-{self.region}-{self.editor}-{self.seed}.json"

    def measured(self) -> dict[str, Any]:
        """Return the cell's figures; an editor that cannot be used gives its reason as `failed`."""
        key = {"network": self.subject.name, "region": self.region, "editor": self.editor, "seed": self.seed}
        try:
            edit, seconds = self.found()
            return {**key, "seconds_find": seconds, **self._figures(edit)}
        except LinkGANError as error:
            return {**key, "failed": str(error)}

    @cached_property
    def task(self) -> Task:
        """The network and the region."""
        generator = self.subject.generator(self.plan.space)
        region = parse_region(self.plan.regions[self.region])
        return Task(generator, self.plan.count, region, seed=self.seed, progress=self.progress)

    def found(self) -> tuple[Edit, float]:
        """Return the cell's edits and the seconds that it took to find them.

        Raises:
            LinkGANError: the editor cannot be used here.
        """
        if self.editor == LINK:
            spec = self.subject.network.spec
            generator = LinkedGenerator(self.subject.network.generator, spec, labels=self.subject.labels)
            return Resampled(generator, self.region), 0.0
        began, stored = time.perf_counter(), self.out / "directions" / f"{self.path.stem}{SUFFIX}"
        if self.editor in (AXES, BASIS):
            return self._unlinked(), time.perf_counter() - began
        if self.path.exists() and stored.exists():
            return AlongDirections(self.task.generator, load_directions(stored)), 0.0
        method = method_of(self.editor)
        reader = self.subject.reader if method.reads else None
        discriminator = self.subject.network.critic if method.judges else None
        task = dataclasses.replace(self.task, reader=reader, discriminator=discriminator)
        settings = self.plan.settings.get(self.editor, {})
        shared = Shared() if method.local else self.shared
        found, seconds = shared.get(
            (self.subject.name, self.editor, self.seed), lambda: candidates(task, self.editor, settings)
        )
        began = time.perf_counter()
        local = kept(task, found)
        seconds += time.perf_counter() - began
        save_directions(stored, local, force=True)
        return AlongDirections(task.generator, local), seconds

    def _unlinked(self) -> Edit:
        """Return the edits of axes that no training has linked, in a basis for BASIS."""
        links = [f"{self.region}={self._axes()}@{self.plan.regions[self.region]}"]
        generator = self.subject.generator(self.plan.space, links)
        if self.editor == BASIS:
            basis = region_basis(generator, seed=self.seed, progress=lambda steps: self.progress(steps, "basis"))
            spec = dataclasses.replace(generator.spec, basis=basis)
            generator = LinkedGenerator(self.subject.network.generator, spec, labels=self.subject.labels)
        return Resampled(generator, self.region)

    def _axes(self) -> int:
        """Return the number of axes of a link without training: an eighth of all, at least one per direction."""
        return max(self.plan.count, round(self.task.dim / 8))

    def _figures(self, edit: Edit) -> dict[str, Any]:
        task = self.task
        found = curves(task, edit, self.plan.samples)
        whole = variety(task, 4 * self.plan.samples)
        levels = [self._level(found, share * whole) for share in LEVELS]
        figures: dict[str, Any] = {"variety": whole, "levels": levels}
        amounts = levels[MIDDLE]["amounts"]
        reached = [number for number, amount in enumerate(amounts) if amount is not None]
        if reached:
            figures |= self._edited([(number, amounts[number]) for number in reached], edit)
        return figures

    def _level(self, found: Sequence[Curve], effect: float) -> dict[str, Any]:
        points = [curve.at(effect) for curve in found]
        leaks = [point[1] for point in points if point is not None]
        return {
            "effect": effect,
            "leak": float(np.mean(leaks)) if leaks else None,
            "best_leak": min(leaks) if leaks else None,
            "reached": len(leaks) / len(points),
            "amounts": [None if point is None else point[0] for point in points],
        }

    def _edited(self, edits: Sequence[tuple[int, float]], edit: Edit) -> dict[str, Any]:
        """Return the time of an edit, the attributes that it changes and the quality of edited images."""
        batches, seconds = self._rendered(edits, edit)
        figures: dict[str, Any] = {"seconds_edit": seconds}
        if self.subject.classifier is not None:
            figures |= _attributes(self.subject.classifier, self.task, batches)
        if self.plan.images and self.subject.data is not None:
            kind, real = self.subject.ruler(self.plan.quality_kind, self.plan.images)
            for name, column in (("quality", 0), ("edited_quality", 1)):
                seen = torch.cat([kind.seen(batch[column]) for batch in batches])
                figures[name] = kind.distance(real, seen)[""].value
        return figures

    @torch.no_grad()
    def _rendered(self, edits: Sequence[tuple[int, float]], edit: Edit) -> tuple[list[tuple[Tensor, Tensor]], float]:
        """Return batches of images before and after, [N, C, H, W] each, and the seconds of one edit."""
        task, count = self.task, self.plan.images or 4 * self.plan.samples
        # One edit per batch; every edit gets as many images as the others, within one batch.
        size = min(task.batch, max(1, count // len(edits)))
        batches, seconds = [], 0.0
        for row, start in enumerate(task.progress(range(0, count, size), "editing")):
            latents, labels = task.draw(start, min(size, count - start))
            number, amount = edits[row % len(edits)]
            began = time.perf_counter()
            after = edit.images(number, amount, latents, labels)
            seconds += time.perf_counter() - began
            batches.append((task.generator.render(latents, labels), after))
        return batches, seconds / count


def _attributes(
    classifier: ProceduralClassifier, task: Task, batches: Sequence[tuple[Tensor, Tensor]]
) -> dict[str, float]:
    """Return the root mean square change of the region's attributes and of all others, in standard deviations."""
    before, after = (torch.cat([classifier.attributes(pair[side]) for pair in batches]).double() for side in (0, 1))
    change = ((after - before).square().mean(dim=0).sqrt() / before.std(dim=0).clamp(min=1e-6)).cpu().numpy()
    latents, labels = task.draw(0, 1)
    rendering = task.generator.rendering(latents, labels)
    owned = classifier.owned(task.generator.scene(rendering, labels), task.mask(rendering, labels))
    return {
        name: float(change[chosen].mean())
        for name, chosen in (("owned_change", owned), ("other_change", ~owned))
        if chosen.any()
    }
