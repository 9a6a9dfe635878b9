"""`Edits`: the latents of one image, step by step, with undo, locks and a history of each region."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..directions.directions import Directions
from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..perturb import replace_axes
from .directions import directions_of
from .saved import Saved
from .steps import ALL, DirectionEdit, Resample, Restore, Step, Transplant


class Version(NamedTuple):
    """A version of a region: its block of axes [1, L, A] and the step that made it (None at the start)."""

    block: Tensor
    step: Step | None


class _State(NamedTuple):
    """The latents and their axes, [1, L, D] each, after a step (None at the start).

    Without a basis both are the same tensor. With one, the axes are the coordinates, which steps change: they are exact
    where rounding would make the latents' own coordinates differ a little after every step.
    """

    latents: Tensor
    axes: Tensor
    step: Step | None


class Edits:
    """The latents of one image and the steps done to them. Nothing is rendered.

    Steps accumulate: each starts from the current latents. Blocks that a step does not name stay the same to the bit,
    as coordinates where the links have a basis.

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
        start = self._checked(latents)
        self._states = [_State(start, self.generator.axes(start), None)]
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

        Undone steps are not included.
        """
        block = self.generator.block(region)
        states = self._states[: self._now + 1]
        blocks = torch.cat([state.axes[:, :, block] for state in states])
        versions: dict[bytes, Version] = {}  # by their bits, which makes one pass enough
        for own, bits, state in zip(blocks.split(1), blocks.cpu().numpy(), states, strict=True):
            versions.setdefault(bits.tobytes(), Version(own, state.step))
        return tuple(versions.values())

    def version(self, region: str) -> int:
        """Return the index of a region's current version in its history."""
        own = self.own_axes(region)
        return next(i for i, version in enumerate(self.history(region)) if torch.equal(version.block, own))

    def own_axes(self, region: str) -> Tensor:
        """Return the current values of a region's axes, [1, L, A]."""
        return self._states[self._now].axes[:, :, self.generator.block(region)]

    def edited(self) -> tuple[str, ...]:
        """Return the names of the blocks that differ from the start."""
        apart = (self._states[self._now].axes != self._states[0].axes).any(dim=1)[0]
        names = self.generator.spec.block_names
        return tuple(name for name in names if bool((apart & self.generator.block(name)).any()))

    def restore(self, region: str, index: int) -> None:
        """Do ``Restore(region, index)``."""
        self.do(Restore(region, index))

    def directions(self, region: str, progress: Any = None) -> Directions:
        """Return the strongest directions of a region, computed at first use (see `directions.block_directions`)."""
        if region not in self._directions:
            self._directions[region] = directions_of(self._source, region, progress)
        return self._directions[region]

    def _resume(self, saved: Saved) -> None:
        """Redo saved steps from the start, undo those that were undone, and lock the locked regions."""
        device = self.generator.device
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
        every = ALL in step.names and isinstance(step, Resample | Transplant)
        for name in () if every else step.names:
            self.generator.block(name)
        named = [name for name in self.generator.spec.block_names if every or name in step.names]
        free = [name for name in named if name not in self.locked]
        if not free:
            raise LinkGANError(f"{', '.join(named)} cannot be changed: locked; unlock one of them first")
        return free

    def _refuse_held(self, what: str, index: int) -> None:
        held = self._held(index)
        if held:
            raise LinkGANError(f"cannot {what} a step that changes {', '.join(sorted(held))}: locked; unlock it first")

    def _held(self, index: int) -> frozenset[str]:
        """Return the locked regions that the step into a state changes."""
        step = self._states[index].step
        return self.locked.intersection(step.names if step else ())

    def _next(self, step: Step) -> _State:
        """Return the state after a step on its unlocked regions."""
        step = step.only(self.free(step))
        now = self._states[self._now]
        moved = replace_axes(now.axes, self._target(step), self.generator.block(step.names))
        if not bool(torch.isfinite(moved).all()):
            raise LinkGANError(f"this {step.kind} step leads to numbers that are not finite; make it smaller")
        return _State(self._latents_of(moved), moved, step)

    def _latents_of(self, axes: Tensor) -> Tensor:
        """Return the latents of axes, [1, L, D] each; those of the start to the bit where nothing differs from it."""
        basis, start = self.generator.spec.basis, self._states[0]
        return axes if basis is None else start.latents + basis.latents(axes - start.axes)

    def _target(self, step: Step) -> Tensor:
        """Return a step's target for every axis, [1, L, D]; only the axes of its blocks are changed."""
        if isinstance(step, Restore):
            versions = self.history(step.region)
            if step.version >= len(versions):
                raise LinkGANError(f"'{step.region}' has no version {step.version}; it has 0 to {len(versions) - 1}")
            target = self._states[self._now].axes.clone()
            target[:, :, self.generator.block(step.region)] = versions[step.version].block
            return target
        return self.generator.axes(self._target_latents(step))

    def _target_latents(self, step: Step) -> Tensor:
        """Return the latents, [1, L, D], whose axes are a step's target."""
        if isinstance(step, Resample):
            return torch.lerp(self.latents, self.generator.draw([step.seed], self.labels, step.psi), step.strength)
        if isinstance(step, Transplant):
            donor = step.donor
            donor = self._checked(donor) if isinstance(donor, Tensor) else self.generator.draw([donor])
            return torch.lerp(self.latents, donor, step.strength)
        if isinstance(step, DirectionEdit):
            return self.directions(step.region).moved(self.latents, step.direction, step.std)
        raise LinkGANError(f"a step is a Resample, Transplant, DirectionEdit or Restore, not {type(step).__name__}")
