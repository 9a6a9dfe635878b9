"""Perceptual distances of images: a Laplacian pyramid without a trained network, or LPIPS from the user's file."""

from __future__ import annotations

import zipfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import LinkGANError
from ..images.pixels import rgb
from ..metrics.swd import laplacian_pyramid
from ..segmentation import named

_COARSEST = 4
# StyleGAN2 shows its LPIPS network larger images at this size (Karras et al. 2020, appendix D).
_LARGEST_SEEN = 256
_PROBE = 32


class Distance(ABC):
    """A differentiable distance between images. Subclasses define `between`, and `features` if they can be reused."""

    def features(self, images: Tensor) -> Tensor:
        """Return features [N, ...] of images, float32 [N, C, H, W] nominally in [-1, 1]; by default the images.

        The features of a photograph are computed once and used in every step.
        """
        return images

    @abstractmethod
    def between(self, features: Tensor, others: Tensor) -> Tensor:
        """Return the distances [N] between the features of N images and of N others; 0 for equal ones."""

    def __call__(self, images: Tensor, others: Tensor) -> Tensor:
        """Return the distances [N] between images [N, C, H, W] and others."""
        return self.between(self.features(images), self.features(others))


class PyramidDistance(Distance):
    """Laplacian pyramid distance plus mean squared error; needs no trained network.

    ``sum_j 2^(2j) |L_j(x) - L_j(y)|_1 / (C H W) + pixel_weight * mean (x - y)^2``, where L_j is level j of the
    pyramid, finest first, the last one being the coarsest image (Lap1 of Bojanowski et al. 2018, "Optimizing the
    latent space of generative networks", per number of the image). A level has 2^(2j) times fewer numbers than the
    image, so all levels have the same weight for images of any size.
    """

    def __init__(self, pixel_weight: float = 1.0) -> None:
        self.pixel_weight = pixel_weight

    def between(self, features: Tensor, others: Tensor) -> Tensor:
        """Images [N, C, H, W] and others -> [N]."""
        difference = features - others  # pyramids are linear: that of the difference is the difference of the two
        levels = laplacian_pyramid(difference, _COARSEST)
        sums = [4**j * level.abs().flatten(1).sum(dim=1) for j, level in enumerate(levels)]
        pixels = difference.square().flatten(1).mean(dim=1)
        return torch.stack(sums).sum(dim=0) / difference[0].numel() + self.pixel_weight * pixels


class Lpips(Distance):
    """LPIPS (Zhang et al. 2018): ``||f(x) - f(y)||^2``, with scaled features f as in the StyleGAN hosts' vgg16.pt.

    Larger images are reduced to 256 pixels first.

    Args:
        network: ``network(images in [0, 255], resize_images=False, return_lpips=True) -> features [N, F]``.
    """

    def __init__(self, network: torch.jit.ScriptModule) -> None:
        self._network = network

    def features(self, images: Tensor) -> Tensor:
        """Images [N, 1, 3 or 4, H, W] -> [N, F]."""
        images = (rgb(images) + 1) * 127.5
        if images.shape[2] > _LARGEST_SEEN:
            images = F.interpolate(images, size=(_LARGEST_SEEN, _LARGEST_SEEN), mode="area")
        found: Tensor = self._network(images, resize_images=False, return_lpips=True)
        return found

    def between(self, features: Tensor, others: Tensor) -> Tensor:
        """[N, F] and [N, F] -> [N]."""
        return (features - others).square().sum(dim=1)


def load_lpips(path: Path, device: torch.device | str = "cpu") -> Lpips:
    """Open a TorchScript file with an LPIPS network, such as the StyleGAN hosts' vgg16.pt.

    Raises:
        LinkGANError: the file is missing, not TorchScript, not trusted by the user (`named.trust`), or a network with
            other arguments or results.
    """
    if not zipfile.is_zipfile(path):
        raise LinkGANError(
            f"{path} is not a TorchScript file; expected an LPIPS network such as the StyleGAN hosts' vgg16.pt"
        )
    named.check_trusted(path, "leave --lpips out for a distance that needs no network")
    try:
        network = torch.jit.load(path, map_location=device).eval()
    except Exception as error:  # whatever PyTorch's reader raises on a damaged file
        raise LinkGANError(f"{path} cannot be opened as TorchScript: {error!s:.300}") from error
    _check_call(network, path)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    lpips = Lpips(network)
    _check_features(lpips, path, device)
    return lpips


def _check_call(network: Any, path: Path) -> None:
    arguments = [argument.name for argument in network.forward.schema.arguments[1:]]
    if len(arguments) < 3 or not {"resize_images", "return_lpips"} <= set(arguments[1:]):
        raise LinkGANError(
            f"{path}: a network of ({', '.join(arguments)}), expected (images, resize_images, return_lpips) as in the "
            "StyleGAN hosts' vgg16.pt"
        )


def _check_features(lpips: Lpips, path: Path, device: torch.device | str) -> None:
    """Call the network with two images, before anything expensive starts."""
    images = torch.linspace(-1, 1, 2 * 3 * _PROBE**2, device=device).reshape(2, 3, _PROBE, _PROBE)
    try:
        found: Any = lpips.features(images)
    except Exception as error:  # TorchScript raises whatever the network's code does
        raise LinkGANError(f"{path} fails on {_PROBE} x {_PROBE} pixels: {error!s:.300}") from error
    if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != 2 or not found.is_floating_point():
        got = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise LinkGANError(f"{path} gives {got} for 2 images, expected features [2, F]")


def psnr(images: Tensor, others: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio in dB between images [N, C, H, W] in [-1, 1] and others: [N], at most 100.

    Images are clipped to that range first, as in image files.
    """
    # 10 log10(2^2 / MSE): values span 2
    error = (images.clamp(-1, 1) - others.clamp(-1, 1)).square().flatten(1).mean(dim=1)
    return 10 * torch.log10(4 / error.clamp_min(4e-10))
