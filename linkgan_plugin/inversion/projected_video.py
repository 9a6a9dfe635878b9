"""`ProjectedVideo`: the latents of all frames of a video, and their folder."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training_loops.formats.atomic import write_bytes
from training_loops.formats.budget import DESCRIPTION
from training_loops.formats.files import read_file
from training_loops.formats.json_text import parse_object

from ..errors import LinkGANError
from .latent_files import LATENTS, LATENTS_FILE, read_arrays, to_tensor
from .projected import Projected, checked_label, latent_shape, load_tuned, save_tuned
from .video_frames import Frames

FRAMES_FOLDER, METRICS_FILE = "frames", "metrics.json"
_LABEL, _DETAILED = "label", "detailed"  # further arrays in the npz, which the hosts' programs ignore


@dataclass(frozen=True)
class ProjectedVideo:
    """The inversion of a video.

    Attributes:
        latents: [T, num_ws, w_dim] float32, a row for each frame.
        label: [1, c_dim] float32, the class or the camera of all frames.
        frames: the video itself, at the network's size.
        fps: frames per second.
        tuned: the entries of the generator's state dict that tuning changed for all frames; {} without tuning.
        detailed: whether it was made with the details of an encoder, which renders of it need.
    """

    latents: Tensor
    label: Tensor
    frames: Frames
    fps: Fraction
    tuned: dict[str, Tensor] = field(default_factory=dict)
    detailed: bool = False

    def __len__(self) -> int:
        return len(self.frames)

    def frame(self, number: int) -> Projected:
        """Return the inversion of one frame, with the tuned weights."""
        latents = self.latents[number : number + 1]
        return Projected(latents, self.label, tuned=self.tuned, photograph=self.frames[number], detailed=self.detailed)

    def applied(self, generator: nn.Module) -> nn.Module:
        """Return a copy of `generator` with the tuned weights, or `generator` itself without any.

        Raises:
            LinkGANError: weights of another network.
        """
        return Projected(self.latents[:1], self.label, tuned=self.tuned).applied(generator)


def save_latents(
    folder: Path,
    latents: Tensor,
    label: Tensor,
    tuned: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    detailed: bool = False,
) -> None:
    """Write the latents and weights of a video's inversion to its folder, each file atomically.

    Args:
        folder: where to write.
        latents: [T, num_ws, w_dim].
        label: [1, c_dim].
        tuned: see `ProjectedVideo`.
        metadata: text stored with the weights: command, seed, versions.
        detailed: see `ProjectedVideo`.
    """
    save_tuned(folder, tuned, metadata)
    buffer = io.BytesIO()
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in ((LATENTS, latents), (_LABEL, label))}
    arrays |= {_DETAILED: np.ones([1], np.float32)} if detailed else {}
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(folder / LATENTS_FILE, buffer.getvalue())


def is_projected_video(path: Path) -> bool:
    """Return whether a path is the folder of a video's inversion, finished or not."""
    return (path / FRAMES_FOLDER).is_dir()


def load_projected_video(folder: Path | str, generator: nn.Module, label: Tensor | None = None) -> ProjectedVideo:
    """Read the inversion of a video; its tensors are on the CPU, and its frames stay in their files.

    Args:
        folder: written by `project_video`, or by `linkgan project clip.mp4`.
        generator: the network of the inversion; all shapes are compared with it.
        label: [1, c_dim], the class or camera, for files without a label.
    Raises:
        LinkGANError: not the inversion of a video, one that is not finished, or another network's.
    """
    folder = Path(folder)
    if not is_projected_video(folder):
        raise LinkGANError(f"{folder} holds no frames of a video; make it with `linkgan project`")
    if not (folder / METRICS_FILE).exists():
        raise LinkGANError(f"{folder}: the inversion of this video is not finished; resume it with the same command")
    frames, fps = frames_of(folder, generator), _rate(folder / METRICS_FILE)
    num_ws, w_dim = latent_shape(generator)
    file = folder / LATENTS_FILE
    # as for a photograph: double precision, with room for headers
    arrays = read_arrays(file, 8 * math.prod((len(frames), num_ws, w_dim)) + (1 << 20))
    latents = to_tensor(arrays[LATENTS]) if LATENTS in arrays else torch.empty(0)
    if latents.shape != (len(frames), num_ws, w_dim):
        raise LinkGANError(
            f"{file}: latents {list(latents.shape)}; {len(frames)} frames of this network take "
            f"{[len(frames), num_ws, w_dim]}; is it another network's?"
        )
    found = checked_label(to_tensor(arrays[_LABEL]) if _LABEL in arrays else label, generator, file)
    return ProjectedVideo(latents, found, frames, fps, load_tuned(folder, generator), _DETAILED in arrays)


def frames_of(folder: Path, generator: nn.Module) -> Frames:
    """Return the frames in a video's folder, at the size of a network.

    Raises:
        LinkGANError: frames are missing.
    """
    size, channels = (int(getattr(generator, name)) for name in ("img_resolution", "img_channels"))
    return Frames(folder / FRAMES_FOLDER, size, channels)


def _rate(path: Path) -> Fraction:
    text = parse_object(read_file(path, DESCRIPTION.bytes), str(path)).get("fps")
    try:
        rate = Fraction(str(text)[:40])
        if not Fraction(1, 1000) <= rate <= 1000:
            raise ValueError
    except (ValueError, ZeroDivisionError):
        raise LinkGANError(f"{path}: fps is {json.dumps(text):.80}, expected frames per second such as 24") from None
    return rate
