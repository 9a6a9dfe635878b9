"""`Editor`: the edits of one image, opened from a seed or a photograph, and saved."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..inversion.encoder import Encoder
from ..inversion.encoder_files import load_encoder
from ..inversion.project import project
from ..inversion.projected import Projected
from .detailed import details_for
from .rendered import RenderedEdits
from .saved import Saved
from .steps import DirectionEdit, Resample, Restore, Step, Transplant

__all__ = ["DirectionEdit", "Editor", "Resample", "Restore", "Transplant"]


class Editor(RenderedEdits):
    """One image under edit. A step costs one synthesis forward, undo none.

    Steps accumulate: each starts from the current latents. Nothing in the generator changes, and blocks of axes that a
    step does not name stay the same to the bit, as coordinates where the links have a basis.

    `RenderedEdits` lists the arguments; `of_seed`, `of_photograph` and `of_projected` find them.

    Attributes:
        locked: regions whose blocks no step changes.

    Example:
        >>> from linkgan_plugin.editing.example import example_generator
        >>> editor = Editor.of_seed(example_generator(), seed=0)
        >>> before = editor.image()  # [1, 3, 16, 16] in [-1, 1]
        >>> editor.do(Resample("left", seed=7))  # a new left side
        >>> editor.do(Transplant(["left", "right"], donor=3, strength=0.5))  # half way to those of image 3
        >>> editor.do(DirectionEdit("right", direction=0, std=1.5))
        >>> editor.difference().sum(dim=0).nonzero().flatten().tolist()  # columns that changed
        [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15]
        >>> editor.undo()
        >>> editor.do(Restore("right", version=0))  # the right side of the start, and the left side of now
        >>> again = Editor.from_json(example_generator(), editor.to_json())
        >>> torch.equal(again.image(), editor.image())
        True
    """

    @classmethod
    def of_seed(cls, generator: LinkedGenerator, seed: int) -> Editor:
        """Return an editor of the image of a seed."""
        labels = generator.labels([seed])
        return cls(generator, generator.draw([seed], labels), labels)

    @classmethod
    def of_projected(cls, generator: LinkedGenerator, projected: Projected, encoder: Encoder | None = None) -> Editor:
        """Return an editor of an inverted photograph, with a copy of the network if noise or weights were changed.

        Args:
            generator: the network with its links.
            projected: the inversion.
            encoder: of the network, with details, which every image then keeps; None for images without.
        Raises:
            LinkGANError: links in Z (inversions are in W), an inversion of another network, or an encoder whose
                details do not fit.
        """
        if generator.spec.space != "w" and generator.calls.has_w:  # without a mapping network, both are in Z
            raise LinkGANError("the links are in Z and an inversion is in W; only links in W can edit a photograph")
        network = projected.applied(generator.generator)
        own = generator if network is generator.generator else generator.with_network(network)
        details = None if encoder is None else details_for(generator, projected, encoder)
        start, photograph = (projected.latents, projected.label), projected.photograph
        return cls(own, *start, photograph=photograph, source=generator, details=details)

    @classmethod
    def of_photograph(
        cls,
        generator: LinkedGenerator,
        photograph: Tensor | str | Path,
        encoder: Encoder | str | Path,
        labels: Tensor | None = None,
        *,
        details: bool | None = None,
    ) -> Editor:
        """Return an editor of a photograph, inverted by all passes of an encoder, with its details if it has any.

        Args:
            generator: the network with its links.
            photograph: a file, cropped to its largest square, or a tensor [1, C, R, R] in [-1, 1].
            encoder: of the network, or its file; see `linkgan encoder train`.
            labels: [1, c_dim], its class; required by networks with classes.
            details: whether images keep the photograph's details; by default if the encoder has any.
        Raises:
            LinkGANError: links in Z, an encoder of another network or without the details asked for, or a photograph
                that does not fit.
        """
        opened = encoder if isinstance(encoder, Encoder) else load_encoder(encoder, generator.device)
        detailed = opened.details is not None if details is None else details
        method = "details" if detailed else "restyle"
        found = project(generator, photograph, method=method, encoder=opened, labels=labels)
        return cls.of_projected(generator, found[0], opened if detailed else None)

    def after(self, step: Step) -> Editor:
        """Return a copy of this editor with one more step.

        Raises:
            LinkGANError: as for `do`.
        """
        branch = copy(self)  # the images rendered so far are shared
        branch._states = self._states[: self._now + 1]
        branch.do(step)
        return branch

    def preview(self, step: Step, camera: Tensor | None = None) -> Tensor:
        """Return the image after a step, [1, C, H, W], without doing it."""
        return self.after(step).image(camera)

    def to_json(self) -> dict[str, Any]:
        """Return the edits as plain JSON-able data, with undone steps and locks.

        The network is not included, nor a photograph or the weights tuned for it.
        """
        return self._saved().to_json()

    def restarted(self, projected: Projected, encoder: Encoder | None = None) -> Editor:
        """Return an editor with the same steps and locks that starts from another inversion of the photograph.

        Args:
            projected: in the network that was edited.
            encoder: as for `of_projected`.
        Raises:
            LinkGANError: an inversion of another network.
        """
        editor = self.of_projected(self._source, projected, encoder)
        editor._resume(replace(self._saved(), sets=dict(self._sets)))
        return editor

    def _saved(self) -> Saved:
        steps = tuple(state.step for state in self._states if state.step is not None)
        used = {step.of for step in steps if isinstance(step, DirectionEdit)}
        return Saved(
            spec=self.generator.spec,
            psi=self.generator.truncation_psi,
            of_photograph=self.generator is not self._source or self.photograph is not None,
            detailed=self._details is not None,
            latents=self.start,
            labels=self.labels,
            steps=steps,
            done=self._now,
            locked=tuple(sorted(self.locked)),
            directions=dict(self._directions),
            sets={name: found for name, found in self._sets.items() if name in used},
        )

    @classmethod
    def from_json(
        cls,
        generator: LinkedGenerator,
        data: Any,
        projected: Projected | None = None,
        encoder: Encoder | None = None,
    ) -> Editor:
        """Return the editor of `to_json` data, which is not trusted: the same images to the bit.

        Args:
            generator: the network that was edited, opened with the same links and psi.
            data: the saved edits.
            projected: the inversion of the photograph that was edited, if any.
            encoder: with the details of that photograph, for edits that were made with them.
        Raises:
            LinkGANError: the data is malformed, or of another network, links, psi or photograph.
        """
        saved = Saved.from_json(data)
        saved.check(generator, projected is not None)
        if saved.detailed != (encoder is not None):
            way_out = "give the encoder that has them" if saved.detailed else "leave the encoder out"
            raise LinkGANError(f"these edits were made {'with' if saved.detailed else 'without'} details; {way_out}")
        if projected is None:
            editor = cls(generator, saved.latents, saved.labels)
        else:
            editor = cls.of_projected(generator, projected, encoder)
            if not torch.equal(editor.start.cpu(), saved.latents):
                raise LinkGANError("these edits are of another photograph; give the inversion that they started from")
        editor._resume(saved)
        return editor
