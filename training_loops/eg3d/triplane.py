"""The EG3D generator: a StyleGAN2 backbone generates three feature planes, which are rendered from a camera."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from training_loops.eg3d.decoder import OSGDecoder
from training_loops.eg3d.planes import PLANES
from training_loops.eg3d.renderer import Features, ImportanceRenderer
from training_loops.eg3d.superresolution import SuperresolutionHybrid, head_class
from training_loops.errors import OptionError
from training_loops.formats.cameras import split_labels
from training_loops.formats.rays import RaySampler
from training_loops.stylegan2.generator import Generator


class TriPlaneGenerator(nn.Module):
    """z [N, z_dim] and camera labels c [N, 25] -> images [N, 3, R, R] and depths (EG3D, section 3; see cameras.py).

    `rendering_kwargs` is a plain dictionary, which may be changed at any time: see `RenderOptions`, and
    superresolution_module, sr_antialias and decoder_lr_mul, which are read here; superresolution_noise_mode;
    c_gen_conditioning_zero and c_scale, for the labels passed to the mapping network.
    `init_kwargs` stores the constructor's arguments, so that a snapshot can rebuild the network.

    Args:
        plane_resolution: texels along the side of a plane; 256 in every public snapshot.
    """

    FEATURES: ClassVar[int] = 32  # channels of each plane

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        img_resolution: int,
        img_channels: int,
        sr_num_fp16_res: int = 0,
        mapping_kwargs: dict[str, Any] | None = None,
        rendering_kwargs: dict[str, Any] | None = None,
        sr_kwargs: dict[str, Any] | None = None,
        plane_resolution: int = 256,
        **synthesis_kwargs: Any,
    ) -> None:
        super().__init__()
        if img_channels != 3:
            raise OptionError(f"img_channels={img_channels}: EG3D generates images with 3 channels")
        self.init_kwargs: dict[str, Any] = copy.deepcopy(
            {
                "z_dim": z_dim,
                "c_dim": c_dim,
                "w_dim": w_dim,
                "img_resolution": img_resolution,
                "img_channels": img_channels,
                "sr_num_fp16_res": sr_num_fp16_res,
                "mapping_kwargs": dict(mapping_kwargs or {}),
                "rendering_kwargs": dict(rendering_kwargs or {}),
                "sr_kwargs": dict(sr_kwargs or {}),
                # Omitted at its default: the public class does not have it.
                **({"plane_resolution": plane_resolution} if plane_resolution != 256 else {}),
            }
            | synthesis_kwargs
        )
        self.z_dim = z_dim
        self.c_dim = c_dim
        self.w_dim = w_dim
        self.img_resolution = img_resolution
        self.img_channels = img_channels
        self.rendering_kwargs: dict[str, Any] = copy.deepcopy(rendering_kwargs or {})
        self.neural_rendering_resolution = 64
        self.renderer = ImportanceRenderer()
        self.ray_sampler = RaySampler()
        self.backbone = Generator(
            z_dim,
            c_dim,
            w_dim,
            plane_resolution,
            PLANES * self.FEATURES,
            mapping_kwargs=mapping_kwargs,
            **synthesis_kwargs,
        )
        self.superresolution = self._head(img_resolution, sr_num_fp16_res, {"w_dim": w_dim, **(sr_kwargs or {})})
        self.decoder = self._decoder({"decoder_lr_mul": self.rendering_kwargs.get("decoder_lr_mul", 1)})
        self._last_volume: tuple[Tensor, Features | None] | None = None

    def mapping(
        self,
        z: Tensor,
        c: Tensor,
        truncation_psi: float = 1,
        truncation_cutoff: int | None = None,
        update_emas: bool = False,
    ) -> Tensor:
        """z [N, z_dim] and labels c [N, c_dim] to condition on -> ws [N, num_ws, w_dim] of the backbone."""
        zero = self.rendering_kwargs.get("c_gen_conditioning_zero", False)
        seen = torch.zeros_like(c) if zero else c * self.rendering_kwargs.get("c_scale", 0)
        return self.backbone.mapping(z, seen, truncation_psi, truncation_cutoff, update_emas=update_emas)

    def synthesis(
        self,
        ws: Tensor,
        c: Tensor,
        neural_rendering_resolution: int | None = None,
        update_emas: bool = False,
        cache_backbone: bool = False,
        use_cached_backbone: bool = False,
        **synthesis_kwargs: Any,
    ) -> dict[str, Tensor]:
        """Render ws [N, num_ws, w_dim] from cameras c [N, 25].

        Args:
            neural_rendering_resolution: side H of the rendered image before super-resolution; it is kept for later
                calls. None: that of the last call, at first 64.
            cache_backbone: store the planes.
            use_cached_backbone: render the stored planes, if any, and ignore ws: one object from many cameras.
            synthesis_kwargs: noise_mode and others of the StyleGAN2 blocks. Noise in the super-resolution is that of
                `rendering_kwargs`.

        Returns:
            image [N, 3, R, R] and image_raw [N, 3, H, H], about [-1, 1]; image_depth [N, 1, H, H], distances from the
            camera.
        """
        if neural_rendering_resolution is not None:
            self.neural_rendering_resolution = neural_rendering_resolution
        size = self.neural_rendering_resolution
        origins, directions = self.ray_sampler(*split_labels(c), size)
        volume = self._last_volume if use_cached_backbone else None
        if volume is None:
            volume = self._volume(ws, update_emas=update_emas, **synthesis_kwargs)
        if cache_backbone:
            self._last_volume = volume
        planes, added = volume
        colors, depth, opacity = self.renderer(planes, self.decoder, origins, directions, self.rendering_kwargs, added)
        return self._shown(colors, depth, opacity, ws, size, **synthesis_kwargs)

    def sample(
        self,
        coordinates: Tensor,
        directions: Tensor,
        z: Tensor,
        c: Tensor,
        truncation_psi: float = 1,
        truncation_cutoff: int | None = None,
        update_emas: bool = False,
        **synthesis_kwargs: Any,
    ) -> dict[str, Tensor]:
        """Return `sample_mixed` at coordinates and directions [N, M, 3], for z [N, z_dim] and c [N, 25]."""
        ws = self.mapping(z, c, truncation_psi, truncation_cutoff, update_emas=update_emas)
        return self.sample_mixed(coordinates, directions, ws, update_emas=update_emas, **synthesis_kwargs)

    def sample_mixed(
        self,
        coordinates: Tensor,
        directions: Tensor,
        ws: Tensor,
        truncation_psi: float = 1,
        truncation_cutoff: int | None = None,
        update_emas: bool = False,
        **synthesis_kwargs: Any,
    ) -> dict[str, Tensor]:
        """Return rgb [N, M, 32] and sigma [N, M, 1], a density before softplus, at points [N, M, 3] of the volumes ws.

        The truncation is accepted because the hosts' loss passes it; it has no effect on given ws.
        """
        planes, added = self._volume(ws, update_emas=update_emas, **synthesis_kwargs)
        return self.renderer.run_model(planes, self.decoder, coordinates, directions, self.rendering_kwargs, added)

    def forward(
        self,
        z: Tensor,
        c: Tensor,
        truncation_psi: float = 1,
        truncation_cutoff: int | None = None,
        neural_rendering_resolution: int | None = None,
        update_emas: bool = False,
        cache_backbone: bool = False,
        use_cached_backbone: bool = False,
        **synthesis_kwargs: Any,
    ) -> dict[str, Tensor]:
        """Return `synthesis` of z [N, z_dim] and cameras c [N, 25], which also condition the mapping."""
        ws = self.mapping(z, c, truncation_psi, truncation_cutoff, update_emas=update_emas)
        return self.synthesis(
            ws, c, neural_rendering_resolution, update_emas, cache_backbone, use_cached_backbone, **synthesis_kwargs
        )

    def _head(
        self, img_resolution: int, sr_num_fp16_res: int, sr_kwargs: Mapping[str, Any]
    ) -> SuperresolutionHybrid | None:
        return head_class(self.rendering_kwargs.get("superresolution_module"))(
            channels=self.FEATURES,
            img_resolution=img_resolution,
            sr_num_fp16_res=sr_num_fp16_res,
            sr_antialias=bool(self.rendering_kwargs.get("sr_antialias", True)),
            **sr_kwargs,
        )

    def _decoder(self, options: Mapping[str, Any]) -> OSGDecoder:
        return OSGDecoder(self.FEATURES, {**options, "decoder_output_dim": self.FEATURES})

    def _volume(self, ws: Tensor, **synthesis_kwargs: Any) -> tuple[Tensor, Features | None]:
        """Return the planes of ws, [N, 3, C, S, S], and features beside theirs, if any."""
        planes = self.backbone.synthesis(ws, **synthesis_kwargs)
        return planes.unflatten(1, (PLANES, -1)), None

    def _shown(
        self, colors: Tensor, depth: Tensor, opacity: Tensor, ws: Tensor, size: int, **synthesis_kwargs: Any
    ) -> dict[str, Tensor]:
        """Return what `synthesis` returns, from colours [N, R, C], depth and opacity [N, R, 1] of rays."""
        assert self.superresolution is not None
        features = colors.unflatten(1, (size, size)).permute(0, 3, 1, 2)
        raw = features[:, : self.img_channels]
        image = self.superresolution(raw, features, ws, **{**synthesis_kwargs, "noise_mode": self._head_noise()})
        return {
            "image": image,
            "image_raw": raw.contiguous(),
            "image_depth": depth.transpose(1, 2).unflatten(2, (size, size)),
        }

    def _head_noise(self) -> str:
        if "superresolution_noise_mode" not in self.rendering_kwargs:
            raise OptionError("rendering_kwargs: superresolution_noise_mode is missing: random, const or none")
        return str(self.rendering_kwargs["superresolution_noise_mode"])
