"""Recognises the source code in pickles that is from public hosts, by its SHA-256. The sources are not shipped.

``known_sources.json`` maps the digest (see `nodes.digest`) of every version of every file with persistent classes, in
the history of the main branches of NVlabs' stylegan2-ada-pytorch, stylegan3 and eg3d, of R3GAN, and of five forks, to
its repository and path.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from .nodes import digest


@dataclass(frozen=True)
class EmbeddedSource:
    """Source code in a pickle, which a host would run.

    Attributes:
        class_name: of an object stored with it.
        sha256: its digest.
        text: the source code.
        origin: repository and path of the same public file, None for unknown code.
    """

    class_name: str
    sha256: str
    text: str
    origin: str | None


def identified(sources: Iterable[tuple[str, str]]) -> list[EmbeddedSource]:
    """Return sources, each once, with their origin.

    Args:
        sources: class name and text.
    """
    found: dict[str, EmbeddedSource] = {}
    for class_name, text in sources:
        sha256 = digest(text)
        if sha256 not in found:
            found[sha256] = EmbeddedSource(class_name, sha256, text, _known().get(sha256))
    return list(found.values())


@cache
def _known() -> dict[str, str]:
    known: dict[str, str] = json.loads(files(__package__).joinpath("known_sources.json").read_text(encoding="utf-8"))
    return known
