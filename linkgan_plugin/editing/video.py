"""`VideoEditor`: one edit of all frames of an inverted video, frame by frame in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from ..directions.directions import Directions
from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..images.pixels import to_pixels
from ..images.video_writer import even_sides, write_frames
from ..inversion.encoder import Encoder
from ..inversion.projected_video import ProjectedVideo
from ..metrics.jitter import Jitter
from .detailed import details_for
from .editor import Editor
from .steps import Step


class EditedFrame(NamedTuple):
    """A frame before and after an edit: images [1, C, H, W] in [-1, 1], and the edited region [H, W] in [0, 1]."""

    source: Tensor
    image: Tensor
    mask: Tensor


class VideoEditor:
    """Edits all frames of a video in the same way: with the same donor, or along the same direction as far.

    Args:
        generator: the network with its links.
        video: the inversion, from `project_video` or `load_projected_video`.
        encoder: of the network, with details: every image then keeps those of its own frame.
    Raises:
        LinkGANError: links in Z (inversions are in W), an inversion of another network, or an encoder whose details do
            not fit.

    Example:
        >>> editor = VideoEditor(generator, project_video(network, "clip.mp4", "projections/clip"))  # doctest: +SKIP
        >>> jitter = editor.write("edited.mp4", Resample("eyes", seed=7), paste=True)                # doctest: +SKIP
    """

    def __init__(self, generator: LinkedGenerator, video: ProjectedVideo, encoder: Encoder | None = None) -> None:
        if generator.spec.space != "w":
            raise LinkGANError("the links are in Z and an inversion is in W; only links in W can edit a video")
        self.video, self._source = video, generator
        network = video.applied(generator.generator)
        self._own = generator if network is generator.generator else generator.with_network(network)
        self._sets: dict[str, Directions] = {}
        self._details = None if encoder is None else details_for(generator, video.frame(0), encoder)

    def __len__(self) -> int:
        return len(self.video)

    def add_directions(self, name: str, directions: Directions) -> None:
        """Add a set of directions, as for `Editor.add_directions`."""
        self._sets[name] = directions

    def frame(self, number: int) -> Editor:
        """Return an editor of one frame."""
        found = self.video.frame(number)
        start, photograph = (found.latents, found.label), found.photograph
        editor = Editor(self._own, *start, photograph=photograph, source=self._source, details=self._details)
        for name, directions in self._sets.items():
            editor.add_directions(name, directions)
        return editor

    def frames(self, step: Step, *, paste: bool = False, feather: float | None = None) -> Iterator[EditedFrame]:
        """Yield every frame after a step.

        Args:
            step: the edit; see steps.py.
            paste: whether pixels outside the edited regions are the video's own.
            feather: see `Editor.pasted`.
        Raises:
            LinkGANError: as for `Editor.do`.
        """
        for number in range(len(self)):
            before = self.frame(number)
            editor = before.after(step)
            source = before.original() if before.photograph is None else before.photograph
            yield EditedFrame(source, editor.pasted(feather) if paste else editor.image(), editor.edited_mask())

    def write(
        self, path: Path | str, step: Step, *, paste: bool = False, feather: float | None = None
    ) -> dict[str, float | None]:
        """Write the edited video as .mp4 or .gif, at its own rate and the network's size.

        Args:
            path: the file, by whose suffix the format is chosen.
            step: as for `frames`.
            paste: as for `frames`.
            feather: as for `frames`.
        Returns:
            The jitter inside and outside the edited regions (see metrics/jitter.py).
        Raises:
            LinkGANError: as for `Editor.do`.
        """
        jitter = Jitter()
        frames = measured(self.frames(step, paste=paste, feather=feather), jitter)
        write_frames(Path(path), (even_sides(to_pixels(frame.image)[0]) for frame in frames), fps=self.video.fps)
        return jitter.figures()


def measured(frames: Iterator[EditedFrame], jitter: Jitter) -> Iterator[EditedFrame]:
    """Yield frames, adding each to a measurement."""
    for frame in frames:
        jitter.add(*frame)
        yield frame
