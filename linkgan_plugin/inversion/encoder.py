"""`Encoder`: inverts photographs in one forward pass, or in the few passes of ReStyle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..calls.generator import GeneratorCalls
from ..errors import LinkGANError
from .details import TRAIN, Details
from .encoder_network import EncoderNetwork, EncoderShape
from .projected import latent_shape
from .rendering import Renderer

_SIZES = ("resolution", "channels", "c_dim", "num_ws", "w_dim")


@dataclass(frozen=True)
class Encoder:
    """An encoder trained for one generator.

    Attributes:
        network: maps images to latents.
        digest: SHA-256 of the generator's weights, from `weights_digest`.
        settings: those of its training, plain data.
        facts: what its training measured.
        details: networks that bring back what its latents lose; None without.
    """

    network: EncoderNetwork
    digest: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, float] = field(default_factory=dict)
    details: Details | None = None

    @property
    def passes(self) -> int:
        """The number of ReStyle passes it was trained with."""
        return self.network.shape.passes

    def check(self, generator: nn.Module) -> None:
        """Raise LinkGANError unless this is the encoder of `generator`."""
        own, other = self.network.shape, shape_for(generator)
        for name in _SIZES:
            if getattr(own, name) != getattr(other, name):
                raise LinkGANError(
                    f"the encoder is of a network with {name} {getattr(own, name)}, this one has "
                    f"{getattr(other, name)}; train one for this network with `linkgan encoder train`"
                )
        digest = weights_digest(generator)
        if digest != self.digest:
            raise LinkGANError(
                f"the encoder was trained for other weights (SHA-256 {self.digest[:12]}..., this network has "
                f"{digest[:12]}...); train one for this network with `linkgan encoder train`"
            )
        if self.details is not None:
            self.details.check(generator)

    @property
    def required_details(self) -> Details:
        """The details.

        Raises:
            LinkGANError: an encoder without details.
        """
        if self.details is None:
            raise LinkGANError(f"this encoder has no details; {TRAIN}")
        return self.details

    @torch.no_grad()
    def refine(self, renderer: Renderer, images: Tensor, labels: Tensor, latents: Tensor, passes: int = 1) -> Tensor:
        """Return latents [N, num_ws, w_dim] after some passes; an image does not depend on others in its batch.

        Args:
            renderer: of the generator.
            images: [N, C, R, R] in [-1, 1], to invert.
            labels: [N, c_dim].
            latents: [N, num_ws, w_dim], where the passes start: `start` or the result of earlier passes.
            passes: their number.
        """
        for _ in range(passes):
            # w_{t+1} = w_t + sigma E(x, G(w_t), c)
            latents = latents + self.network(images, renderer.images(latents, labels), labels)
        return latents

    def start(self, images: int) -> Tensor:
        """Return the latents that the first pass starts from, the mean of W: [N, num_ws, w_dim]."""
        return self.network.start(images)


def shape_for(generator: nn.Module, width: int = 32, passes: int = 3) -> EncoderShape:
    """Return the shape of an encoder for a generator.

    Args:
        generator: any 2D network with a space W.
        width: feature maps after the first halving.
        passes: of ReStyle.
    Raises:
        LinkGANError: a generator without W or with a camera, or one whose images have no known size.
    """
    if GeneratorCalls.of(generator).takes_camera:
        raise LinkGANError("this network renders through a camera; encoders are for 2D networks: use --method search")
    num_ws, w_dim = latent_shape(generator)
    sizes = {name: int(getattr(generator, f"img_{name}", 0)) for name in ("resolution", "channels")}
    if not all(sizes.values()):
        raise LinkGANError(f"{type(generator).__name__} has no img_resolution and img_channels; an encoder needs both")
    c_dim = int(getattr(generator, "c_dim", 0))
    return EncoderShape(**sizes, c_dim=c_dim, num_ws=num_ws, w_dim=w_dim, width=width, passes=passes)


def weights_digest(generator: nn.Module) -> str:
    """Return the SHA-256 of a generator's weights, in hexadecimal: the same for every file format of one network."""
    digest = hashlib.sha256()
    for name, tensor in sorted(generator.state_dict().items()):
        digest.update(f"{name} {list(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()
