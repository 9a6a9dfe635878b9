"""Which segmentation networks the user has named in this command, and which files they trust PyTorch's loader with.

A link spec in a file says what its network is called; where it lies is for the user to say, by typing a link or by
``--segmenter NAME=FILE``. What was named lives in an environment variable that this module alone writes, so that the
processes which a host starts know it too.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import LinkGANError

VARIABLE = "LINKGAN_NAMED_NETWORKS"


def name(source: str, path: Path | str) -> None:
    """Let links that call their network `source` use the file or folder at `path`."""
    known = to_json()
    known["networks"][source] = str(Path(path).absolute())
    _keep(known)


def trust(path: Path | str) -> None:
    """Let PyTorch's own loader open a TorchScript or torch.export file: its code runs with the user's rights."""
    known = to_json()
    known["trusted"] = sorted({*known["trusted"], str(Path(path).resolve())})
    _keep(known)


def path_of(source: str) -> Path | None:
    """Return what the user named under exactly that source, else under the last component of its path."""
    networks = to_json()["networks"]
    path = networks.get(source) or networks.get(last_component(source))
    return None if path is None else Path(path)


def last_component(source: str) -> str:
    """Return the last component of a path that may have been written on another system."""
    return re.split(r"[\\/]", source.rstrip("\\/"))[-1]


def is_trusted(path: Path) -> bool:
    """Return whether the user has said that this very file may be given to PyTorch's loader."""
    return str(path.resolve()) in to_json()["trusted"]


def check_trusted(path: Path, otherwise: str) -> None:
    """Refuse a file that PyTorch's loader would run code of.

    Args:
        otherwise: another way out.
    Raises:
        LinkGANError: the user has not said that they trust it.
    """
    if not is_trusted(path):
        raise LinkGANError(
            f"{path} is TorchScript or torch.export, whose loader runs code in the file with your rights, so it is not "
            f"opened; {otherwise}, or, if you trust whoever made it, add --trust-network {path}"
        )


def to_json() -> dict[str, Any]:
    """Return all of it as plain data: networks (source -> path) and trusted (paths)."""
    text = os.environ.get(VARIABLE)
    known: dict[str, Any] = json.loads(text) if text else {"networks": {}, "trusted": []}
    return known


def chosen(sources: Iterable[str]) -> dict[str, Any]:
    """Return, as `to_json` has it, what is known of some sources; {} where nothing is."""
    known = to_json()
    networks = {source: str(path) for source in sources if (path := path_of(source)) is not None}
    resolved = {str(Path(path).resolve()) for path in networks.values()}
    return {"networks": networks, "trusted": sorted(resolved.intersection(known["trusted"]))} if networks else {}


def arguments() -> list[str]:
    """Return the options that tell another command the same."""
    known = to_json()
    named = [part for source, path in known["networks"].items() for part in ("--segmenter", f"{source}={path}")]
    return [*named, *(part for path in known["trusted"] for part in ("--trust-network", path))]


def add(data: Mapping[str, Any]) -> None:
    """Add what `chosen` returned for this very run, by the user's own command; what was named since then stays."""
    known = to_json()
    networks = {**data["networks"], **known["networks"]}
    _keep({"networks": networks, "trusted": sorted({*known["trusted"], *data["trusted"]})})


def forget() -> None:
    """Forget everything: another command begins."""
    os.environ.pop(VARIABLE, None)


def _keep(known: Mapping[str, Any]) -> None:
    os.environ[VARIABLE] = json.dumps(known)
