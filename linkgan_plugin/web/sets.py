"""Sets of directions on the page: from files, from searches, and from stored edits."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from ..directions.directions import Directions
from ..editing.editor import Editor
from ..editing.steps import DirectionEdit, Step

_KEY = re.compile(r" [0-9a-f]{8}$")


class PageSets:
    """The sets of a session by name. A name is a title and a digest, so that stored edits keep theirs."""

    def __init__(self) -> None:
        self._sets: dict[str, Directions] = {}

    def add(self, title: str, directions: Directions) -> str:
        """Add a set and return its name."""
        numbers = hashlib.sha256(directions.space.encode())
        bend = {} if directions.bend is None else directions.bend.tensors()
        for tensor in (directions.vectors, *bend.values()):
            numbers.update(tensor.detach().cpu().numpy().tobytes())
        name = f"{title} {numbers.hexdigest()[:8]}"
        self._sets.setdefault(name, directions)
        return name

    def give(self, editor: Editor, step: Step) -> None:
        """Add the set of a step to an editor that lacks it; LinkGANError if it does not fit the network."""
        if isinstance(step, DirectionEdit) and step.of in self._sets and step.of not in editor.sets:
            editor.add_directions(step.of, self._sets[step.of])

    def describe(self, editor: Editor) -> list[dict[str, Any]]:
        """Return the sets for an image as plain data: those of the session, then others of its stored edits."""
        known: Mapping[str, Directions] = {**dict(editor.sets), **self._sets}
        names = [*self._sets, *(name for name in editor.sets if name not in self._sets)]
        return [
            {
                "name": name,
                "title": _KEY.sub("", name),
                "directions": [known[name].title(index) for index in range(len(known[name]))],
            }
            for name in names
        ]


def positions(editor: Editor) -> dict[str, dict[int, float]]:
    """Return how far an image is along each direction of its sets: name -> number -> standard deviations.

    Redrawing all regions leaves only what shifts styles; restoring the whole image brings its positions back.
    """
    every = set(editor.generator.spec.block_names)
    now: dict[str, dict[int, float]] = {}
    after: dict[int, dict[str, dict[int, float]]] = {}  # by the identity of the step
    for step in editor.steps:
        if isinstance(step, DirectionEdit):
            if step.of:
                of = now.get(step.of, {})
                now = {**now, step.of: {**of, step.direction: of.get(step.direction, 0.0) + step.std}}
        elif every <= set(step.names):
            version = getattr(step, "version", None)
            if version is None:
                now = {name: of for name, of in now.items() if editor.sets[name].space == "s"}
            else:
                made = editor.history(step.names[0])[version].step
                now = after.get(id(made), {})
        after[id(step)] = now
    return now
