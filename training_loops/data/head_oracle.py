"""The head renderer with an EG3D generator's interface: the reference for perfect links."""

from __future__ import annotations

from torch import Tensor, nn

from training_loops.data.face_oracle import UniformMapping
from training_loops.data.heads3d import ATTRIBUTES, part_axes, render
from training_loops.formats.cameras import LABEL_DIM


class HeadOracle(nn.Module):
    """A generator without weights whose latent axes are the renderer's attributes, in the order of ATTRIBUTES.

    `mapping(z, c)` maps z [N, A], standard normal, to ws [N, 1, A], uniform in [0, 1]; the labels c have no effect.
    """

    def __init__(self, img_resolution: int = 64, neural_rendering_resolution: int = 32):
        super().__init__()
        self.z_dim = self.w_dim = len(ATTRIBUTES)
        self.c_dim = LABEL_DIM
        self.num_ws = 1
        self.img_resolution = img_resolution
        self.img_channels = 3
        self.neural_rendering_resolution = neural_rendering_resolution
        self.mapping = UniformMapping()

    def synthesis(
        self,
        ws: Tensor,
        c: Tensor,
        neural_rendering_resolution: int | None = None,
        update_emas: bool = False,
        noise_mode: str = "const",
        force_fp32: bool = False,
    ) -> dict[str, Tensor]:
        """Render ws [N, 1, A] from cameras c [N, 25], without gradients or noise.

        Returns image [N, 3, S, S] and image_raw [N, 3, H, H] in [-1, 1], and image_depth [N, 1, H, H], distances from
        the camera in world units. H is `neural_rendering_resolution`, which is kept for later calls.
        """
        if neural_rendering_resolution is not None:
            self.neural_rendering_resolution = neural_rendering_resolution
        raw = render(ws[:, 0], c, self.neural_rendering_resolution)
        same = self.img_resolution == self.neural_rendering_resolution
        image = raw.images.clone() if same else render(ws[:, 0], c, self.img_resolution).images
        return {"image": image, "image_raw": raw.images, "image_depth": raw.depth}

    def forward(self, z: Tensor, c: Tensor, truncation_psi: float = 1) -> dict[str, Tensor]:
        """Return the heads of z [N, A], seen by the cameras c [N, 25]."""
        return self.synthesis(self.mapping(z, c, truncation_psi=truncation_psi), c)

    def axes_of(self, part: str) -> tuple[int, ...]:
        """Return the axes whose attributes belong to `part`, such as "nose"."""
        return part_axes(part)
