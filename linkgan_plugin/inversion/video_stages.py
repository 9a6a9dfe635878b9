"""The inversion of a video's frames, in order: by an encoder in batches, or by a search from frame to frame."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .encoder import Encoder
from .encoding import Encoding
from .perceptual import Distance
from .projected import latent_shape
from .rendering import Renderer
from .search import LEARNING_RATE, LatentSearch, Statistics, statistics
from .settings import ENCODED, METHODS, SPACES, InversionSettings, check_method
from .video_frames import Frames
from .video_tuning import VideoTuning

# The search of a frame that starts from the one before it takes ten times fewer steps, at a fifth of the learning rate:
# the full rate leads away from the start, and the frames jitter (measured in docs/photographs.md).
WARM, WARM_RATE = 10, LEARNING_RATE / 5

Work = Encoding | LatentSearch | VideoTuning


class VideoInversion:
    """Inverts frame after frame, step by step; it can be stopped and resumed.

    The network's noise is never optimised: noise of its own in every frame would flicker. With an encoder each frame
    starts from the mean of W. The search starts from the latents of the frame before; the first frame is searched as a
    photograph is.

    Args:
        generator: any network with a space W; it is not changed.
        frames: the video, at the network's size.
        label: [1, c_dim], the class or the camera of all frames.
        settings: of the inversion; `tune` counts steps of all frames together.
        distance: minimised.
        encoder: of the generator, for the methods that need one.
        batch: frames encoded together; it changes results only by rounding.
    Attributes:
        tuned: the entries of the generator's state dict that tuning changed.
    Raises:
        LinkGANError: no encoder for such a method, or another network's.
    """

    def __init__(
        self,
        generator: nn.Module,
        frames: Frames,
        label: Tensor,
        settings: InversionSettings,
        distance: Distance,
        encoder: Encoder | None = None,
        batch: int = 8,
    ) -> None:
        check_method(settings.method, encoder is not None)
        if encoder is not None:
            encoder.check(generator)
        self._renderer, self._frames, self._settings = Renderer(generator), frames, settings
        self._distance, self._encoder, self._batch = distance, encoder, batch
        self._num_ws = latent_shape(generator)[0]
        self._device = next(iter(generator.parameters()), torch.zeros([])).device
        self._label = label.to(self._device)
        self._found: list[Tensor] = []  # [N, num_ws, w_dim] each
        self._in_w: Tensor | None = None  # [1, num_ws, w_dim], the first frame's, where W+ is searched after W
        self._statistics: Statistics | None = None
        self._tuning_is_done = False
        self.tuned: dict[str, Tensor] = {}
        self._work: Work | None = self._begun()

    @property
    def latents(self) -> Tensor:
        """The latents of the frames that are done, [T, num_ws, w_dim]."""
        return torch.cat(self._found)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return self._work is None

    @property
    def total(self) -> int:
        """The number of all steps; an encoder's frame is one."""
        return self._steps_of(len(self._frames)) + self._settings.tune

    @property
    def steps_done(self) -> int:
        """The number of finished steps."""
        frames = sum(map(len, self._found))
        before = self._settings.steps if frames == 0 and self._in_w is not None else 0
        if self._tuning_is_done:
            before = self._settings.tune
        now = self._work.done if isinstance(self._work, LatentSearch | VideoTuning) else 0
        return self._steps_of(frames) + before + now

    def _steps_of(self, frames: int) -> int:
        """Return the steps of the first frames."""
        if self._encoder is not None or frames == 0:
            return frames
        first = (SPACES.index(self._settings.space) + 1) * self._settings.steps
        return first + (frames - 1) * self._warm_steps

    @property
    def _warm_steps(self) -> int:
        return max(1, self._settings.steps // WARM)

    def advance(self) -> None:
        """Do one step."""
        work = self._work
        if work is None:
            return
        work.advance()
        if work.done < work.steps:
            return
        if isinstance(work, VideoTuning):
            self.tuned, self._tuning_is_done = work.tuned, True
        elif not self._found and self._encoder is None and self._settings.space == "w+" and self._in_w is None:
            self._in_w = work.latents.contiguous()
        else:
            self._found.append(work.latents.contiguous())
        self._work = self._begun()

    def _begun(self) -> Work | None:
        """Return the next work, None at the end."""
        done = sum(map(len, self._found))
        if done == len(self._frames):
            return self._begun_tuning() if self._settings.tune and not self._tuning_is_done else None
        return self._begun_search(done) if self._encoder is None else self._begun_encoding(self._encoder, done)

    def _begun_encoding(self, encoder: Encoder, first: int) -> Encoding:
        images = self._frames.batch(first, first + self._batch).to(self._device)
        passes = 1 if METHODS[self._settings.method] == (ENCODED,) else encoder.passes
        start = encoder.start(len(images)).to(self._device)
        return Encoding(self._renderer, encoder, images, self._label.expand(len(images), -1), start, passes)

    def _begun_search(self, frame: int) -> LatentSearch:
        settings = self._settings
        deviation, steps, rate = (
            0.0,
            settings.steps,
            LEARNING_RATE,
        )  # noise on latents would undo a start that is a solution
        if frame:
            start, steps, rate = self._found[-1][-1:], self._warm_steps, WARM_RATE
        elif self._in_w is not None:
            start = self._in_w
        else:
            start, deviation = self._known().mean.unsqueeze(1), self._known().deviation
        return LatentSearch(
            self._renderer,
            self._distance,
            self._frames[frame].to(self._device),
            self._label,
            start[:, :1] if settings.space == "w" else start,
            {},
            torch.tensor([deviation], device=self._device),
            num_ws=self._num_ws,
            steps=steps,
            seed=settings.seed,
            rate=rate,
        )

    def _begun_tuning(self) -> VideoTuning:
        settings = self._settings
        return VideoTuning(
            self._renderer,
            self._distance,
            self._frames,
            self._label,
            self.latents,
            steps=settings.tune,
            locality=settings.locality,
            reach=self._known().deviation,
            seed=settings.seed,
        )

    def _known(self) -> Statistics:
        """Return the mean and the deviation of W."""
        if self._statistics is None:
            z_dim = int(getattr(self._renderer.generator, "z_dim"))  # noqa: B009 (nn.Module types attributes as tensors)
            self._statistics = statistics(self._renderer.calls, z_dim, self._label)
        return self._statistics

    def state(self) -> dict[str, Any]:
        """Return the state that an inversion with the same arguments resumes from: tensors and plain numbers."""
        work = self._work.state() if isinstance(self._work, LatentSearch | VideoTuning) else None
        tuned = self.tuned if self._tuning_is_done else None
        return {"latents": list(self._found), "in_w": self._in_w, "tuned": tuned, "work": work}

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from the result of `state`."""
        self._found = [latents.to(self._device) for latents in state["latents"]]
        self._in_w = None if state["in_w"] is None else state["in_w"].to(self._device)
        self._tuning_is_done = state["tuned"] is not None
        self.tuned = {name: weight.to(self._device) for name, weight in (state["tuned"] or {}).items()}
        self._work = self._begun()
        if state["work"] is not None and isinstance(self._work, LatentSearch | VideoTuning):
            self._work.restore(state["work"])
