"""One image on the page: its edits, its camera, and the state sent to the page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training_loops.formats.json_text import fields_of

from ..cameras import orbit
from ..editing.editor import Editor
from ..editing.steps import DirectionEdit, Restore, Step
from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..inversion.encoder import Encoder
from ..inversion.projected import Projected
from ..report.relief import depth_image, normal_image
from .sets import positions

SURFACES = ("colour", "depth", "normals")
MOST_STEPS = 5000  # more steps would make every click slow


@dataclass(frozen=True)
class Look:
    """How an image is shown.

    Attributes:
        yaw: of the camera around the object, in radians.
        pitch: of the camera around the object, in radians.
        pasted: whether pixels outside the edited regions are the photograph's own.
        surface: what is seen of a 3D object, one of `SURFACES`.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    pasted: bool = False
    surface: str = "colour"

    @classmethod
    def of(cls, data: Mapping[str, Any], before: Look) -> Look:
        """Return `before` with the values that the page sent.

        Raises:
            LinkGANError: unknown names, or values that are not angles.
        """
        found = fields_of(data, "a look", {}, {"yaw": float, "pitch": float, "pasted": bool, "surface": str})
        if not all(abs(found.get(name, 0)) <= 1000 for name in ("yaw", "pitch")):  # nor is NaN
            raise LinkGANError("a look takes yaw and pitch, angles in radians from -1000 to 1000")
        if found.get("surface", "colour") not in SURFACES:
            raise LinkGANError(f"a look's surface is '{found['surface']:.40}', expected one of: {', '.join(SURFACES)}")
        return replace(before, **found)


class EditedImage:
    """An editor and how its image is shown.

    Args:
        editor: of the image.
        source: its origin, for the page and file names: {"seed": 5, "psi": 1.0} or {"photograph": true}.
        look: how it is shown.
    Attributes:
        name: its name in the store.
        revision: increases with every change of the image or the state.
    """

    def __init__(self, editor: Editor, source: Mapping[str, Any], look: Look | None = None) -> None:
        self.editor, self.source, self.look = editor, dict(source), look or Look()
        self.name = ""
        self.revision = 0
        self._moving = not all(link.region.static for link in editor.generator.spec.links)
        self._numbers: dict[int, dict[str, tuple[int, int]]] = {}  # steps done -> region -> version, versions
        self._pivot = (
            orbit.pivot_of(editor.generator.generator, editor.labels) if editor.generator.is_3d_aware else None
        )

    @classmethod
    def of_seed(cls, generator: LinkedGenerator, seed: int, psi: float | None) -> EditedImage:
        """Return the image of a seed; `psi` is its truncation."""
        labels = generator.labels([seed])
        editor = Editor(generator, generator.draw([seed], labels, psi), labels)
        return cls(editor, {"seed": seed, "psi": generator.truncation_psi if psi is None else psi})

    @classmethod
    def of_photograph(
        cls, generator: LinkedGenerator, projected: Projected, encoder: Encoder | None = None
    ) -> EditedImage:
        """Return the image of a photograph, pasted back wherever it is not edited; `encoder` has its details."""
        return cls(Editor.of_projected(generator, projected, encoder), {"photograph": True}, Look(pasted=True))

    # Changes

    def refine(self, projected: Projected, encoder: Encoder | None = None) -> None:
        """Continue all edits from a better inversion of the photograph; LinkGANError if a step cannot be redone."""
        self.editor = self.editor.restarted(projected, encoder)
        self.revision += 1

    def do(self, step: Step) -> None:
        """Do a step.

        Restoring another version of the same region, or moving further along the same direction, replaces the last
        step, so that one undo reverts a whole turn of the wheel or movement of a slider.

        Raises:
            LinkGANError: the step cannot be done; nothing is changed.
        """
        editor = self.editor
        if len(editor.steps) >= MOST_STEPS:
            raise LinkGANError(f"this image has been edited {MOST_STEPS} times, the most that are stored; undo some")
        step = step.only(editor.free(step))
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
        """Undo the last step; LinkGANError if there is none or its region is locked."""
        self.editor.undo()
        self.revision += 1

    def redo(self) -> None:
        """Redo the last undone step; LinkGANError if there is none or its region is locked."""
        self.editor.redo()
        self.revision += 1

    def lock(self, region: str, locked: bool) -> None:
        """Lock or unlock a region; LinkGANError for an unknown one."""
        (self.editor.lock if locked else self.editor.unlock)(region)
        self.revision += 1

    def set_view(self, data: Mapping[str, Any]) -> None:
        """Change how it is shown (see `Look.of`)."""
        look = Look.of(data, self.look)
        if self._pivot is None:
            look = replace(look, yaw=0.0, pitch=0.0, surface="colour")
        else:
            yaw = math.remainder(look.yaw, 2 * math.pi)
            look = replace(look, yaw=yaw, pitch=orbit.limited(self.editor.labels, look.pitch, self._pivot))
        self.look = look
        self.revision += 1

    # Images and state

    @property
    def camera(self) -> Tensor | None:
        """The label [1, c_dim] of the rotated camera, None for the original camera."""
        if self._pivot is None or not (self.look.yaw or self.look.pitch):
            return None
        return orbit.turned(self.editor.labels, self.look.yaw, self.look.pitch, self._pivot)

    def rendered(self) -> Tensor:
        """Return the shown image, [1, C, H, W] in [-1, 1]: one synthesis forward, or none if it is cached."""
        camera = self.camera
        if self.look.surface != "colour":
            return self._surface(self.editor)
        if self.look.pasted and camera is None and self.editor.photograph is not None:
            return self.editor.pasted()
        return self.editor.image(camera)

    def preview(self, step: Step) -> Tensor:
        """Return the image after a step, [1, C, H, W], without doing it."""
        if self.look.surface != "colour":
            return self._surface(self.editor.after(step))
        return self.editor.preview(step, camera=self.camera)

    def before(self) -> Tensor:
        """Return the original, [1, C, H, W]: the photograph, or the unedited object from the current camera."""
        if self.look.surface != "colour":
            return self._surface(Editor(self.editor.generator, self.editor.start, self.editor.labels))
        if self.editor.photograph is not None:
            return self.editor.photograph
        camera = self.camera
        if camera is None:
            return self.editor.original()
        return self.editor.generator.view(self.editor.start, self.editor.labels, camera).image

    def _surface(self, editor: Editor) -> Tensor:
        """Return the depth or the normals of an object, [1, 3, H, H] in [-1, 1]."""
        camera = self.camera
        depth = editor.depth(camera)
        if self.look.surface == "normals":
            return normal_image(depth, editor.labels if camera is None else camera)
        return depth_image(depth, *self._depths)

    @cached_property
    def _depths(self) -> tuple[float, float]:
        """The nearest and farthest depth at the start, which stay one scale for all edits and cameras."""
        start = self.editor.depth()
        return float(start.min()), float(start.max())

    def masks(self) -> npt.NDArray[np.uint8]:
        """Return the masks of the regions in the shown image, uint8 [R, H, W] from 0 to 255, rest last."""
        editor, camera = self.editor, self.camera
        generator = editor.generator
        scene = generator.scene(editor.rendering(camera), editor.labels if camera is None else camera)
        masks = generator.spec.region_masks(scene)[:, 0, 0]
        return (masks * 255).round().to(torch.uint8).cpu().numpy()

    def state(self) -> dict[str, Any]:
        """Return the state that the page shows next to the image, as plain data."""
        editor = self.editor
        return {
            "image": self.name,
            "revision": self.revision,
            "source": self.source,
            "steps": len(editor.steps),
            "undo": editor.can_undo,
            "redo": editor.can_redo,
            "locked": sorted(editor.locked),
            "sets": positions(editor),
            "regions": {name: self._region(name, *numbers) for name, numbers in self._versions().items()},
            "look": asdict(self.look),
            "photograph": editor.photograph is not None,
            "masks": self.revision if self._moving else 0,
        }

    def _versions(self) -> dict[str, tuple[int, int]]:
        """Return each region's version and number of versions; a step recounts only the regions it changed."""
        editor, now = self.editor, len(self.editor.steps)
        if now not in self._numbers:
            before = self._numbers.get(now - 1, {})
            moved = editor.steps[-1].names if before else editor.generator.spec.block_names
            self._numbers[now] = before | {name: self._version(name) for name in moved}
        return self._numbers[now]

    def _version(self, name: str) -> tuple[int, int]:
        history, version = self.editor.versions(name)
        return version, len(history)

    def _region(self, name: str, version: int, versions: int) -> dict[str, Any]:
        positions: dict[int, float] = {}
        for step in reversed(self.editor.steps):
            if name not in step.names or (isinstance(step, DirectionEdit) and step.of):
                continue
            if not isinstance(step, DirectionEdit):
                break
            positions[step.direction] = positions.get(step.direction, 0.0) + step.std
        return {"version": version, "versions": versions, "directions": positions}

    # Storage

    def to_json(self) -> dict[str, Any]:
        """Return the image as plain data, without network and photograph."""
        return {"source": self.source, "look": asdict(self.look), "edits": self.editor.to_json()}

    @classmethod
    def from_json(
        cls, generator: LinkedGenerator, data: Any, projected: Projected | None, encoder: Encoder | None = None
    ) -> EditedImage:
        """Return the image of `to_json` data.

        Raises:
            LinkGANError: malformed data, or another network or photograph.
        """
        found = fields_of(data, "saved edits of the page", {"source": dict, "look": dict, "edits": dict}, extra=True)
        editor = Editor.from_json(generator, found["edits"], projected, encoder)
        return cls(editor, found["source"], Look.of(found["look"], Look()))


def _continues(last: Step, step: Step) -> bool:
    if isinstance(last, DirectionEdit) and isinstance(step, DirectionEdit):
        return (last.of, last.names, last.direction) == (step.of, step.names, step.direction)
    return isinstance(last, Restore) and isinstance(step, Restore) and last.region == step.region


def _joined(last: Step, step: Step) -> Step:
    if isinstance(last, DirectionEdit) and isinstance(step, DirectionEdit):
        return replace(step, std=last.std + step.std)
    return step
