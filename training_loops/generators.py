"""The base class of StyleGAN generators: a mapping network, a synthesis network and the constructor's arguments."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

from torch import Tensor, nn


class StyleGenerator(nn.Module):
    """z [N, z_dim], c [N, c_dim] -> images [N, img_channels, R, R], about [-1, 1].

    Subclasses set the classes of the two networks. `init_kwargs` stores the constructor's arguments, so that a snapshot
    can rebuild the network.
    """

    mapping_class: ClassVar[type[nn.Module]]
    synthesis_class: ClassVar[type[nn.Module]]

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        img_resolution: int,
        img_channels: int,
        mapping_kwargs: dict[str, Any] | None = None,
        **synthesis_kwargs: Any,
    ) -> None:
        super().__init__()
        dims: dict[str, Any] = {"img_resolution": img_resolution, "img_channels": img_channels}
        latents: dict[str, Any] = {"z_dim": z_dim, "c_dim": c_dim, "w_dim": w_dim}
        mapping = dict(mapping_kwargs or {})
        self.init_kwargs = copy.deepcopy({**latents, **dims, "mapping_kwargs": mapping, **synthesis_kwargs})
        self.z_dim = z_dim
        self.c_dim = c_dim
        self.w_dim = w_dim
        self.img_resolution = img_resolution
        self.img_channels = img_channels
        self.synthesis = self.synthesis_class(w_dim=w_dim, **dims, **synthesis_kwargs)
        self.num_ws = int(getattr(self.synthesis, "num_ws"))  # noqa: B009 (nn.Module types every attribute as a tensor)
        self.mapping = self.mapping_class(**latents, num_ws=self.num_ws, **mapping)

    def forward(
        self,
        z: Tensor,
        c: Tensor | None,
        truncation_psi: float = 1,
        truncation_cutoff: int | None = None,
        update_emas: bool = False,
        **synthesis_kwargs: Any,
    ) -> Tensor:
        ws = self.mapping(z, c, truncation_psi, truncation_cutoff, update_emas=update_emas)
        return self.synthesis(ws, update_emas=update_emas, **synthesis_kwargs)
