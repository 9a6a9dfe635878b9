"""One image on the page: its edits, from where it is looked at, and what the page is told of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..cameras import orbit
from ..editing.editor import Editor
from ..editing.steps import DirectionEdit, Restore, Step
from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..inversion.projected import Projected

MOST_STEPS = 5000  # by then every click would read a long history


@dataclass(frozen=True)
class Look:
    """How an image is shown.

    yaw, pitch: how far the camera went around, in radians. pasted: whether pixels outside the edited regions are the
    photograph's own.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    pasted: bool = False

    @classmethod
    def of(cls, data: Mapping[str, Any], before: Look) -> Look:
        """Read what a page says, which may be a part of it.

        Raises:
            LinkGANError: unknown names, or values that are no angles.
        """
        for name, value in data.items():
            angle = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1000
            if not (angle if name in ("yaw", "pitch") else name == "pasted" and isinstance(value, bool)):
                raise LinkGANError("a look has yaw and pitch, angles in radians, and pasted, true or false")
        return replace(before, **data)


class EditedImage:
    """An editor, and how it is shown.

    Args:
        editor: of the image.
        source: where it came from, for people and for file names: {"seed": 5, "psi": 1.0} or {"photograph": true}.
        look: how it is shown.
    Attributes:
        name: under which the store keeps it.
        revision: changes with everything that changes the image or the state.
    """

    def __init__(self, editor: Editor, source: Mapping[str, Any], look: Look | None = None) -> None:
        self.editor, self.source, self.look = editor, dict(source), look or Look()
        self.name = ""
        self.revision = 0
        self._moving = not all(link.region.static for link in editor.generator.spec.links)
        self._numbers: dict[int, dict[str, tuple[int, int]]] = {}  # by steps done: of each region, version and versions
        self._pivot = (
            orbit.pivot_of(editor.generator.generator, editor.labels) if editor.generator.is_3d_aware else None
        )

    @classmethod
    def of_seed(cls, generator: LinkedGenerator, seed: int, psi: float | None) -> EditedImage:
        """Return the image of a seed, at a truncation of its own."""
        labels = generator.labels([seed])
        editor = Editor(generator, generator.draw([seed], labels, psi), labels)
        return cls(editor, {"seed": seed, "psi": generator.truncation_psi if psi is None else psi})

    @classmethod
    def of_photograph(cls, generator: LinkedGenerator, projected: Projected) -> EditedImage:
        """Return the image of a photograph, pasted back wherever it is not edited."""
        return cls(Editor.of_projected(generator, projected), {"photograph": True}, Look(pasted=True))

    # Changing it

    def do(self, step: Step) -> None:
        """Do a step.

        Restoring another version of the same region, or sliding on along the same direction, replaces the last step, so
        that one undo takes back a turn of the wheel or a pull at a slider, however many small ones it was made of.

        Raises:
            LinkGANError: the step cannot be done; nothing has changed.
        """
        editor = self.editor
        if len(editor.steps) >= MOST_STEPS:
            raise LinkGANError(f"this image has been edited {MOST_STEPS} times, the most that is kept; undo some")
        last = editor.steps[-1] if editor.steps else None
        if last is None or not editor.can_undo or not _continues(last, step):
            editor.do(step)
        else:
            editor.undo()
            try:
                editor.do(_joined(last, step))
            except LinkGANError:
                editor.redo()
                raise
        now = len(editor.steps)
        self._numbers = {steps: numbers for steps, numbers in self._numbers.items() if steps < now}
        self.revision += 1

    def undo(self) -> None:
        """Take the last step back; LinkGANError where there is none or it is held."""
        self.editor.undo()
        self.revision += 1

    def redo(self) -> None:
        """Do again what was undone; LinkGANError where there is nothing or it is held."""
        self.editor.redo()
        self.revision += 1

    def lock(self, region: str, locked: bool) -> None:
        """Lock or unlock a region; LinkGANError for an unknown one."""
        (self.editor.lock if locked else self.editor.unlock)(region)
        self.revision += 1

    def set_view(self, data: Mapping[str, Any]) -> None:
        """Look at it otherwise (see `Look.of`)."""
        look = Look.of(data, self.look)
        if self._pivot is None:
            look = replace(look, yaw=0.0, pitch=0.0)
        else:
            yaw = math.remainder(look.yaw, 2 * math.pi)
            look = replace(look, yaw=yaw, pitch=orbit.limited(self.editor.labels, look.pitch, self._pivot))
        self.look = look
        self.revision += 1

    # Looking at it

    @property
    def camera(self) -> Tensor | None:
        """The label [1, c_dim] of a camera that went around, None where it did not."""
        if self._pivot is None or not (self.look.yaw or self.look.pitch):
            return None
        return orbit.turned(self.editor.labels, self.look.yaw, self.look.pitch, self._pivot)

    def rendered(self) -> Tensor:
        """Return what is shown, [1, C, H, W] in [-1, 1]: one synthesis forward, or none if it has been shown lately."""
        camera = self.camera
        if self.look.pasted and camera is None and self.editor.photograph is not None:
            return self.editor.pasted()
        return self.editor.image(camera)

    def preview(self, step: Step) -> Tensor:
        """Return what a step would make of it, [1, C, H, W]; nothing is done."""
        return self.editor.preview(step, camera=self.camera)

    def before(self) -> Tensor:
        """Return what it was at first, [1, C, H, W]: the photograph, or the image before any edit from here."""
        if self.editor.photograph is not None:
            return self.editor.photograph
        camera = self.camera
        if camera is None:
            return self.editor.original()
        return self.editor.generator.view(self.editor.start, self.editor.labels, camera).image

    def masks(self) -> npt.NDArray[np.uint8]:
        """Return how far regions cover the pixels that are shown, uint8 [R, H, W] from 0 to 255, rest last."""
        editor, camera = self.editor, self.camera
        generator = editor.generator
        scene = generator.scene(editor.rendering(camera), editor.labels if camera is None else camera)
        masks = generator.spec.region_masks(scene)[:, 0, 0]
        return (masks * 255).round().to(torch.uint8).cpu().numpy()

    def state(self) -> dict[str, Any]:
        """Return what the page shows beside the image, as plain data."""
        editor = self.editor
        return {
            "image": self.name,
            "revision": self.revision,
            "source": self.source,
            "steps": len(editor.steps),
            "undo": editor.can_undo,
            "redo": editor.can_redo,
            "locked": sorted(editor.locked),
            "regions": {name: self._region(name, *numbers) for name, numbers in self._versions().items()},
            "look": asdict(self.look),
            "photograph": editor.photograph is not None,
            "masks": self.revision if self._moving else 0,
        }

    def _versions(self) -> dict[str, tuple[int, int]]:
        """Return which version each region is, of how many. After a step only what it moved is counted anew."""
        editor, now = self.editor, len(self.editor.steps)
        if now not in self._numbers:
            before = self._numbers.get(now - 1, {})
            moved = editor.steps[-1].names if before else editor.generator.spec.block_names
            self._numbers[now] = before | {name: self._version(name) for name in moved}
        return self._numbers[now]

    def _version(self, name: str) -> tuple[int, int]:
        history = self.editor.history(name)
        own = self.editor.latents[:, :, self.editor.generator.block(name)]
        last_first = reversed(range(len(history)))
        return next(number for number in last_first if torch.equal(history[number].block, own)), len(history)

    def _region(self, name: str, version: int, versions: int) -> dict[str, Any]:
        positions: dict[int, float] = {}
        for step in reversed(self.editor.steps):
            if name not in step.names:
                continue
            if not isinstance(step, DirectionEdit):
                break
            positions[step.direction] = positions.get(step.direction, 0.0) + step.std
        return {"version": version, "versions": versions, "directions": positions}

    # Keeping it

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data, without network and photograph."""
        return {"source": self.source, "look": asdict(self.look), "edits": self.editor.to_json()}

    @classmethod
    def from_json(cls, generator: LinkedGenerator, data: Any, projected: Projected | None) -> EditedImage:
        """Return the image of `to_json` data.

        Raises:
            LinkGANError: it is malformed, or of another network or photograph.
        """
        if not isinstance(data, Mapping) or not all(isinstance(data.get(part), Mapping) for part in ("source", "look")):
            raise LinkGANError("these are no saved edits of the page")
        editor = Editor.from_json(generator, data.get("edits"), projected)
        return cls(editor, data["source"], Look.of(data["look"], Look()))


def _continues(last: Step, step: Step) -> bool:
    if isinstance(last, DirectionEdit) and isinstance(step, DirectionEdit):
        return (last.region, last.direction) == (step.region, step.direction)
    return isinstance(last, Restore) and isinstance(step, Restore) and last.region == step.region


def _joined(last: Step, step: Step) -> Step:
    if isinstance(last, DirectionEdit) and isinstance(step, DirectionEdit):
        return replace(step, std=last.std + step.std)
    return step
