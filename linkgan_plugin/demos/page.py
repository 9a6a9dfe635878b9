"""The report page of demos: training, edits and cost, as images and tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..metrics.estimate import shown
from ..report.curves import training_curves
from ..report.page import Table, code, image_tag, paragraph, section, video, write_page

if TYPE_CHECKING:
    from .kind import Kind

MEANINGS = {
    "effect_in": "change inside the region when its own axes are perturbed (near 0: the region has collapsed)",
    "leak_out": "change outside the region when its own axes are perturbed; ideal: 0",
    "leak_ratio": "leak_out / effect_in",
    "locality": "share of all change by the link's axes that lies inside the region; ideal: 1",
    "leak_in": "change inside the region when all other axes are perturbed",
    "effect_out": "change outside the region when all other axes are perturbed",
    "diversity_kept": "share of the region's variety that its own axes control",
    "transfer": "the region gets the donor's attributes (correlation, predicted by an independent network)",
    "other_kept": "all other attributes are kept when the region is resampled (correlation)",
    "rest_keeps": "the region's attributes are kept when everything else is resampled (correlation)",
    "depth_effect": "squared change of depth inside the region when its own axes are perturbed, in world units",
    "depth_leak": "squared change of depth outside the region when its own axes are perturbed",
    "depth_locality": "share of all change of depth by the link's axes that lies inside the region",
    "view_error": "the edited region from another camera: colour differences, relative to the change by the edit",
    "view_depth_error": "the edited region from another camera: mean distance of the two surfaces, in world units",
}
SHEET = (
    "One row per sample. Each group resamples one region with the blocks of four other samples; its last column is the "
    "mean absolute difference, with the region outlined, on the same scale everywhere."
)


def write(kind: Kind, report: Mapping[str, Any]) -> None:
    """Write ``report.html`` in the kind's folder from the finished report and the images next to it."""
    links = list(report["linked"]["metrics"])
    runs = {network: kind.run_dir(network) for network in kind.networks}
    sections = [
        *kind.sections(report),
        section("Training", training_curves(runs, [*links, "rest"])),
        section("How this was made", code(report["command"]), code(report["spec"]), code(report["recipe"])),
        section("Versions", code(report["versions"])),
    ]
    lead = (
        f"{len(links)} links, seed {report['seed']}, {report['linked']['images']:,} images seen by each network, "
        f"{report['seconds'] / 60:.1f} minutes in all."
    )
    write_page(kind.out / "report.html", kind.title, lead, sections)


def edits(out: Path, motion: str, *, sheet: str = SHEET, film: str = "resample.mp4") -> str:
    """Return the section of the images in `out`: ``sheet.png`` and a video, with captions."""
    return section("Resampling one region at a time", image_tag(out / "sheet.png", sheet), video(out / film, motion))


def region_metrics(
    report: Mapping[str, Any], columns: Mapping[str, str], *, title: str = "Region metrics", note: str = ""
) -> str:
    """Return a section with a table per link: a row per measured metric, a column per network in `columns`.

    Args:
        report: network -> its record.
    """
    first = next(iter(columns))
    tables = [_link_table(link, report, columns) for link in report[first]["metrics"]]
    return section(title, *([paragraph(note)] if note else []), *tables)


def _link_table(link: str, report: Mapping[str, Any], columns: Mapping[str, str]) -> str:
    measured = {key for name in columns for key in report[name]["metrics"][link]}
    rows = [
        [key, *(_cell(report[name], link, key) for name in columns), meaning]
        for key, meaning in MEANINGS.items()
        if key in measured
    ]
    return Table([link, *columns.values(), ""], rows, hint=True).to_html()


def _cell(entry: Mapping[str, Any], link: str, key: str) -> str:
    return shown(entry["metrics"][link].get(key), entry["stderr"][link].get(key))


def image_quality(report: Mapping[str, Any], columns: Mapping[str, str]) -> str:
    """Return the section of the networks' distances to the data."""
    rows = [
        [text, f"{report[name]['quality']:.3f}", f"{report[name]['images']:,}" if "images" in report[name] else "-"]
        for name, text in columns.items()
    ]
    for name in ("linked", "box"):
        if name in columns:
            ratio = report[name]["quality"] / report["unlinked"]["quality"]
            rows.append([f"{name} / unlinked", f"{ratio:.3f}", ""])
    table = Table(["network", "distance to the data", "images seen in training"], rows).to_html()
    return section("Image quality", table, paragraph(f"Lower is better. {report['quality_kind']}."))
