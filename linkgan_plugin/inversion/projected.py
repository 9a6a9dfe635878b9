"""A photograph found in a generator, and the files that keep it: the hosts' projected_w.npz and what lies beside it."""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from PIL import Image, ImageOps
from safetensors import SafetensorError
from torch import Tensor, nn

from training_loops.formats.atomic import write_bytes
from training_loops.formats.budget import DESCRIPTION, PHOTOGRAPH_FILE, PHOTOGRAPH_PIXELS
from training_loops.formats.files import read_file
from training_loops.formats.gzips import first_bytes
from training_loops.formats.images import BROKEN_IMAGE, FORMATS, opened_image
from training_loops.formats.kinds import Kind, kind_of, looks_like
from training_loops.formats.text import printable
from training_loops.formats.zips import open_zip, read_entry

from ..calls.generator import GeneratorCalls
from ..errors import LinkGANError
from ..images.pixels import check_channels, to_pixels
from ..images.png import save_png
from .torch_latents import is_torch, read_latents

LATENTS_FILE, TUNED_FILE = "projected_w.npz", "tuned.safetensors"
TARGET_FILE, RENDERED_FILE = "target.png", "proj.png"
# Names of arrays in the npz; the hosts' programs read the first and pass over the others.
_LATENTS, _LABEL, _NOISE = "w", "label", "noise."
LATENT_NAMES = ("w", "ws", "latent", "latents", "arr_0")  # what programs call the latents
_Array = npt.NDArray[np.generic]
_PHOTOGRAPHS = (*FORMATS, "TIFF")  # 16 bits of grey, from scanners
_LARGEST = float(np.finfo(np.float32).max)
BROKEN_PICTURE = BROKEN_IMAGE


@dataclass(frozen=True)
class Projected:
    """A photograph found in a generator.

    Attributes:
        latents: [1, num_ws, w_dim] float32, W (all rows equal) or W+.
        label: [1, c_dim] float32, the class or the camera.
        noise: the synthesis network's noise buffers by their names in the state dict, {} where they were left alone.
        tuned: the entries of the generator's state dict that pivotal tuning changed, {} without it.
        photograph: [1, C, H, W] in [-1, 1], as the network sees it; None where only a host's file is left.
    """

    latents: Tensor
    label: Tensor
    noise: dict[str, Tensor] = field(default_factory=dict)
    tuned: dict[str, Tensor] = field(default_factory=dict)
    photograph: Tensor | None = None

    def applied(self, generator: nn.Module) -> nn.Module:
        """Return a copy of `generator` with the noise and the tuned weights, or itself where there are neither.

        Raises:
            LinkGANError: they are not of this network.
        """
        changes = {**self.noise, **self.tuned}
        if not changes:
            return generator
        _check_changes(changes, generator, "the projection")
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
    """Write a projection to a folder, each file atomically.

    Args:
        folder: where to; made when missing.
        rendered: [1, C, H, W] in [-1, 1], what the generator makes of it, for ``proj.png``.
        metadata: text for the images and the tuned weights: command, seed, versions.
    """
    metadata = dict(metadata or {})
    images = {TARGET_FILE: projected.photograph, RENDERED_FILE: rendered}
    for name, image in images.items():
        if image is not None:
            save_png(folder / name, to_pixels(image)[0], metadata)
    if projected.tuned:
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in projected.tuned.items()}
        write_bytes(folder / TUNED_FILE, safetensors.torch.save(tensors, metadata=metadata))
    arrays = {_LATENTS: projected.latents, _LABEL: projected.label}
    arrays |= {_NOISE + name: tensor for name, tensor in projected.noise.items()}
    buffer = io.BytesIO()
    np.savez(buffer, **{name: tensor.detach().cpu().numpy() for name, tensor in arrays.items()})  # type: ignore[arg-type]
    write_bytes(folder / LATENTS_FILE, buffer.getvalue())


def load_projected(path: Path, generator: nn.Module, label: Tensor | None = None) -> Projected:
    """Read a projection, on the CPU.

    Args:
        path: a folder that `save_projected` wrote, or a projected_w.npz, also one of a host or of another program
            (latents alone; see `latents_from`), or their array as .npy, or their tensor as torch.save writes it.
        generator: the network it was projected with; everything is compared with it.
        label: [1, c_dim], the class or camera, for files that hold none.
    Raises:
        LinkGANError: no projection, or one of another network.
    """
    folder = path if path.is_dir() else None
    file = path / LATENTS_FILE if folder else path
    arrays = _read_arrays(file, generator)
    latents = latents_from(arrays, latent_shape(generator), file)
    noise = {name.removeprefix(_NOISE): _tensor(a) for name, a in arrays.items() if name.startswith(_NOISE)}
    _check_changes(noise, generator, str(file))
    found = _label(_tensor(arrays[_LABEL]) if _LABEL in arrays else label, generator, file)
    if folder is None:
        return Projected(latents, found, noise)
    return Projected(latents, found, noise, _tuned(folder, generator), _photograph(folder, generator))


@torch.no_grad()
def latent_shape(generator: nn.Module) -> tuple[int, int]:
    """Return (num_ws, w_dim), found by mapping one latent.

    Raises:
        LinkGANError: a generator without an intermediate latent space.
    """
    calls = GeneratorCalls.of(generator)
    if not calls.has_w:
        raise LinkGANError(f"{type(generator).__name__} has no mapping network; projection needs one, and its space W")
    device = next(iter(generator.parameters()), torch.zeros([])).device
    z, c = (torch.zeros([1, int(getattr(generator, name, 0))], device=device) for name in ("z_dim", "c_dim"))
    num_ws, w_dim = calls.map(z, c).shape[1:]
    return num_ws, w_dim


def noise_names(generator: nn.Module) -> list[str]:
    """Return the names of a generator's noise buffers, as the StyleGAN2 family has them."""
    return [name for name, _ in generator.named_buffers() if name.rpartition(".")[2] == "noise_const"]


def _read_arrays(path: Path, generator: nn.Module) -> dict[str, _Array]:
    state = generator.state_dict()
    known = math.prod(latent_shape(generator)) + sum(state[name].numel() for name in noise_names(generator))
    if not path.exists():
        raise LinkGANError(f"{path} is not there; make it with `linkgan project`")
    limit = 8 * known + (1 << 20)  # in double precision, with room for labels and headers
    try:
        arrays = _arrays(path, limit)
    except LinkGANError as error:
        raise LinkGANError(printable(f"{path} is no readable {LATENTS_FILE} ({str(error)[:300]})")) from error
    for name, array in arrays.items():
        if not np.issubdtype(array.dtype, np.floating):
            raise LinkGANError(f"{path}: '{name}' holds {array.dtype}, expected floating point numbers")
        if not (abs(array) <= _LARGEST).all():
            raise LinkGANError(f"{path}: '{name}' holds numbers that are not finite, or too large for float32")
    return arrays


def _arrays(path: Path, limit: int) -> dict[str, _Array]:
    """Read the arrays of a .npz, that of a .npy as `w`, or the latents in a file of torch.save, of `limit` bytes."""
    head = first_bytes(path)
    if is_torch(path, head):
        return read_latents(path, LATENT_NAMES, limit)
    if kind_of(head) not in (Kind.ARCHIVE, Kind.ARRAY):
        raise LinkGANError(f"{looks_like(head)}; expected .npz, .npy or latents of torch.save (.pt)")
    data = read_file(path, 2 * limit)
    if data.startswith(b"\x93NUMPY"):
        _check_size(len(data), limit)
        return {_LATENTS: _array(data, _LATENTS)}
    with open_zip(io.BytesIO(data), str(path)) as archive:
        _check_size(sum(entry.file_size for entry in archive.infolist()), limit)
        return {
            (name := entry.filename.removesuffix(".npy")): _array(read_entry(archive, entry, str(path), limit), name)
            for entry in archive.infolist()
        }


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise LinkGANError(f"it unpacks to {size} bytes, expected at most {limit} for this network")


def _array(content: bytes, name: str) -> _Array:
    """Return the array in a .npy file. Its header is compared with what follows it first."""
    data = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(data)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, _, dtype = read(data)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content) - data.tell():
            raise ValueError(f"objects, or not the {list(shape)} numbers that it claims")
        data.seek(0)
        return np.lib.format.read_array(data, allow_pickle=False)
    except Exception as error:  # whatever NumPy raises on a damaged header, which is Python text
        raise LinkGANError(f"'{name:.80}' is no array ({str(error)[:200]})") from error


def latents_from(arrays: Mapping[str, _Array], shape: tuple[int, int], path: Path) -> Tensor:
    """Return the latents [1, num_ws, w_dim] of one image among a file's arrays.

    Args:
        arrays: one of `LATENT_NAMES` in it, of [1, num_ws, w_dim], [num_ws, w_dim], or one row for all layers: [w_dim],
            [1, w_dim], [1, 1, w_dim].
        shape: (num_ws, w_dim) of the network.
        path: for messages.
    Raises:
        LinkGANError: none or several of the names, or another shape; says which there are.
    """
    names = [name for name in LATENT_NAMES if name in arrays]
    if _LATENTS not in names and len(names) != 1:
        found = ", ".join(arrays) or "nothing"
        raise LinkGANError(f"{path} holds {found}, expected latents called one of {', '.join(LATENT_NAMES)}")
    array, (num_ws, w_dim) = arrays[names[0]], shape
    rows = array.shape[:-1]
    if array.shape[-1:] != (w_dim,) or rows not in ((), (1,), (num_ws,), (1, 1), (1, num_ws)):
        many = array.ndim == 3 and len(array) != 1 and array.shape[1:] in (shape, (1, w_dim))
        why = f"these are of {len(array)} images, give one of them" if many else "is it another network's?"
        raise LinkGANError(
            f"{path}: latents {list(array.shape)}, this network takes [1, {num_ws}, {w_dim}], [{num_ws}, {w_dim}] or "
            f"one row [{w_dim}] for all layers; {why}"
        )
    return _tensor(array).reshape(1, -1, w_dim).expand(1, num_ws, w_dim).contiguous()


def _label(label: Tensor | None, generator: nn.Module, path: Path) -> Tensor:
    c_dim = int(getattr(generator, "c_dim", 0))
    if label is None and c_dim and GeneratorCalls.of(generator).takes_camera:
        raise LinkGANError(
            f"{path} does not say from which camera it was projected; give its label of {c_dim} numbers, or data that "
            "has cameras (--data)"
        )
    if label is None and c_dim:
        raise LinkGANError(f"{path} does not say of which class it was projected; give it with --class N")
    label = torch.zeros([1, c_dim]) if label is None else label.detach().to("cpu", torch.float32)
    if label.shape != (1, c_dim):
        raise LinkGANError(f"{path}: a label {list(label.shape)}, this network takes [1, {c_dim}]")
    return label


def _tuned(folder: Path, generator: nn.Module) -> dict[str, Tensor]:
    path = folder / TUNED_FILE
    if not path.exists():
        return {}
    try:
        if not path.is_file():
            raise OSError("no file")
        most = sum(t.numel() * t.element_size() for t in generator.state_dict().values()) + DESCRIPTION.bytes
        if path.stat().st_size > most:
            raise OSError(f"{path.stat().st_size} bytes, more than the whole network")
        tuned = safetensors.torch.load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise LinkGANError(f"{path} is not a whole .safetensors file ({str(error)[:200]})") from error
    _check_changes(tuned, generator, str(path))
    for name, tensor in tuned.items():
        if not bool(tensor.isfinite().all()):
            raise LinkGANError(f"{path}: '{name}' holds numbers that are not finite; project the photograph again")
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


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open an image; whatever turns out to be wrong with it becomes a LinkGANError that names the file."""
    data = read_file(path, PHOTOGRAPH_FILE)
    try:
        with opened_image(data, str(path), most=PHOTOGRAPH_PIXELS, formats=_PHOTOGRAPHS) as image:
            yield image
    except LinkGANError as error:
        raise LinkGANError(printable(str(error))) from error


def upright(image: Image.Image) -> Image.Image:
    """Return an opened image as people see it: RGB, the right way up, on white where it is transparent.

    Raises:
        LinkGANError: pixels of more than 16 bits, which do not say what is black and what is white.
    """
    image = _eight_bits(ImageOps.exif_transpose(image))
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    clear = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Take the upper 8 of 16 bits of grey, as Pillow does with colours; its own conversion of grey clips at 255."""
    if not image.mode.startswith(("I", "F")):
        return image
    pixels = np.asarray(image)
    if image.mode == "F" or pixels.min() < 0 or pixels.max() > 0xFFFF:
        raise LinkGANError(
            f"pixels from {pixels.min():g} to {pixels.max():g}, expected 8 or 16 bits each; save it as such, say as PNG"
        )
    return Image.fromarray((pixels >> 8).astype(np.uint8))


def from_pixels(photograph: Image.Image, channels: int = 3) -> Tensor:
    """Turn a photograph into [1, channels, H, W] float32 in [-1, 1]; 1 channel takes the brightness, a 4th is opaque.

    Raises:
        LinkGANError: other channels than 1, 3 or 4.
    """
    check_channels(channels)
    pixels = torch.from_numpy(np.array(photograph.convert("L" if channels == 1 else "RGB")))
    pixels = pixels.reshape(*pixels.shape[:2], -1).permute(2, 0, 1)
    image = (pixels.to(torch.float32) / 127.5 - 1).unsqueeze(0)
    return torch.cat([image, torch.ones_like(image[:, :1])], dim=1) if channels == 4 else image


def _check_changes(changes: Mapping[str, Tensor], generator: nn.Module, place: str) -> None:
    state = generator.state_dict()
    for name, tensor in changes.items():
        if name not in state or state[name].shape != tensor.shape:
            expected = list(state[name].shape) if name in state else "no tensor of that name"
            raise LinkGANError(
                f"{place}: '{name}' is {list(tensor.shape)}, this network has {expected}; is it another network's?"
            )


def _tensor(array: _Array) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
