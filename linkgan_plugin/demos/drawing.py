"""Draws the edits of 2D generators for a demo's report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..generators import LinkedGenerator
from ..images import png
from ..images.video_writer import write_mp4
from ..report.sheet import edit_sheet, stack
from ..report.video import resample_frames


def draw_edits(
    out: Path, generators: Mapping[str, LinkedGenerator], titles: Mapping[str, str], metadata: Mapping[str, str]
) -> None:
    """Write sheet.png and resample.mp4 in `out`: the same edits for all networks, of the first one's regions."""
    first = next(iter(generators))
    regions = generators[first].spec.block_names
    sheets = [
        edit_sheet(generator, range(6 if name == first else 3), regions, variants=4, title=titles[name])
        for name, generator in generators.items()
    ]
    png.save_png(out / "sheet.png", stack(sheets), dict(metadata))
    write_mp4(out / "resample.mp4", resample_frames(dict(generators), range(6), regions), comment=metadata["command"])
