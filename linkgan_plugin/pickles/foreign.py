"""Recognises files of torch.save from other projects and tells how to open or convert them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from training_loops.formats.pickles.stored import StoredTensor
from training_loops.formats.pickles.values import Ordered

_PROJECTION = "give them to `linkgan edit --projection FILE`"
_HOST = (
    "a state dict does not contain the arguments of its network: use the original .pkl, or write one in the host's "
    "code, pickle.dump({'G_ema': G}, file)"
)
# Known layouts: the end of a tensor name, and a description.
_LAYOUTS = (
    (
        "synthesis.b4.conv1.affine.weight",
        f"only the weights of a StyleGAN2 of stylegan2-ada-pytorch; {_HOST}",
    ),
    ("synthesis.input.freqs", f"only the weights of a StyleGAN3; {_HOST}"),
    (
        "to_rgb1.conv.modulation.weight",
        "StyleGAN2 in rosinality's layout; if other content of the file causes the error, save only the weights with "
        "the code that wrote it, torch.save({'g_ema': data['g_ema']}, file)",
    ),
    (
        "style_convs.0.modulated_conv.weight",
        "StyleGAN2 in the layout of BasicSR, GFPGAN or MMGeneration, which is not supported; use the weights in "
        "rosinality's layout or the original .pkl of the host",
    ),
    (
        "generator.convs.0.weight_orig",
        "weights of a network other than StyleGAN, which is not supported",
    ),
)


def recognised(data: Any) -> str | None:
    """Return a description of a file's content and how to use it, None if it is not recognised.

    Args:
        data: the content of the file, with tensors as `StoredTensor` and unknown objects as empty dicts.
    """
    if isinstance(data, StoredTensor):
        return f"one tensor {list(data.shape)}; latents of a projection? {_PROJECTION}"
    if type(data) not in (dict, Ordered):
        return None
    return next((what for test, what in _RULES if test(data)), None) or _layout(data) or _leftover(data)


def _has(*names: str) -> Callable[[Mapping[Any, Any]], bool]:
    return lambda data: all(name in data for name in names)


def _starts(*starts: str) -> Callable[[Mapping[Any, Any]], bool]:
    return lambda data: any(type(name) is str and name.startswith(starts) for name in data)


def _is_lucidrains(data: Mapping[Any, Any]) -> bool:
    networks = data.get("GAN", data)
    return isinstance(networks, dict) and _starts("GE.")(networks) and _starts("SE.")(networks)


def _is_encoder(data: Mapping[Any, Any]) -> bool:
    state = data.get("state_dict")
    return isinstance(state, dict) and _starts("encoder.")(state) and _starts("decoder.")(state)


def _is_discriminator(data: Mapping[Any, Any]) -> bool:
    return "d" in data and not {"g", "g_ema"} & data.keys()


_RULES: tuple[tuple[Callable[[Mapping[Any, Any]], bool], str], ...] = (
    (
        lambda data: str(data.get("format")).startswith(("training_loops.", "linkgan_plugin.")),
        "the training state of a run of this program, not its networks; use network-snapshot-*.pt in the same folder",
    ),
    (
        _is_lucidrains,
        "a checkpoint of stylegan2_pytorch by lucidrains, whose networks have other layers than StyleGAN2; it cannot "
        "be converted: train or download a StyleGAN2 of a host, or one in rosinality's layout",
    ),
    (
        _has("pytorch-lightning_version"),
        "a checkpoint of PyTorch Lightning; in its code, load it and save the generator, "
        "torch.save({'g_ema': generator.state_dict()}, file) for rosinality's layout",
    ),
    (
        _is_encoder,
        "a checkpoint of an encoder (e4e, pSp, ReStyle, HyperStyle) whose decoder is not in rosinality's layout; use "
        "the StyleGAN that it was trained with",
    ),
    (_is_discriminator, "only a discriminator (d, of rosinality's stylegan2-pytorch); expected g_ema or g too"),
    (_has("state", "param_groups"), "the state of an optimizer, not a network"),
    (_has("latent_in"), f"latents; {_PROJECTION}"),
)
_LATENTS = ("w", "ws", "latent", "latents", "w_pivot")


def _layout(data: Mapping[Any, Any]) -> str | None:
    names = list(_names(data, 3))
    return next((what for end, what in _LAYOUTS if any(name.endswith(end) for name in names)), None)


def _names(data: Mapping[Any, Any], depth: int) -> Iterator[str]:
    """Yield the names in a dict and in nested dicts."""
    for name, value in data.items():
        if type(name) is str:
            yield name
        if depth and type(value) in (dict, Ordered):
            yield from _names(value, depth - 1)


def _leftover(data: Mapping[Any, Any]) -> str | None:
    """Describe any other dict: latents, weights or other content."""
    values = list(data.values())
    if values and all(isinstance(value, StoredTensor) for value in values):
        if any(name in data for name in _LATENTS):
            return f"latents; {_PROJECTION}"
        return f"weights of an unknown network ({len(values)} tensors: {_shown(data)})"
    if any(type(value) is dict and isinstance(value.get("latent"), StoredTensor) for value in values):
        return f"latents of projections; {_PROJECTION}"
    return f"a dict with {_shown(data)}" if data else None


def _shown(data: Mapping[Any, Any]) -> str:
    names = [str(name)[:60] for name in data]
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
