"""The segmentation networks that the user has named in this command, and the files trusted for PyTorch's loader.

A link spec in a file contains only the name of its network; the user gives the path, by a link on the command line or
by ``--segmenter NAME=FILE``. The names are stored in an environment variable that only this module writes, so that
processes started by a host have them too.
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
    """Use the file or folder at `path` for links that refer to their network as `source`."""
    known = to_json()
    known["networks"][source] = str(Path(path).absolute())
    _keep(known)


def trust(path: Path | str) -> None:
    """Allow PyTorch's loader to open a TorchScript or torch.export file: its code runs with the user's rights."""
    known = to_json()
    known["trusted"] = sorted({*known["trusted"], str(Path(path).resolve())})
    _keep(known)


def path_of(source: str) -> Path | None:
    """Return the path that the user gave for exactly that source, else for the last component of its path."""
    networks = to_json()["networks"]
    path = networks.get(source) or networks.get(last_component(source))
    return None if path is None else Path(path)


def last_component(source: str) -> str:
    """Return the last component of a path that may have been written on another system."""
    return re.split(r"[\\/]", source.rstrip("\\/"))[-1]


def is_trusted(path: Path) -> bool:
    """Return whether the user has allowed PyTorch's loader to open this file."""
    return str(path.resolve()) in to_json()["trusted"]


def check_trusted(path: Path, otherwise: str) -> None:
    """Check that the user trusts a file whose code PyTorch's loader would run.

    Args:
        otherwise: an alternative, for the message.
    Raises:
        LinkGANError: the user has not marked it as trusted.
    """
    if not is_trusted(path):
        raise LinkGANError(
            f"{path} is TorchScript or torch.export, whose loader runs code in the file with your rights, so it is not "
            f"opened; {otherwise}, or, if you trust its author, add --trust-network {path}"
        )


def to_json() -> dict[str, Any]:
    """Return everything as plain data: networks (source -> path) and trusted (paths)."""
    text = os.environ.get(VARIABLE)
    known: dict[str, Any] = json.loads(text) if text else {"networks": {}, "trusted": []}
    return known


def chosen(sources: Iterable[str]) -> dict[str, Any]:
    """Return the entries of `to_json` for some sources; {} where there are none."""
    known = to_json()
    networks = {source: str(path) for source in sources if (path := path_of(source)) is not None}
    resolved = {str(Path(path).resolve()) for path in networks.values()}
    return {"networks": networks, "trusted": sorted(resolved.intersection(known["trusted"]))} if networks else {}


def arguments() -> list[str]:
    """Return the command-line options that pass the same names to another command."""
    known = to_json()
    named = [part for source, path in known["networks"].items() for part in ("--segmenter", f"{source}={path}")]
    return [*named, *(part for path in known["trusted"] for part in ("--trust-network", path))]


def add(data: Mapping[str, Any]) -> None:
    """Add a result of `chosen` from the command of this run; names given since then take precedence."""
    known = to_json()
    networks = {**data["networks"], **known["networks"]}
    _keep({"networks": networks, "trusted": sorted({*known["trusted"], *data["trusted"]})})


def forget() -> None:
    """Forget everything, at the start of another command."""
    os.environ.pop(VARIABLE, None)


def _keep(known: Mapping[str, Any]) -> None:
    os.environ[VARIABLE] = json.dumps(known)
