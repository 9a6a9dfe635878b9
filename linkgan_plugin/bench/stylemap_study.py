"""The pairs of `linkgan bench photographs --stylemap`, stored way by way like the rows of the study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from training_loops.formats.atomic import atomic_file
from training_loops.formats.lock import locked

from ..checksum import file_digest
from ..errors import LinkGANError
from ..images import png
from .inversion_rows import DRAWN
from .photograph_quality import PASTED
from .photographs import PhotographStudy
from .photographs_sheet import pair_sheet
from .stored_rows import store, stored
from .stylemap_pairs import (
    LINKGAN,
    STYLEMAP,
    Blend,
    check_stylemap,
    detailed_transplant,
    link_transplant,
    measure_pairs,
    stylemap_blend,
)


def run_pairs(
    study: PhotographStudy, stylemap: nn.Module, path: Path, out: Path, say: Callable[[str], Any] = print
) -> dict[str, dict[str, Any]]:
    """Measure the ways that `out` does not have yet, and return the figures of all: title -> figures. Writes pairs.png.

    Args:
        study: its photographs, links and encoders.
        stylemap: a network with a stylemap and its encoder.
        path: the file of that network.
        out: folder of the study.
        say: told which way begins.
    Raises:
        LinkGANError: a network that cannot be compared, no links or no encoder, or `out` holds other figures.
        Interrupted: after Ctrl-C.
    """
    check_stylemap(stylemap, study.generator.generator, path)
    names = study.generator.spec.names
    if not names or not study.encoders:
        raise LinkGANError("--stylemap compares links with a StyleMapGAN; it needs a network with links and an encoder")
    ways: dict[str, tuple[str, Blend, str]] = {STYLEMAP: ("stylemap", stylemap_blend(stylemap), file_digest(path))}
    for name, given in study.encoders.items():
        title = f"{LINKGAN} ({name})" if len(study.encoders) > 1 else LINKGAN
        digest = file_digest(given.path)
        ways[title] = (f"links-{name}", link_transplant(study.generator, given.encoder), digest)
        if given.encoder.details is not None:
            detailed = detailed_transplant(study.generator, given.encoder)
            ways[f"{title} with details"] = (f"links-{name}-details", detailed, digest)
    found, drawn = {}, []
    with locked(out):
        for title, (key, blend, digest) in ways.items():
            key, claim = f"pairs-{key}", {**study.claim(DRAWN), "way": digest}
            images = out / "rows" / f"{key}.npz"
            if stored(out, key, claim) is None:
                say(f"{title}: pairs")
                shared = study.generator, study.held_out, study.ruler, study.feather, study.progress
                figures, shown = measure_pairs(blend, *shared)
                with atomic_file(images) as file:
                    np.savez_compressed(file, shown=np.stack(shown))
                store(out, key, claim, figures, study.command)
            found[title] = stored(out, key, claim) or {}
            with np.load(images) as arrays:
                drawn.append((title, list(arrays["shown"])))
    results = [name + suffix for name in names for suffix in ("", PASTED)]
    png.save_png(out / "pairs.png", pair_sheet(study.held_out.images, results, drawn), {"command": study.command})
    return found
