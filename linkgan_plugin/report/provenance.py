"""Provenance: metadata of images and videos with which they can be reproduced."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..links import LinkSpec
from ..metrics.record import versions

LONGEST = 60_000  # bytes of a video's comment: it is passed on a command line, limited to 128 KiB


def provenance(command: str, spec: LinkSpec, **more: Any) -> dict[str, str]:
    """Return text for an image's metadata: the command, the link spec as JSON, versions, and `more`.

    Args:
        more: text, or plain data that is stored as JSON; None is skipped.
    """
    facts = {"command": command, "link_spec": spec.described(), "versions": versions(), **more}
    return {
        name: value if isinstance(value, str) else json.dumps(value, allow_nan=False)
        for name, value in facts.items()
        if value is not None
    }


def as_comment(metadata: Mapping[str, str]) -> str:
    """Return metadata as one JSON object, for files that store a single text.

    If it is too long, files inside the link spec (mask images) are left out.
    """
    text = json.dumps(dict(metadata), allow_nan=False)
    if len(text) <= LONGEST:
        return text
    spec = json.loads(metadata["link_spec"])
    for link in spec["links"]:
        link.pop("files", None)
    return json.dumps({**metadata, "link_spec": json.dumps(spec, allow_nan=False)}, allow_nan=False)
