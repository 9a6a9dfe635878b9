"""A tri-plane generator in miniature; `mapping` and `synthesis` are methods of it, not modules."""

import torch
from torch_utils import persistence
from training.networks_stylegan2 import FullyConnectedLayer
from training.networks_stylegan2 import Generator as StyleGAN2Backbone
from training.superresolution import SuperresolutionHybrid2X
from training.volumetric_rendering.ray_sampler import RaySampler
from training.volumetric_rendering.renderer import ImportanceRenderer

PLANE_CHANNELS = 4
FEATURES = 6


@persistence.persistent_class
class TriPlaneGenerator(torch.nn.Module):
    def __init__(
        self,
        z_dim,
        c_dim,
        w_dim,
        img_resolution,
        img_channels,
        mapping_kwargs=None,
        rendering_kwargs=None,
        **synthesis_kwargs,
    ):
        super().__init__()
        self.z_dim, self.c_dim, self.w_dim = z_dim, c_dim, w_dim
        self.img_resolution, self.img_channels = img_resolution, img_channels
        self.renderer, self.ray_sampler = ImportanceRenderer(), RaySampler()
        self.backbone = StyleGAN2Backbone(
            z_dim, c_dim, w_dim, 16, 3 * PLANE_CHANNELS, mapping_kwargs=mapping_kwargs, **synthesis_kwargs
        )
        self.superresolution = SuperresolutionHybrid2X(FEATURES, img_resolution, w_dim)
        self.decoder = OSGDecoder(PLANE_CHANNELS, FEATURES)
        self.neural_rendering_resolution = 64
        self.rendering_kwargs = rendering_kwargs

    def mapping(self, z, c, truncation_psi=1, truncation_cutoff=None, update_emas=False):
        if self.rendering_kwargs["c_gen_conditioning_zero"]:
            c = torch.zeros_like(c)
        c = c * self.rendering_kwargs.get("c_scale", 0)
        return self.backbone.mapping(z, c, truncation_psi, truncation_cutoff, update_emas=update_emas)

    def _planes(self, ws, update_emas, **synthesis_kwargs):
        planes = self.backbone.synthesis(ws, update_emas=update_emas, **synthesis_kwargs)
        return planes.reshape(len(planes), 3, PLANE_CHANNELS, *planes.shape[2:])

    def synthesis(self, ws, c, neural_rendering_resolution=None, update_emas=False, **synthesis_kwargs):
        if neural_rendering_resolution is None:
            neural_rendering_resolution = self.neural_rendering_resolution
        else:
            self.neural_rendering_resolution = neural_rendering_resolution
        size = neural_rendering_resolution
        origins, directions = self.ray_sampler(c[:, :16].view(-1, 4, 4), c[:, 16:25].view(-1, 3, 3), size)
        planes = self._planes(ws, update_emas, **synthesis_kwargs)
        features, depth = self.renderer(planes, self.decoder, origins, directions, self.rendering_kwargs)
        features, depth = (x.permute(0, 2, 1).reshape(len(ws), -1, size, size) for x in (features, depth))
        rgb = features[:, :3]
        image = self.superresolution(rgb, features, ws, noise_mode=self.rendering_kwargs["superresolution_noise_mode"])
        return {"image": image, "image_raw": rgb, "image_depth": depth}

    def sample_mixed(self, coordinates, directions, ws, update_emas=False, **synthesis_kwargs):
        planes = self._planes(ws, update_emas, **synthesis_kwargs)
        return self.renderer.run_model(planes, self.decoder, coordinates, directions, self.rendering_kwargs)

    def forward(self, z, c, truncation_psi=1, truncation_cutoff=None, update_emas=False, **synthesis_kwargs):
        ws = self.mapping(z, c, truncation_psi, truncation_cutoff, update_emas=update_emas)
        return self.synthesis(ws, c, update_emas=update_emas, **synthesis_kwargs)


class OSGDecoder(torch.nn.Module):
    """From plane features to colour features and density; pickled by name, not by source."""

    def __init__(self, in_features, out_features):
        super().__init__()
        self.net = torch.nn.Sequential(
            FullyConnectedLayer(in_features, 8), torch.nn.Softplus(), FullyConnectedLayer(8, 1 + out_features)
        )

    def forward(self, features, directions):
        x = self.net(features.mean(1).flatten(0, 1)).reshape(*features.mean(1).shape[:2], -1)
        return {"rgb": torch.sigmoid(x[..., 1:]), "sigma": x[..., :1]}
