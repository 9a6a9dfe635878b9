"""The files that `linkgan edit` writes: a sheet, an image in its own size, or a video."""

from __future__ import annotations

import json
from dataclasses import dataclass

import click
from tqdm import tqdm

from ..editing.candidates import EditCandidate, RegionGroup
from ..editing.editor import Editor
from ..images.pixels import to_pixels
from ..images.png import save_png
from ..report.sheet import candidate_sheet, contact_sheet
from ..report.video import count_frames, trial_frames, write_video
from .edit_request import EditRequest


@dataclass(frozen=True)
class Edits:
    """Everything that is drawn: every candidate of every group of regions, for every image.

    Attributes:
        editors: the images.
        groups: the regions that are edited together.
        candidates: the edits.
        metadata: provenance to store in the file.
        named: write the names of the candidates in the sheet.
    """

    editors: list[Editor]
    groups: list[RegionGroup]
    candidates: list[EditCandidate]
    metadata: dict[str, str]
    named: bool


def write(asked: EditRequest, edits: Edits) -> None:
    """Write the requested file and print its name."""
    if asked.is_video:
        _write_video(asked, edits)
    elif asked.plain:
        _write_plain(asked, edits)
    else:
        _write_sheet(asked, edits)


def _write_video(asked: EditRequest, edits: Edits) -> None:
    total = count_frames(edits.groups, edits.candidates)
    frames = trial_frames(
        edits.editors, edits.groups, edits.candidates, shown=asked.shown, cell=asked.cell, plain=asked.plain
    )
    write_video(asked.out, tqdm(frames, "frames", total, disable=None), edits.metadata)
    click.echo(f"wrote {asked.out} ({total} frames)")


def _write_plain(asked: EditRequest, edits: Edits) -> None:
    """Write the edited image; its metadata stores the edits, which `Editor.from_json` repeats."""
    (before,) = edits.editors
    editor = before.after(edits.candidates[0].of(before, edits.groups[0].regions))
    pixels = to_pixels(asked.shown(editor))[0]
    save_png(asked.out, pixels, {**edits.metadata, "editor": json.dumps(editor.to_json(), allow_nan=False)})
    click.echo(f"wrote {asked.out} ({pixels.shape[1]} x {pixels.shape[0]})")


def _write_sheet(asked: EditRequest, edits: Edits) -> None:
    editors, groups, candidates = edits.editors, edits.groups, edits.candidates
    with tqdm(total=len(groups) * len(candidates), desc="edits", disable=None) as bar:
        if asked.contact:
            sheet = contact_sheet(
                editors[0], groups[0], candidates, tick=bar.update, shown=asked.shown, cell=asked.cell
            )
        else:
            sheet = candidate_sheet(
                editors, groups, candidates, notes=edits.named, tick=bar.update, shown=asked.shown, cell=asked.cell
            )
    save_png(asked.out, sheet, edits.metadata)
    click.echo(f"wrote {asked.out} ({sheet.shape[1]} x {sheet.shape[0]})")
