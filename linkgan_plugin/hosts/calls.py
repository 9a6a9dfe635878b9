"""How to call any StyleGAN-family generator: found out from signatures, not from version numbers."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import LinkGANError


def unwrap(module: nn.Module) -> nn.Module:
    """Return the module inside a DistributedDataParallel wrapper, or the module itself."""
    return module.module if isinstance(module, nn.parallel.DistributedDataParallel) else module


def accepts(module: nn.Module, keyword: str) -> bool:
    """Return whether the module's forward names `keyword` as a parameter."""
    return keyword in inspect.signature(unwrap(module).forward).parameters


@contextmanager
def own_random_state(device: torch.device) -> Iterator[None]:
    """Give the block a copy of the random state: what it draws does not move the host's."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield


class GeneratorCalls:
    """Calls to a generator's two halves that never touch its moving averages and can repeat its noise.

    Args:
        mapping, synthesis: the halves, possibly wrapped in DistributedDataParallel.
    """

    def __init__(self, mapping: nn.Module, synthesis: nn.Module) -> None:
        self.mapping_module = mapping
        self.synthesis_module = synthesis
        # stylegan2-ada-pytorch updates w_avg unless told not to; later hosts only when asked to.
        self._quiet = {"skip_w_avg_update": True} if accepts(mapping, "skip_w_avg_update") else {}
        self._has_noise = any(accepts(module, "noise_mode") for module in unwrap(synthesis).modules())
        self.takes_camera = accepts(synthesis, "c")

    @classmethod
    def of(cls, generator: nn.Module) -> GeneratorCalls:
        """Return the calls of a whole generator, one with `mapping` and `synthesis`.

        Raises:
            LinkGANError: the generator lacks one of the two; names which.
        """
        halves = [getattr(generator, name, None) for name in ("mapping", "synthesis")]
        missing = [
            n for n, half in zip(("mapping", "synthesis"), halves, strict=True) if not isinstance(half, nn.Module)
        ]
        if missing:
            raise LinkGANError(
                f"{type(generator).__name__} has no {' and no '.join(missing)}; links need a generator that maps "
                "z to an intermediate latent (G.mapping) and renders it (G.synthesis)"
            )
        return cls(*(half for half in halves if isinstance(half, nn.Module)))

    @property
    def concatenates(self) -> bool:
        """Whether a pair may be rendered as one batch: true where constant noise is all the randomness there is."""
        return self._has_noise and not self.takes_camera

    def map(self, z: Tensor, c: Tensor | None, truncation_psi: float = 1.0) -> Tensor:
        """Map z [N, z_dim] (and labels c [N, c_dim]) to ws [N, num_ws, w_dim], leaving w_avg as it is."""
        psi = {} if truncation_psi == 1 else {"truncation_psi": truncation_psi}
        return self.mapping_module(z, c, **psi, **self._quiet)

    def render(self, ws: Tensor, c: Tensor | None = None, *, constant_noise: bool = True) -> Tensor:
        """Render ws [N, num_ws, w_dim] to images [N, C, H, W], nominally in [-1, 1]."""
        kwargs: dict[str, Any] = {"noise_mode": "const"} if self._has_noise and constant_noise else {}
        out = self.synthesis_module(ws, c, **kwargs) if self.takes_camera else self.synthesis_module(ws, **kwargs)
        return out["image"] if isinstance(out, dict) else out

    def render_pair(
        self, ws: Tensor, moved: Tensor, c: Tensor | None, source: Tensor, *, detached: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Render latents and their moved copies with the same noise, random state and camera.

        Args:
            ws: [N, L, D]. moved: [P, L, D]. c: [N, c_dim] or None. source: int64 [P], the row of ws each came from.
            detached: render the unmoved images without gradient.
        Returns:
            (images, moved images), both [P, C, H, W], row p of one beside row p of the other.
        """
        if self.concatenates and not detached:
            images = self.render(torch.cat([ws, moved]), None)
            return images[: len(ws)][source], images[len(ws) :]
        camera = None if c is None else c[source]
        with torch.set_grad_enabled(torch.is_grad_enabled() and not detached):
            if self.concatenates:
                reference = self.render(ws, c)[source]
            else:
                # Free randomness (ray jitter, noise without a constant mode) is shared by starting both renders
                # of the same P rows from the same random state.
                with own_random_state(ws.device):
                    reference = self.render(ws[source], camera)
        return reference, self.render(moved, camera)
