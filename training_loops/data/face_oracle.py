"""The face renderer with a generator's interface: the reference for perfect links."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training_loops.data.faces import ATTRIBUTES, part_axes, render


class UniformMapping(nn.Module):
    """z [N, A], standard normal, to ws [N, 1, A], uniform in [0, 1]: each axis becomes one attribute."""

    def forward(
        self,
        z: Tensor,
        c: Tensor | None = None,
        truncation_psi: float = 1,
        truncation_cutoff: int | None = None,
        update_emas: bool = False,
    ) -> Tensor:
        """Return ws [N, 1, A] = 0.5 + psi (Phi(z) - 0.5) of z [N, A], with the normal distribution function Phi."""
        ws = torch.special.ndtr(z.to(torch.float64)).to(torch.float32)
        return torch.lerp(torch.full_like(ws, 0.5), ws, truncation_psi).unsqueeze(1)


class RendererSynthesis(nn.Module):
    """ws [N, 1, A] to faces [N, 3, S, S] in [-1, 1], painted by the renderer, without gradients or noise."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(
        self, ws: Tensor, update_emas: bool = False, noise_mode: str = "const", force_fp32: bool = False
    ) -> Tensor:
        """Return the faces [N, 3, S, S] of ws [N, 1, A], on its device."""
        return render(ws[:, 0], self.size)[0].to(ws.device)


class FaceOracle(nn.Module):
    """A generator without weights whose latent axes are the renderer's attributes, in the order of ATTRIBUTES."""

    def __init__(self, img_resolution: int = 32):
        super().__init__()
        self.z_dim = self.w_dim = len(ATTRIBUTES)
        self.c_dim = 0
        self.num_ws = 1
        self.img_resolution = img_resolution
        self.img_channels = 3
        self.mapping = UniformMapping()
        self.synthesis = RendererSynthesis(img_resolution)

    def forward(self, z: Tensor, c: Tensor | None = None, truncation_psi: float = 1) -> Tensor:
        """Return the faces of z [N, A]."""
        return self.synthesis(self.mapping(z, c, truncation_psi=truncation_psi))

    def axes_of(self, part: str) -> tuple[int, ...]:
        """Return the axes whose attributes belong to `part`, such as "eyes"."""
        return part_axes(part)
