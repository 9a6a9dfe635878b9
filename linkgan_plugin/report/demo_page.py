"""The demo's report page: what was trained, what it does, what it costs, in pictures and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..metrics.estimate import shown
from .curves import training_curves
from .page import Table, code, paragraph, picture, section, video, write_page

MEANINGS = {
    "effect_in": "change inside the region when its own axes move (near 0: the region has collapsed)",
    "leak_out": "change outside the region when its own axes move; wanted: 0",
    "leak_ratio": "leak_out / effect_in",
    "locality": "share of all change by the link's axes that lies inside the region; wanted: 1",
    "leak_in": "change inside the region when all other axes move",
    "effect_out": "change outside the region when all other axes move",
    "diversity_kept": "share of the region's variety that its own axes command",
    "transfer": "the donor's attributes of the region arrive (correlation, read by an independent network)",
    "other_kept": "all other attributes stay when the region is redrawn (correlation)",
    "rest_keeps": "the region's attributes stay when everything else is redrawn (correlation)",
}
COLUMNS = {"linked": "linked", "unlinked": "unlinked twin", "oracle": "the renderer itself"}


def write(out: Path, report: Mapping[str, Any], twins: Sequence[str]) -> None:
    """Write ``report.html`` in `out` from the finished report and the pictures beside it."""
    links = list(report["linked"]["metrics"])
    blocks = [*links, "rest"]
    sections = [
        section(
            "Resampling one region at a time",
            picture(
                out / "sheet.png",
                "One row per sample. Each group redraws one region with the blocks of four other samples; its last "
                "column is the mean absolute difference, with the region outlined, on one scale for all.",
            ),
            video(out / "resample.mp4", "The same edits, in motion; both networks get the same latents."),
        ),
        section("Region metrics", *(part for link in links for part in _link_table(link, report))),
        section(
            "Image quality", _quality_table(report, twins), paragraph(f"Lower is better. {report['quality_kind']}.")
        ),
        section("Training", training_curves({twin: out / twin for twin in twins}, blocks)),
        section("How this was made", code(report["command"]), code(report["spec"]), code(report["recipe"])),
        section("Versions", code(report["versions"])),
    ]
    lead = (
        f"{len(links)} links, seed {report['seed']}, {report['linked']['images']:,} images seen by each network, "
        f"{report['seconds'] / 60:.1f} minutes in all."
    )
    write_page(out / "report.html", "A generator whose regions can be redrawn one by one", lead, sections)


def _link_table(link: str, report: Mapping[str, Any]) -> list[str]:
    rows = []
    for key, meaning in MEANINGS.items():
        cells = [_cell(report[name], link, key) for name in COLUMNS]
        rows.append([key, *cells, meaning])
    header = [link, *COLUMNS.values(), ""]
    return [Table(header, rows, hint=True).to_html()]


def _cell(entry: Mapping[str, Any], link: str, key: str) -> str:
    return shown(entry["metrics"][link].get(key), entry["stderr"][link].get(key))


def _quality_table(report: Mapping[str, Any], twins: Sequence[str]) -> str:
    rows = [
        [COLUMNS[name], f"{report[name]['quality']:.3f}", f"{report[name]['images']:,}" if name in twins else "-"]
        for name in (*twins, "oracle")
    ]
    rows.append(["linked / unlinked", f"{report['quality_ratio']:.3f}", ""])
    return Table(["network", "distance to the data", "images seen in training"], rows).to_html()
