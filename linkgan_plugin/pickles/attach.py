"""Writing a copy of a network file with another link spec; all tensors stay the same to the bit."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training_loops.formats.atomic import replacing
from training_loops.formats.kinds import Kind

from .. import sidecar
from ..errors import LinkGANError
from ..network_links import SPEC_ATTRIBUTE
from .convert import KINDS, PICKLES, SNAPSHOT, check_trainable, read_networks, write_networks
from .torch_files import network_kind


def check_target(source: Path, target: Path, host: Path | None) -> None:
    """Check that `attach` can write a file of the kind that the name of `target` says.

    Raises:
        LinkGANError: another suffix, networks that a .pt cannot hold, or a pickle that only the host's code can write.
    """
    suffix = target.suffix.lower()
    if suffix not in KINDS:
        raise LinkGANError(f"{target}: expected a name that ends in {', '.join(KINDS)}")
    if suffix == SNAPSHOT:
        check_trainable(read_networks(source))
    if suffix not in PICKLES or host is not None:
        return
    if network_kind(source) is not Kind.PICKLE:
        raise LinkGANError(
            f"{target}: {source} is no pickle, and only its host's code can make one of it: give --host DIR, or write "
            "a .safetensors or .pt"
        )
    carried = [role for role, node in read_networks(source).networks.items() if node.attributes.get(SPEC_ATTRIBUTE)]
    if carried:
        raise LinkGANError(
            f"{target}: {', '.join(carried)} in {source} carries links, which only its host's code can change in a "
            "pickle: give --host DIR, or write a .safetensors"
        )


def attach(source: Path, target: Path, spec: Mapping[str, Any], host: Path | None = None) -> list[Path]:
    """Write the networks of `source` to `target` with a link spec, and the spec next to it.

    A .pkl without `host` is copied byte for byte: its links are in the .links.json alone. In all other files G and
    G_ema carry them as well.

    Args:
        source: any network file.
        target: a name that ends in .safetensors, .pt or .pkl.
        spec: as ``LinkSpec.to_json()`` gives it.
        host: to write a pickle anew, the folder with the train.py that is to open it; its code runs.
    Returns:
        The files written.
    Raises:
        LinkGANError: as `check_target`, and as `convert.convert`.
    """
    check_target(source, target, host)
    if target.suffix.lower() in PICKLES and host is None:
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)
    else:
        snapshot = read_networks(source)
        for role in ("G", "G_ema"):
            if role in snapshot.networks:
                snapshot.networks[role].put(SPEC_ATTRIBUTE, dict(spec))
        write_networks(target, snapshot, source, host)
    return [target, sidecar.write_spec(target, spec)]
