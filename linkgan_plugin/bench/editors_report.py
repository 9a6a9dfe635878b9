"""The report of `linkgan bench editors`: a table for each network and region, and a sheet of the best editors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ..images import drawing, pixels
from ..images.pixels import Pixels
from ..metrics.claims import Claim, claim
from .editing_rows import BASIS, LINK
from .editors import MIDDLE, Cell
from .equal_effect import LEVELS
from .figures import Spread
from .tables import markdown

BEST = 5
_CELL, _NOTE = 96, 18
OUTLINE = (255, 255, 255)

Cells = Sequence[Mapping[str, Any]]


def groups(cells: Cells) -> dict[tuple[str, str], dict[str, Cells]]:
    """Return (network, region) -> editor -> its cells, one per seed."""
    found: dict[tuple[str, str], dict[str, list[Mapping[str, Any]]]] = {}
    for cell in cells:
        found.setdefault((cell["network"], cell["region"]), {}).setdefault(cell["editor"], []).append(cell)
    return found  # type: ignore[return-value]


def ranked(editors: Mapping[str, Cells]) -> list[str]:
    """Return the editors by their leak at the middle level, least first; those that do not reach it last."""
    return sorted(editors, key=lambda name: (_mean(editors[name], _leak(MIDDLE)), name))


def text(cells: Cells, command: str, seeds: Sequence[int], data: Mapping[str, str]) -> str:
    """Return the tables as Markdown.

    Args:
        cells: of the study.
        command: as typed.
        seeds: of the study.
        data: network -> `faces` or `photographs`, which decides how many seeds a claim needs.
    """
    shares = ", ".join(f"{100 * level:g} %" for level in LEVELS)
    lines = [
        "# Editors",
        "",
        f"Mean and standard error over {len(seeds)} seeds. Each edit is brought to the same effect inside the region: "
        f"{shares} of the region's squared difference between two images. *leak* is the squared change outside there, "
        "divided by the effect; lower is better. *reached* is the share of an editor's edits that can reach "
        f"{100 * LEVELS[MIDDLE]:g} %. Attributes change by so many of their standard deviations, at that level: those "
        "of the region should, all others should not. *edited quality* is that of edited images there, divided by "
        "that of the same images unedited.",
        "",
    ]
    for (network, region), editors in groups(cells).items():
        header, rows = table(editors, data.get(network, "photographs"))
        lines += [f"## {network}, {region}", "", markdown(header, rows), ""]
        lines += [f"- {name}: {_reason(editors[name])}" for name in editors if _reason(editors[name])]
        lines += [""]
    return "\n".join([*lines, "```", command, "```", ""])


def table(editors: Mapping[str, Cells], data: str) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of one network and region, best editor first."""
    reference = next((name for name in (LINK, BASIS) if name in editors), None)
    columns: list[tuple[str, Callable[[Mapping[str, Any]], float | None]]] = [
        *((f"leak at {100 * share:g} %", _leak(level)) for level, share in enumerate(LEVELS)),
        ("reached", lambda cell: cell["levels"][MIDDLE]["reached"] if "levels" in cell else None),
        ("own attributes", lambda cell: cell.get("owned_change")),
        ("other attributes", lambda cell: cell.get("other_change")),
        ("edited quality", _quality_ratio),
        ("seconds to find", lambda cell: cell.get("seconds_find")),
        ("ms an edit", lambda cell: 1000 * cell["seconds_edit"] if "seconds_edit" in cell else None),
    ]
    shown = [
        (name, figure)
        for name, figure in columns
        if any(figure(cell) is not None for cells in editors.values() for cell in cells)
    ]
    header = ["editor", *(name for name, _ in shown), *([f"leak, against {reference}"] if reference else [])]
    rows = []
    for name in ranked(editors):
        spreads = [Spread.of([figure(cell) for cell in editors[name]]) for _, figure in shown]
        row = [name, *map(_shown, spreads)]
        rows.append([*row, _verdict(editors, name, reference, data)] if reference else row)
    return header, rows


def _shown(spread: Spread | None) -> str:
    """Return mean and standard error with two or three digits; the seeds' noise hides further ones."""
    if spread is None:
        return "-"
    digits = 3 if spread.mean < 0.2 else 2 if spread.mean < 10 else 1
    error = "" if spread.stderr is None else f" ± {spread.stderr:.{digits}f}"
    return f"{spread.mean:.{digits}f}{error}"


def _verdict(editors: Mapping[str, Cells], name: str, reference: str | None, data: str) -> str:
    mine, theirs = (_values(editors[key], _leak(MIDDLE)) for key in (name, reference or name))
    if name == reference or not mine or not theirs:
        return ""
    found = claim(mine, theirs, data="faces" if data == "faces" else "photographs")
    return (
        found.verdict if found.verdict == Claim.SAME or found.ratio is None else f"{found.verdict}, {found.ratio:.2g} x"
    )


def _reason(cells: Cells) -> str:
    failed = [cell["failed"] for cell in cells if "failed" in cell]
    return failed[0] if failed else ""


def _leak(level: int) -> Callable[[Mapping[str, Any]], float | None]:
    """Return a cell's leak at a level, divided by the effect there; None if no edit reaches the level."""

    def figure(cell: Mapping[str, Any]) -> float | None:
        if "levels" not in cell or cell["levels"][level]["leak"] is None:
            return None
        return float(cell["levels"][level]["leak"] / cell["levels"][level]["effect"])

    return figure


def _quality_ratio(cell: Mapping[str, Any]) -> float | None:
    return cell["edited_quality"] / cell["quality"] if cell.get("quality") else None


def _values(cells: Cells, figure: Callable[[Mapping[str, Any]], float | None]) -> list[float]:
    return [value for cell in cells if (value := figure(cell)) is not None]


def _mean(cells: Cells, figure: Callable[[Mapping[str, Any]], float | None]) -> float:
    values = _values(cells, figure)
    return float(np.mean(values)) if values else math.inf


@torch.no_grad()
def sheet(cells: Iterable[tuple[Cell, Mapping[str, Any]]], images: int = 2) -> Pixels:
    """Draw editors below each other: an image, its edits at the levels of effect, and the difference at the middle one.

    A level that the edit does not reach stays white; the outline is that of the region.

    Args:
        cells: cell and figures of each editor, best first.
        images: rows of each editor.
    Returns:
        uint8 [H, W, 3].
    """
    blocks = []
    for cell, figures in cells:
        task, (edit, _) = cell.task, cell.found()
        latents, labels = task.draw(0, images)
        rendering = task.generator.rendering(latents, labels)
        columns, number = [before := rendering.image], _easiest(figures)
        for level in figures["levels"]:
            amount = level["amounts"][number]
            blank = torch.ones_like(before)
            columns.append(blank if amount is None else edit.images(number, amount, latents, labels))
        drawn = [pixels.enlarge(pixels.to_pixels(column), _CELL) for column in columns]
        reached = figures["levels"][MIDDLE]["amounts"][number] is not None
        change = (columns[1 + MIDDLE] - before).abs().mean(dim=1) * reached
        masks = task.mask(rendering, labels).expand(images, -1, -1, -1)[:, 0].cpu().numpy()
        maps = pixels.enlarge(drawing.heat(change), _CELL)
        drawn.append(np.stack([drawing.outline(one, mask, OUTLINE) for one, mask in zip(maps, masks, strict=True)]))
        body = np.concatenate([np.concatenate(list(column), axis=0) for column in drawn], axis=1)
        names = [cell.editor, *(f"{100 * share:g} %" for share in LEVELS), "difference"]
        heads = [drawing.caption(name, drawn[0].shape[2], _NOTE, size=12) for name in names]
        blocks.append(np.concatenate([np.concatenate(heads, axis=1), body]))
    return np.concatenate(blocks)


def _easiest(figures: Mapping[str, Any]) -> int:
    """Return the number of the edit that needs the smallest amount, of those that reach the last level."""
    last, middle = figures["levels"][-1]["amounts"], figures["levels"][MIDDLE]["amounts"]
    return min(range(len(last)), key=lambda number: (last[number] or math.inf, middle[number] or math.inf))
