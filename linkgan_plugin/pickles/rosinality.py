"""Converts StyleGAN2 in the layout of rosinality's stylegan2-pytorch, also used by e4e, pSp and ReStyle.

Its modulated convolutions, filters and gains are those of StyleGAN2, so every tensor keeps its values and only its name
and shape change; layers are numbered over all resolutions instead of within each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from training_loops.formats.pickles.source import PickleError
from training_loops.formats.pickles.stored import HeldTensor, StoredTensor
from training_loops.formats.sizes import check_sizes
from training_loops.shapes import shapes_only
from training_loops.stylegan2.networks import Generator

from .fitting import first_line
from .nodes import Node
from .own import node_of

State = Mapping[str, StoredTensor]

_MARKS = ("input.input", "conv1.conv.modulation.weight", "style.1.weight", "to_rgb1.conv.weight")
_FILTER = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64
_DRAWS, _SEED = 10_000, 0
_MOST_BLOCKS = 11
_SHOWN = 5


def prefixes(names: Mapping[str, Any]) -> list[str]:
    """Return the prefixes of the layout's names in a state dict, such as '', 'module.' or 'decoder.', once each."""
    ends = [name.removesuffix(_MARKS[0]) for name in names if type(name) is str and name.endswith(_MARKS[0])]
    return [start for start in ends if all(start + mark in names for mark in _MARKS)]


def generator(state: State, average: StoredTensor | None = None) -> tuple[Node, list[str]]:
    """Return the generator that a state dict describes, and notes for the user.

    Args:
        state: the layout's names -> tensors.
        average: latent_avg, [w_dim] or one row for every layer.
    Raises:
        PickleError: sizes, filters or names that StyleGAN2 does not have; names them.
    """
    kwargs = _arguments(state)
    try:
        check_sizes(kwargs)
        with shapes_only():  # shapes only
            network = Generator(**kwargs)
    except (ValueError, ArithmeticError, RuntimeError) as error:  # invalid shapes can raise various errors
        reason = first_line(error)
        raise PickleError(f"StyleGAN2 in rosinality's layout with an unsupported size ({reason})") from error
    _check_filters(state)
    node, notes = node_of(network), []
    wanted = network.state_dict()
    used = {name for name in state if name.endswith((".kernel", ".blur.kernel"))}
    for path, module in node.tree():
        for name in (*module.parameters, *module.buffers):
            full = f"{path}.{name}" if path else name
            if name == "resample_filter":
                _put(module, name, HeldTensor(_FILTER))
            elif full != "mapping.w_avg":
                theirs = _theirs(full, state)
                if theirs is None and name == "noise_const":
                    _put(module, name, _Drawn(tuple(wanted[full].shape)))
                elif theirs is None:
                    raise PickleError(f"StyleGAN2 in rosinality's layout without {full} ({_their_names(full)[0]})")
                else:
                    used.add(theirs)
                    _put(module, name, _Reshaped(state[theirs], tuple(wanted[full].shape), theirs))
    unknown = sorted(set(state) - used)
    if unknown:
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        raise PickleError(
            f"a fork of StyleGAN2 in rosinality's layout with additional tensors: {', '.join(unknown[:_SHOWN])}{more}"
        )
    if any(isinstance(t, _Drawn) for t in node.tensors().values()):
        notes.append(f"the file has no noise; noise was drawn with seed {_SEED}")
    mapping = dict(node.modules())["mapping"]
    if average is None:
        _put(mapping, "w_avg", _Average(mapping, kwargs))
        notes.append(f"the file has no latent_avg; w_avg is the mean w of {_DRAWS:,} latents drawn with seed {_SEED}")
    else:
        _put(mapping, "w_avg", _Mean(average, kwargs["w_dim"]))
    return node, notes


def _arguments(state: State) -> dict[str, Any]:
    """Return the arguments of the Generator whose tensors have these shapes."""
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    blocks = _count(r"to_rgbs\.(\d+)\.conv\.weight", shapes)
    layers = _count(r"style\.(\d+)\.weight", shapes)
    if blocks > _MOST_BLOCKS:
        raise PickleError(f"StyleGAN2 in rosinality's layout of {blocks + 1} resolutions, expected 9 for 1024 pixels")
    try:
        channels = {4: shapes["input.input"][1]}
        channels |= {8 << k: shapes[f"convs.{2 * k + 1}.conv.weight"][1] for k in range(blocks)}
        w_dim, z_dim = shapes[f"style.{layers}.weight"][0], shapes["style.1.weight"][1]
        colours = shapes["to_rgb1.conv.weight"][1]
    except (KeyError, IndexError) as error:
        raise PickleError(f"incomplete StyleGAN2 in rosinality's layout ({error})") from error
    widest = max(channels.values())
    base = next((n * r for r, n in channels.items() if _table(n * r, widest, channels) == channels), None)
    if base is None:
        found = ", ".join(f"{n} at {r}" for r, n in channels.items())
        raise PickleError(f"StyleGAN2 whose channels are not halved from resolution to resolution ({found})")
    return {
        "z_dim": z_dim,
        "c_dim": 0,
        "w_dim": w_dim,
        "img_resolution": 4 << blocks,
        "img_channels": colours,
        "channel_base": base,
        "channel_max": widest,
        "num_fp16_res": 0,
        "conv_clamp": None,
        "mapping_kwargs": {"num_layers": layers},
    }


def _table(base: int, widest: int, like: Mapping[int, int]) -> dict[int, int]:
    return {resolution: min(base // resolution, widest) for resolution in like}


def _count(pattern: str, names: Mapping[str, Any]) -> int:
    return sum(re.fullmatch(pattern, name) is not None for name in names)


def _theirs(name: str, state: State) -> str | None:
    return next((theirs for theirs in _their_names(name) if theirs in state), None)


def _their_names(name: str) -> list[str]:
    """Return the possible names in the layout of one of this program's tensors."""
    *path, layer, part = name.split(".")
    if path[:1] == ["mapping"]:
        return [f"style.{int(layer.removeprefix('fc')) + 1}.{part}"]
    if layer == "affine":
        *path, layer = path
        part = f"conv.modulation.{part}"
    if part == "const":
        return ["input.input"]
    number = (int(path[1].removeprefix("b")) // 4).bit_length() - 2  # -1 for 4 pixels, 0 for 8, ...
    if layer == "torgb":
        theirs = "to_rgb1" if number < 0 else f"to_rgbs.{number}"
        return [f"{theirs}.conv.weight" if part == "weight" else f"{theirs}.{part}"]
    index = 2 * number + int(layer == "conv1")
    if part == "noise_const":
        return [f"noises.noise_{index + 1}"]
    theirs = "conv1" if number < 0 else f"convs.{index}"
    renamed = {"weight": ["conv.weight"], "bias": ["activate.bias", "bias"], "noise_strength": ["noise.weight"]}
    return [f"{theirs}.{name}" for name in renamed.get(part, [part])]


def _check_filters(state: State) -> None:
    for name, tensor in state.items():
        if name.endswith(".kernel"):
            kernel = tensor.read({}).float() if tuple(tensor.shape) == (4, 4) else None
            if kernel is None or not bool(torch.allclose(kernel, 4 * _FILTER, rtol=1e-2)):
                raise PickleError(f"{name} is not the filter [1, 3, 3, 1] of StyleGAN2")


def _put(module: Node, name: str, tensor: StoredTensor) -> None:
    kind = "_parameters" if name in module.parameters else "_buffers"
    module.state[kind][name] = tensor


class _Reshaped(StoredTensor):
    """A tensor of the file without the additional axes of size 1."""

    def __init__(self, stored: StoredTensor, shape: tuple[int, ...], name: str) -> None:
        if [n for n in stored.shape if n != 1] != [n for n in shape if n != 1]:
            raise PickleError(f"{name} is {list(stored.shape)}, expected the numbers of {list(shape)}")
        self.shape, self.dtype, self._stored = shape, stored.dtype, stored

    @property
    def place(self) -> tuple[object, int]:
        """The tensor of the file."""
        return self._stored.place

    def read(self, rows: dict[object, Tensor]) -> Tensor:
        """Return it in this program's shape."""
        return self._stored.read(rows).reshape(self.shape)


class _Made(StoredTensor):
    """A tensor in single precision that is computed on demand."""

    dtype = torch.float32

    @property
    def place(self) -> tuple[object, int]:
        """The tensor itself."""
        return id(self), self.nbytes


class _Drawn(_Made):
    """Noise for a file that has none."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def read(self, rows: dict[object, Tensor]) -> Tensor:
        """Draw it."""
        return torch.randn(self.shape, generator=torch.Generator().manual_seed(_SEED))


class _Mean(_Made):
    """latent_avg, [w_dim] or one row for every layer, which are averaged."""

    def __init__(self, stored: StoredTensor, w_dim: int) -> None:
        if tuple(stored.shape[-1:]) != (w_dim,):
            raise PickleError(f"latent_avg is {list(stored.shape)}, expected [{w_dim}] or that for every layer")
        self.shape, self._stored = (w_dim,), stored

    def read(self, rows: dict[object, Tensor]) -> Tensor:
        """Read it."""
        return self._stored.read(rows).float().reshape(-1, *self.shape).mean(dim=0)


class _Average(_Made):
    """The mean of w over random latents: E[f(z)], z ~ N(0, I)."""

    def __init__(self, mapping: Node, kwargs: dict[str, Any]) -> None:
        self.shape, self._mapping, self._kwargs = (kwargs["w_dim"],), mapping, kwargs

    def read(self, rows: dict[object, Tensor]) -> Tensor:
        """Compute the mean."""
        with shapes_only():
            network: nn.Module = Generator.mapping_class(
                z_dim=self._kwargs["z_dim"], c_dim=0, w_dim=self.shape[0], num_ws=None, **self._kwargs["mapping_kwargs"]
            )
        tensors = {name: t.read({}).float() for name, t in self._mapping.tensors().items() if name != "w_avg"}
        network.load_state_dict(tensors, assign=True)
        z = torch.randn([_DRAWS, self._kwargs["z_dim"]], generator=torch.Generator().manual_seed(_SEED))
        with torch.no_grad():
            mean: Tensor = network(z, None).mean(dim=0)
        return mean
