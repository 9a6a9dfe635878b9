"""`linkgan edit --projection` of a video: what it takes, and the edited video with its jitter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .edit_request import VIDEOS, EditRequest

if TYPE_CHECKING:
    from ..editing.steps import Step
    from ..editing.video import VideoEditor
    from ..images.pixels import Pixels

# Options that have no effect on a video, and why.
_UNUSED = {
    "interpolate": "every frame gets the whole edit",
    "contact": "a contact sheet shows one image",
}


def edits_video(asked: EditRequest, given: Mapping[str, str]) -> bool:
    """Return whether the projection to edit is that of a video.

    Args:
        asked: the command line.
        given: what was typed, as `typed_flags` returns it.
    Raises:
        click.UsageError: a video with what does not go with it, or with more than one edit.
    """
    from ..inversion.projected_video import is_projected_video

    videos = [path for path in asked.projections if is_projected_video(path)]
    if not videos:
        return False
    shown = videos[0].name
    if len(asked.projections) > 1:
        raise click.UsageError(f"'{shown}' is a video: give its --projection alone")
    if asked.suffix not in VIDEOS:
        raise click.UsageError(f"--out {asked.out}: '{shown}' is a video, so its edit is a {' or '.join(VIDEOS)}")
    for name, reason in _UNUSED.items():
        if name in given:
            raise click.UsageError(f"{given[name]} and the video '{shown}' do not go together: {reason}")
    if len(asked.regions) != 1 and not (asked.files and not asked.regions):
        raise click.UsageError(f"'{shown}' is a video: give one --region (eyes+mouth edits both together)")
    if asked.files and [len(part) for part in (asked.files, asked.direction, asked.amount)] != [1, 1, 1]:
        raise click.UsageError(
            f"'{shown}' is a video, of one edit: give one --directions FILE, --direction and --amount"
        )
    if asked.strongest:
        raise click.UsageError(
            f"'{shown}' is a video, of one edit: give a file of directions, --direction and --amount"
        )
    if len(asked.transplant) + len(asked.arithmetic) > 1 or ("variants" in given and asked.variants > 1):
        raise click.UsageError(
            f"'{shown}' is a video, of one edit for all frames: give one --transplant or --variants 1, with another "
            "--donor-seed and --out for each further video"
        )
    return True


def beside(out: Path) -> Path:
    """Return the name of the file of measurements beside a video."""
    return out.with_suffix(".json")


def write_edited(asked: EditRequest, editor: VideoEditor, step: Step, title: str, metadata: Mapping[str, str]) -> None:
    """Write an edited video and its measurements; print their names and the jitter.

    Args:
        asked: the command line.
        editor: of the video.
        step: the edit of all frames.
        title: the heading.
        metadata: provenance to store in the file.
    """
    from tqdm import tqdm

    from training_loops.formats.atomic import write_json

    from ..editing.video import measured
    from ..metrics.jitter import Jitter
    from ..report.video import before_and_after, write_video

    jitter = Jitter()

    def frames() -> Iterator[Pixels]:
        for frame in measured(editor.frames(step, paste=asked.paste, feather=asked.feather), jitter):
            yield before_and_after(title, frame.source, frame.image, asked.cell, plain=asked.plain)

    fps = editor.video.fps
    write_video(asked.out, tqdm(frames(), "frames", len(editor), disable=None), metadata, fps)
    found = jitter.figures()
    facts = {"frames": len(editor), "fps": str(fps), "jitter": found, "step": step.to_json()}
    write_json(beside(asked.out), {**facts, "command": metadata["command"]})
    shown = ", ".join(f"{value:.2f} {place}" for place, value in found.items() if value is not None)
    click.echo(f"wrote {asked.out} ({len(editor)} frames) and {beside(asked.out)}")
    if shown:
        click.echo(f"jitter in levels of 255: {shown} the edited region")
