"""The style space S of a generator: the outputs of its synthesis layers' affine maps of w, one number per channel.

StyleGAN2, StyleGAN3, EG3D and their forks call the map of each layer `affine`, which is how it is found here. All
outputs of one forward, one after the other, are the styles; a module that is called several times counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import LinkGANError


class Styles:
    """Reads and shifts the styles of a generator.

    Args:
        generator: with modules called `affine`.
    Attributes:
        names: of the affine maps, in the order of the network.
        sizes: number of channels of each.
        weights: of each, float32 [channels, w_dim], with the factor of an equalized learning rate.
    Raises:
        LinkGANError: no such modules.
    """

    def __init__(self, generator: nn.Module) -> None:
        found = [(name, module) for name, module in generator.named_modules() if name.split(".")[-1] == "affine"]
        if not found:
            raise LinkGANError(
                f"{type(generator).__name__} has no style space: expected layers with a module called 'affine', as in "
                "StyleGAN2 and StyleGAN3"
            )
        self.names = tuple(name for name, _ in found)
        self._modules = tuple(module for _, module in found)
        self.weights = tuple(_weight(module) for module in self._modules)
        self.sizes = tuple(len(weight) for weight in self.weights)

    @property
    def dim(self) -> int:
        """The number of channels S of all layers."""
        return sum(self.sizes)

    def place(self, channel: int) -> tuple[str, int]:
        """Return the name of the affine map that a channel of S belongs to, and its number there.

        Raises:
            LinkGANError: the network has fewer channels.
        """
        for name, size in zip(self.names, self.sizes, strict=True):
            if channel < size:
                return name, channel
            channel -= size
        raise LinkGANError(f"style channel {channel + self.dim} is unknown; this network has {self.dim}")

    @contextmanager
    def shifted(self, offsets: Tensor | None) -> Iterator[None]:
        """Within the block, add offsets [1 or N, S] to the styles of every forward; None adds nothing."""
        with ExitStack() as stack:
            if offsets is not None:
                for module, part in zip(self._modules, offsets.split(self.sizes, dim=-1), strict=True):
                    if bool(part.any()) or part.requires_grad:
                        hook = module.register_forward_hook(_adding(part))
                        stack.callback(hook.remove)
            yield

    def read(self, render: Callable[[], Any]) -> Tensor:
        """Return the styles [N, S] of the forward that `render` does.

        Raises:
            LinkGANError: an affine map that the forward did not use.
        """
        seen: dict[int, Tensor] = {}
        with ExitStack() as stack:
            for number, module in enumerate(self._modules):
                hook = module.register_forward_hook(_noting(seen, number))
                stack.callback(hook.remove)
            render()
        missing = [name for number, name in enumerate(self.names) if number not in seen]
        if missing:
            raise LinkGANError(f"the synthesis does not use {', '.join(missing)}, so its styles cannot be read")
        return torch.cat([seen[number].float() for number in range(len(self.names))], dim=1)


def _adding(part: Tensor) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    return lambda module, args, out: out + part.to(out.dtype)


def _noting(seen: dict[int, Tensor], number: int) -> Callable[[nn.Module, Any, Tensor], None]:
    def note(module: nn.Module, args: Any, out: Tensor) -> None:
        seen.setdefault(number, out)

    return note


def _weight(module: nn.Module) -> Tensor:
    """Return weight * weight_gain: hosts store weights of unit variance and scale them in the forward."""
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight.detach().float() * float(getattr(module, "weight_gain", 1.0))
