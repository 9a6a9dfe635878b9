"""`Projected`: the latents, noise and tuned weights of an inverted photograph; saved to and loaded from a folder."""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from training_loops.formats.atomic import write_bytes
from training_loops.formats.budget import DESCRIPTION

from ..calls.generator import GeneratorCalls
from ..errors import LinkGANError
from ..images.pixels import to_pixels
from ..images.png import save_png
from .latent_files import LATENTS, LATENTS_FILE, latents_from, read_arrays, to_tensor
from .photograph_files import from_pixels, opened, upright

TUNED_FILE, TARGET_FILE, RENDERED_FILE = "tuned.safetensors", "target.png", "proj.png"
_LABEL, _NOISE, _DETAILED = "label", "noise.", "detailed"  # further arrays in the npz, which the hosts' programs ignore


@dataclass(frozen=True)
class Projected:
    """The inversion of one photograph.

    Attributes:
        latents: [1, num_ws, w_dim] float32, in W (all rows equal) or W+.
        label: [1, c_dim] float32, the class or the camera.
        noise: the synthesis network's noise buffers, [R, R] each, by their names in the state dict; {} if unchanged.
        tuned: the entries of the generator's state dict that pivotal tuning changed; {} without tuning.
        photograph: [1, C, H, W] in [-1, 1], at the network's size; None for a file of latents alone.
        detailed: whether it was made with the details of an encoder, which renders of it need.
    """

    latents: Tensor
    label: Tensor
    noise: dict[str, Tensor] = field(default_factory=dict)
    tuned: dict[str, Tensor] = field(default_factory=dict)
    photograph: Tensor | None = None
    detailed: bool = False

    def applied(self, generator: nn.Module) -> nn.Module:
        """Return a copy of `generator` with the noise and the tuned weights, or `generator` itself without either.

        Raises:
            LinkGANError: noise or weights of another network.
        """
        changes = {**self.noise, **self.tuned}
        if not changes:
            return generator
        _check_changes(changes, generator, "the inversion")
        changed = copy.deepcopy(generator)
        changed.load_state_dict(changes, strict=False)
        return changed


def save_projected(
    folder: Path,
    projected: Projected,
    *,
    rendered: Tensor | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write an inversion to a folder, each file atomically.

    Args:
        folder: where to write; created if missing.
        projected: the inversion.
        rendered: [1, C, H, W] in [-1, 1], the generator's image of it, for ``proj.png``.
        metadata: text stored in the images and the tuned weights: command, seed, versions.
    """
    metadata = dict(metadata or {})
    images = {TARGET_FILE: projected.photograph, RENDERED_FILE: rendered}
    for name, image in images.items():
        if image is not None:
            save_png(folder / name, to_pixels(image)[0], metadata)
    save_tuned(folder, projected.tuned, metadata)
    arrays = {LATENTS: projected.latents, _LABEL: projected.label}
    arrays |= {_NOISE + name: tensor for name, tensor in projected.noise.items()}
    arrays |= {_DETAILED: torch.ones([1])} if projected.detailed else {}
    buffer = io.BytesIO()
    np.savez(buffer, **{name: tensor.detach().cpu().numpy() for name, tensor in arrays.items()})  # type: ignore[arg-type]
    write_bytes(folder / LATENTS_FILE, buffer.getvalue())


def load_projected(path: Path, generator: nn.Module, label: Tensor | None = None) -> Projected:
    """Read an inversion; its tensors are on the CPU.

    Args:
        path: a folder written by `save_projected`, or a file of latents alone: a .npz (a host's projected_w.npz or
            another program's, see `latents_from`), a .npy array, or a tensor written by torch.save.
        generator: the network of the inversion; all shapes are compared with it.
        label: [1, c_dim], the class or camera, for files without a label.
    Raises:
        LinkGANError: not an inversion, or one of another network.
    """
    folder = path if path.is_dir() else None
    file = path / LATENTS_FILE if folder else path
    arrays = read_arrays(file, _size_limit(generator))
    latents = latents_from(arrays, latent_shape(generator), file)
    noise = {name.removeprefix(_NOISE): to_tensor(a) for name, a in arrays.items() if name.startswith(_NOISE)}
    _check_changes(noise, generator, str(file))
    found = checked_label(to_tensor(arrays[_LABEL]) if _LABEL in arrays else label, generator, file)
    if folder is None:
        return Projected(latents, found, noise)
    tuned, photograph = load_tuned(folder, generator), _photograph(folder, generator)
    return Projected(latents, found, noise, tuned, photograph, _DETAILED in arrays)


@torch.no_grad()
def latent_shape(generator: nn.Module) -> tuple[int, int]:
    """Return (num_ws, w_dim), measured by mapping one latent; (1, z_dim) of a generator without a mapping network."""
    calls = GeneratorCalls.of(generator)
    device = next(iter(generator.parameters()), torch.zeros([])).device
    z, c = (torch.zeros([1, int(getattr(generator, name, 0))], device=device) for name in ("z_dim", "c_dim"))
    num_ws, w_dim = calls.map(z, c).shape[1:]
    return num_ws, w_dim


def noise_names(generator: nn.Module) -> list[str]:
    """Return the names of a generator's noise buffers, [R, R] each, as the StyleGAN2 family names them."""
    return [name for name, _ in generator.named_buffers() if name.rpartition(".")[2] == "noise_const"]


def _size_limit(generator: nn.Module) -> int:
    """Return how many bytes a file of latents and noise may unpack to: double precision, with room for headers."""
    state = generator.state_dict()
    known = math.prod(latent_shape(generator)) + sum(state[name].numel() for name in noise_names(generator))
    return 8 * known + (1 << 20)


def checked_label(label: Tensor | None, generator: nn.Module, path: Path) -> Tensor:
    """Return the label [1, c_dim] of an inversion for a network: that of its file, or the given one.

    Raises:
        LinkGANError: none for a network that needs one, or another shape.
    """
    c_dim = int(getattr(generator, "c_dim", 0))
    if label is None and c_dim and GeneratorCalls.of(generator).takes_camera:
        raise LinkGANError(
            f"{path} does not name the camera of its photograph; give its label of {c_dim} numbers, or data with "
            "cameras (--data)"
        )
    if label is None and c_dim:
        raise LinkGANError(f"{path} does not name the class of its photograph; give it with --class N")
    label = torch.zeros([1, c_dim]) if label is None else label.detach().to("cpu", torch.float32)
    if label.shape != (1, c_dim):
        raise LinkGANError(f"{path}: a label {list(label.shape)}, this network takes [1, {c_dim}]")
    return label


def save_tuned(folder: Path, tuned: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tuned weights, of the shapes of the generator's, to an inversion's folder; nothing for {}."""
    if tuned:
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tuned.items()}
        write_bytes(folder / TUNED_FILE, safetensors.torch.save(tensors, metadata=dict(metadata)))


def load_tuned(folder: Path, generator: nn.Module) -> dict[str, Tensor]:
    """Read the tuned weights in an inversion's folder, of the shapes of the generator's; {} without any.

    Raises:
        LinkGANError: not readable, or of another network.
    """
    path = folder / TUNED_FILE
    if not path.exists():
        return {}
    try:
        if not path.is_file():
            raise OSError("not a file")
        most = sum(t.numel() * t.element_size() for t in generator.state_dict().values()) + DESCRIPTION.bytes
        if path.stat().st_size > most:
            raise OSError(f"{path.stat().st_size} bytes, more than the whole network")
        tuned = safetensors.torch.load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise LinkGANError(f"{path} is not a readable .safetensors file ({str(error)[:200]})") from error
    _check_changes(tuned, generator, str(path))
    for name, tensor in tuned.items():
        if not bool(tensor.isfinite().all()):
            raise LinkGANError(f"{path}: '{name}' holds numbers that are not finite; invert the photograph again")
    return tuned


def _photograph(folder: Path, generator: nn.Module) -> Tensor | None:
    path = folder / TARGET_FILE
    if not path.exists():
        return None
    with opened(path) as image:
        resolution = int(getattr(generator, "img_resolution", image.height))
        if image.size != (resolution, resolution):
            raise LinkGANError(
                f"the image is {image.width} x {image.height}, this network makes {resolution} x {resolution}"
            )
        return from_pixels(upright(image), int(getattr(generator, "img_channels", 3)))


def _check_changes(changes: Mapping[str, Tensor], generator: nn.Module, place: str) -> None:
    state = generator.state_dict()
    for name, tensor in changes.items():
        if name not in state or state[name].shape != tensor.shape:
            expected = list(state[name].shape) if name in state else "no tensor of that name"
            raise LinkGANError(
                f"{place}: '{name}' is {list(tensor.shape)}, this network has {expected}; is it another network's?"
            )
