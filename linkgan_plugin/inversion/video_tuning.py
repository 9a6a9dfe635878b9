"""Pivotal tuning of one network on all frames of a video, as in Stitch it in Time (Tzaban et al. 2022)."""

from __future__ import annotations

import torch
from torch import Tensor

from .perceptual import Distance
from .rendering import Renderer
from .tuning import Tuning
from .video_frames import Frames


class VideoTuning(Tuning):
    """Optimises the weights for all frames together: every step sees one of them, in a random order without gaps.

    The weights are the same in every frame, so that tuning adds nothing that differs from frame to frame.

    Args:
        renderer: of the generator.
        distance: the perceptual distance.
        frames: the video.
        label: [1, c_dim], the same for all frames.
        latents: [T, num_ws, w_dim], the pivots.
        steps: their total number.
        locality: see `Tuning`.
        reach: see `Tuning`.
        seed: of the order, and of the latents near the pivots.
    """

    def __init__(
        self,
        renderer: Renderer,
        distance: Distance,
        frames: Frames,
        label: Tensor,
        latents: Tensor,
        *,
        steps: int,
        locality: float,
        reach: float,
        seed: int,
    ) -> None:
        self._frames, self._pivots = frames, latents
        first = frames[0].to(latents.device)
        super().__init__(
            *(renderer, distance, first, label, latents[:1], {}),
            steps=steps,
            locality=locality,
            reach=reach,
            seed=seed,
        )

    def advance(self) -> Tensor:
        """Do one step on the next frame. Returns its distance [1] before it."""
        round_, place = divmod(self.done, len(self._frames))
        # A new order for each round; it depends on the step alone, so a resumed tuning sees the same frames.
        order = torch.randperm(len(self._frames), generator=torch.Generator().manual_seed(self._seed + round_))
        number = int(order[place])
        self._target = self._frames[number].to(self._pivots.device)
        self._latents = self._pivots[number : number + 1]
        with torch.no_grad():
            self._wanted = self._distance.features(self._target)
        return super().advance()
