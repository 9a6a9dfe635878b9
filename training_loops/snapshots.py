"""Network snapshots: tensors and JSON data in one file that can be opened safely."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training_loops import util
from training_loops.errors import InputError
from training_loops.formats.atomic import atomic_file
from training_loops.formats.json_text import fields_of, parse_json, parse_object
from training_loops.formats.pickles.archive import read_archive, with_tensors
from training_loops.formats.sizes import check_sizes
from training_loops.settings import set_settings, settings_of
from training_loops.shapes import shapes_only

FORMAT = "training_loops.snapshot"
VERSION = 1
ROLES = ("G", "D", "G_ema")
HALVES = (torch.float16, torch.bfloat16)

# The only classes that a file may name; the rest of the file is data.
CLASSES = {
    "training_loops.stylegan2.networks.Generator",
    "training_loops.stylegan2.networks.Discriminator",
    "training_loops.stylemap.networks.Generator",
    "training_loops.eg3d.networks.TriPlaneGenerator",
    "training_loops.eg3d.networks.VolumeGenerator",
    "training_loops.eg3d.networks.DualDiscriminator",
    "training_loops.eg3d.networks.SingleDiscriminator",
    "training_loops.families.vae.VAEGenerator",
    "training_loops.families.dcgan.DCGANGenerator",
    "training_loops.families.dcgan.DCGANDiscriminator",
    "training_loops.families.glo.GLOGenerator",
    "training_loops.families.r3gan.R3Generator",
    "training_loops.families.r3gan.R3Discriminator",
    "training_loops.families.lapgan.LAPGANGenerator",
    "training_loops.families.lapgan.LAPGANDiscriminator",
    "training_loops.families.msg_gan.MSGGANGenerator",
    "training_loops.families.msg_gan.MSGGANDiscriminator",
    "training_loops.families.progan.ProGANGenerator",
    "training_loops.families.progan.ProGANDiscriminator",
}


class SnapshotError(InputError):
    """A file that is not a snapshot of these loops, or incomplete; the message names the file and the reason."""


@dataclass
class Snapshot:
    """Networks in eval mode without gradients, and their training options; D is None for losses without one."""

    G: Any
    D: Any | None
    G_ema: Any
    training_options: dict[str, Any]
    cur_nimg: int
    link_spec: dict[str, Any] | None


def save_snapshot(
    path: str | os.PathLike[str],
    *,
    G: Any,
    D: Any,
    G_ema: Any,
    training_options: dict[str, Any],
    cur_nimg: int,
    link_spec: dict[str, Any] | None,
) -> None:
    """Write the networks, of which D may be None, and their description atomically, as tensors and JSON only."""
    data = {
        "format": FORMAT,
        "version": VERSION,
        "networks": {role: None if net is None else _pack(net) for role, net in zip(ROLES, (G, D, G_ema), strict=True)},
        "training_options": json.dumps(training_options, allow_nan=False),
        "cur_nimg": int(cur_nimg),
        "link_spec": json.dumps(link_spec, allow_nan=False),
    }
    with atomic_file(path) as file:
        torch.save(data, file)


def load_snapshot(path: str | os.PathLike[str], device: torch.device | str = "cpu") -> Snapshot:
    """Open a snapshot without running any code from it.

    Raises SnapshotError for a missing, truncated, foreign or damaged file, and for one that names a class
    outside `CLASSES` or whose tensors do not match the networks it describes.
    """
    data = load_tensors(path, FORMAT, VERSION)
    try:
        kinds = {**dict.fromkeys(ROLES, dict), "D": dict | None}
        packed = fields_of(data["networks"], "networks", kinds, extra=True)
        nets: dict[str, Any] = {role: None if packed[role] is None else _unpack(packed[role]) for role in ROLES}
        link_spec = parse_json(data["link_spec"], "link_spec")
        options = parse_object(data["training_options"], "training_options")
        cur_nimg = int(data["cur_nimg"])
        if not isinstance(link_spec, dict | None):
            raise SnapshotError("link_spec is not a dict")
        fields_of(options, "training_options", {}, {"training_set_kwargs": dict | None}, extra=True)
    except Exception as error:
        raise SnapshotError(f"{path}: damaged snapshot ({_reason(error)})") from error
    for role in ("G", "G_ema"):
        if link_spec is not None:
            nets[role].link_spec = copy.deepcopy(link_spec)
    nets = {role: None if net is None else net.to(device) for role, net in nets.items()}
    return Snapshot(**nets, training_options=options, cur_nimg=cur_nimg, link_spec=link_spec)


def load_tensors(path: str | os.PathLike[str], file_format: str, version: int) -> dict[str, Any]:
    """Read a dict of tensors and plain data written by torch.save, and check its format and version.

    No code from it is run, and memory is bounded by the size of the file (see `formats.pickles.archive`).

    Raises:
        SnapshotError: the file is missing, unreadable, or has another format or version.
    """
    if not Path(path).is_file():
        raise SnapshotError(f"{path}: no such file")
    try:
        data = with_tensors(read_archive(Path(path)))
    except InputError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise SnapshotError(f"{path}: not a readable {file_format} file ({reason})") from error
    found = data.get("format") if isinstance(data, dict) else None
    if found != file_format:
        raise SnapshotError(f"{path}: format {found!r:.80}, expected {file_format!r}")
    if data.get("version") != version:
        raise SnapshotError(f"{path}: version {data.get('version')!r:.80}, this program reads {version}")
    return data


def _pack(net: Any) -> dict[str, Any]:
    name = f"{type(net).__module__}.{type(net).__qualname__}"
    public = next((c for c in CLASSES if util.get_object_by_name(c) is type(net)), None)
    if public is None:
        raise SnapshotError(f"cannot save a {name}: snapshots hold {', '.join(sorted(CLASSES))}")
    # clone: a view would store its whole storage in the file.
    state = {key: value.detach().cpu().contiguous().clone() for key, value in net.state_dict().items()}
    packed = {"class_name": public, "init_kwargs": json.dumps(net.init_kwargs, allow_nan=False), "state": state}
    settings = settings_of(net)
    return {**packed, "settings": json.dumps(settings, allow_nan=False)} if settings else packed


def _unpack(packed: dict[str, Any]) -> Any:
    if packed["class_name"] not in CLASSES:
        raise SnapshotError(f"class {packed['class_name']!r} is not allowed")
    state = packed["state"]
    if not all(isinstance(t, torch.Tensor) and t.is_contiguous() for t in state.values()):
        raise SnapshotError("a tensor larger than its data")
    kwargs = parse_object(packed["init_kwargs"], "init_kwargs")
    check_sizes(kwargs)
    # On the meta device the network costs no memory, whatever sizes the file claims.
    with shapes_only():
        net = util.construct_class_by_name(class_name=packed["class_name"], **kwargs)
    state = _widened(state, net.state_dict())
    check_state(net, state)
    net.load_state_dict(state, assign=True)
    set_settings(net, parse_object(packed.get("settings", "{}"), "settings"))
    return net.eval().requires_grad_(False)


def _widened(state: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the state with half precision converted to single where the network has single: such files are smaller."""

    def is_halved(name: str, tensor: torch.Tensor) -> bool:
        return tensor.dtype in HALVES and name in expected and expected[name].dtype == torch.float32

    return {name: tensor.float() if is_halved(name, tensor) else tensor for name, tensor in state.items()}


def check_state(net: torch.nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Raise SnapshotError listing every name, shape and dtype in `state` that does not match `net`."""
    expected = {key: (tuple(t.shape), t.dtype) for key, t in net.state_dict().items()}
    given = {key: (tuple(t.shape), t.dtype) for key, t in state.items()}
    problems = [f"{key} is missing" for key in expected if key not in given]
    problems += [f"{key} is unexpected" for key in given if key not in expected]
    problems += [
        f"{key} is {_describe(given[key])}, expected {_describe(expected[key])}"
        for key in expected
        if key in given and given[key] != expected[key]
    ]
    if problems:
        shown = "; ".join(problems[:20]) + (f"; and {len(problems) - 20} more" if len(problems) > 20 else "")
        raise SnapshotError(f"{type(net).__name__}: {shown}")


def _describe(shape_and_dtype: tuple[tuple[int, ...], torch.dtype]) -> str:
    shape, dtype = shape_and_dtype
    return f"{str(dtype).removeprefix('torch.')} {list(shape)}"


def _reason(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
