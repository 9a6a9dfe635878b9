"""`Edits`: the latents of one image, step by step, with undo, locks and a history of each region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..directions.directions import Directions
from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..perturb import replace_axes
from .direction_sets import DirectionSets
from .directions import directions_of
from .paths import along, rows_of
from .saved import Saved
from .states import State, Version, versions_of
from .steps import ALL, DirectionEdit, Resample, Restore, Step, Transplant


class Edits:
    """The latents of one image and the steps done to them. Nothing is rendered.

    Steps accumulate: each starts from the current latents. Blocks that a step does not name stay the same to the bit,
    as coordinates where the links have a basis. Styles that directions in S shift belong to no block.

    Args:
        generator: the network with its links.
        latents: [1, num_ws, w_dim] in W or W+, [1, 1, z_dim] in Z (the links' space): the image at the start.
        labels: [1, c_dim], its class or camera; by default that of seed 0.
        source: the network whose samples determine a region's directions; by default `generator`.
    Attributes:
        locked: regions whose blocks no step changes.
    Raises:
        LinkGANError: latents or labels of another network.
    """

    def __init__(
        self,
        generator: LinkedGenerator,
        latents: Tensor,
        labels: Tensor | None = None,
        *,
        source: LinkedGenerator | None = None,
    ) -> None:
        self.generator = generator
        self.labels = generator.labels([0]) if labels is None else self._checked_labels(labels)
        self.locked: frozenset[str] = frozenset()
        self._source = source or generator
        self._directions: dict[str, Directions] = {}
        self._shape = generator.draw([0], self.labels).shape
        self._sets = DirectionSets(generator, self._shape[1])
        start = self._checked(latents)
        self._states = [State(start, self.generator.axes(start), None)]
        self._now = 0

    @property
    def start(self) -> Tensor:
        """The latents of the image at the start, [1, L, D]."""
        return self._states[0].latents

    @property
    def latents(self) -> Tensor:
        """The latents of the current image, [1, L, D]."""
        return self._states[self._now].latents

    @property
    def styles(self) -> Tensor | None:
        """What is added to the network's styles in the current image, [1, S]; None for nothing."""
        return self._states[self._now].styles

    @property
    def sets(self) -> Mapping[str, Directions]:
        """The sets of directions added, by name."""
        return self._sets

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps done and not undone, each naming exactly the blocks that it changed."""
        return tuple(state.step for state in self._states[1 : self._now + 1] if state.step is not None)

    def do(self, step: Step) -> None:
        """Do a step on those of its regions that are not locked. Undone steps are discarded.

        Raises:
            LinkGANError: an unknown region, direction or version, a donor of another network, or every region locked.
        """
        self._states[self._now + 1 :] = [self._next(step)]
        self._now += 1

    @property
    def _whole(self) -> bool:
        """Whether the only region is the whole image."""
        return len(self.generator.spec.block_names) == 1

    @property
    def can_undo(self) -> bool:
        """Whether a step can be undone: it exists and changed no region that is locked now."""
        return self._now > 0 and not self._held(self._now)

    @property
    def can_redo(self) -> bool:
        """Whether a step can be redone: it exists and changes no region that is locked now."""
        return self._now + 1 < len(self._states) and not self._held(self._now + 1)

    def undo(self) -> None:
        """Undo the last step.

        Raises:
            LinkGANError: no step to undo, or it changed a region that is locked now.
        """
        if self._now == 0:
            raise LinkGANError("there is nothing to undo")
        self._refuse_held("undo", self._now)
        self._now -= 1

    def redo(self) -> None:
        """Redo the step that was undone last.

        Raises:
            LinkGANError: no step to redo, or it changes a region that is locked now.
        """
        if self._now + 1 == len(self._states):
            raise LinkGANError("there is nothing to redo")
        self._refuse_held("redo", self._now + 1)
        self._now += 1

    def lock(self, region: str) -> None:
        """Lock a region (or `rest`): no step, undo or redo changes its block until it is unlocked."""
        self.generator.block(region)
        self.locked |= {region}

    def unlock(self, region: str) -> None:
        """Unlock a region."""
        self.generator.block(region)
        self.locked -= {region}

    def history(self, region: str) -> tuple[Version, ...]:
        """Return the distinct versions of a region, the start first; `Restore` returns to one.

        Undone steps are not included. Shifted styles belong to no region, so they make no version of one.
        """
        return self.versions(region)[0]

    def version(self, region: str) -> int:
        """Return the index of a region's current version in its history."""
        return self.versions(region)[1]

    def versions(self, region: str) -> tuple[tuple[Version, ...], int]:
        """Return the history of a region and the index of its current version."""
        return versions_of(self._states[: self._now + 1], self.generator.block(region), whole=self._whole)

    def edited(self) -> tuple[str, ...]:
        """Return the names of the blocks that differ from the start: all where styles are shifted."""
        names = self.generator.spec.block_names
        if self.styles is not None:
            return names
        apart = (self._states[self._now].axes != self._states[0].axes).any(dim=1)[0]
        return tuple(name for name in names if bool((apart & self.generator.block(name)).any()))

    def restore(self, region: str, index: int) -> None:
        """Do ``Restore(region, index)``."""
        self.do(Restore(region, index))

    def directions(self, region: str, progress: Any = None) -> Directions:
        """Return the strongest directions of a region, computed at first use (see `directions.block_directions`)."""
        if region not in self._directions:
            self._directions[region] = directions_of(self._source, region, progress)
        return self._directions[region]

    def add_directions(self, name: str, directions: Directions) -> None:
        """Add a set of directions, which `DirectionEdit(..., of=name)` moves along.

        Args:
            name: of the set.
            directions: in the space of the links, or in S.
        Raises:
            LinkGANError: directions of another network, or another set of that name.
        """
        self._sets.add(name, directions)

    def _resume(self, saved: Saved) -> None:
        """Redo saved steps from the start, undo those that were undone, and lock the locked regions."""
        device = self.generator.device
        for name, directions in saved.sets.items():
            self.add_directions(name, directions)
        self._directions = {name: found.to(device) for name, found in saved.directions.items()}
        for step in saved.steps:
            self.do(step)
        self._now = saved.done
        for region in saved.locked:
            self.lock(region)

    def _checked_labels(self, labels: Tensor) -> Tensor:
        expected = [1, int(getattr(self.generator.generator, "c_dim", 0))]
        if list(labels.shape) != expected:
            raise LinkGANError(f"a label of {list(labels.shape)} numbers; this network takes {expected}")
        return labels.detach().to(self.generator.device, torch.float32)

    def _checked(self, latents: Tensor) -> Tensor:
        if latents.shape != self._shape:
            raise LinkGANError(f"latents {list(latents.shape)}; this network takes {list(self._shape)}")
        return latents.detach().to(self.generator.device, torch.float32).clone()  # the caller may write to its own

    def free(self, step: Step) -> list[str]:
        """Return the unlocked blocks of a step, in the order of the spec.

        Raises:
            LinkGANError: an unknown region, or every region is locked.
        """
        every = ALL in step.names and (isinstance(step, Resample | Transplant) or bool(getattr(step, "of", "")))
        for name in () if every else step.names:
            self.generator.block(name)
        named = [name for name in self.generator.spec.block_names if every or name in step.names]
        free = [name for name in named if name not in self.locked]
        if not free:
            raise LinkGANError(f"{', '.join(named)} cannot be changed: locked; unlock one of them first")
        self._sets.check_kept(step, [name for name in self.generator.spec.block_names if name not in free])
        return free

    def _refuse_held(self, what: str, index: int) -> None:
        held = self._held(index)
        if held:
            raise LinkGANError(f"cannot {what} a step that changes {', '.join(sorted(held))}: locked; unlock it first")

    def _held(self, index: int) -> frozenset[str]:
        """Return the locked regions that the step into a state changes."""
        step = self._states[index].step
        return self.locked.intersection(step.names if step else ())

    def _next(self, step: Step) -> State:
        """Return the state after a step on its unlocked regions."""
        step = step.only(self.free(step))
        now = self._states[self._now]
        styles = self._styles_after(step)
        moved = replace_axes(now.axes, self._target(step), self.generator.block(step.names))
        if isinstance(step, Resample | Transplant) and step.layers is not None:
            moved = torch.where(rows_of(step.layers, now.axes), moved, now.axes)
        if not all(bool(torch.isfinite(part).all()) for part in (moved, styles) if part is not None):
            raise LinkGANError(f"this {step.kind} step leads to numbers that are not finite; make it smaller")
        return State(self._latents_of(moved), moved, step, styles)

    def _styles_after(self, step: Step) -> Tensor | None:
        """Return the shift of the styles after a step, [1, S] or None."""
        if isinstance(step, Restore) and self._whole:
            return self._restored(step).styles
        return self._sets.shifted(step, self.styles)

    def _latents_of(self, axes: Tensor) -> Tensor:
        """Return the latents of axes, [1, L, D] each; those of the start to the bit where nothing differs from it."""
        basis, start = self.generator.spec.basis, self._states[0]
        return axes if basis is None else start.latents + basis.latents(axes - start.axes)

    def _target(self, step: Step) -> Tensor:
        """Return a step's target for every axis, [1, L, D]; only the axes of its blocks are changed."""
        if isinstance(step, Restore):
            target = self._states[self._now].axes.clone()
            target[:, :, self.generator.block(step.region)] = self._restored(step).block
            return target
        if self._sets.in_styles(step):
            return self._states[self._now].axes
        if isinstance(step, Resample | Transplant):
            return self._towards(step)
        return self.generator.axes(self._target_latents(step))

    def _towards(self, step: Resample | Transplant) -> Tensor:
        """Return the axes, [1, L, D], after a step's share of the way to its donor."""
        if isinstance(step, Resample):
            donor = self.generator.draw([step.seed], self.labels, step.psi)
        elif isinstance(step.donor, Tensor):
            donor = self._checked(step.donor)
        else:
            donor = self.generator.draw([step.donor])
        return along(self.generator, self.latents, donor, step.names, step.path, step.strength)

    def _restored(self, step: Restore) -> Version:
        versions = self.history(step.region)
        if step.version >= len(versions):
            raise LinkGANError(f"'{step.region}' has no version {step.version}; it has 0 to {len(versions) - 1}")
        return versions[step.version]

    def _target_latents(self, step: Step) -> Tensor:
        """Return the latents, [1, L, D], whose axes are a step's target."""
        if isinstance(step, DirectionEdit):
            if step.of:
                return self._sets.moved(step, self.latents)
            return self.directions(step.region).moved(self.latents, step.direction, step.std)
        raise LinkGANError(f"a step is a Resample, Transplant, DirectionEdit or Restore, not {type(step).__name__}")
