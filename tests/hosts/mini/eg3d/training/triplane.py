"""A tri-plane generator in miniature; `mapping` and `synthesis` are methods of it, not modules."""

import torch
from torch_utils import persistence
from training import rays
from training.networks_stylegan2 import Dense
from training.networks_stylegan2 import Generator as Backbone
from training.superresolution import Superresolution

PLANE_CHANNELS, FEATURES = 4, 6


@persistence.persistent_class
class TriPlaneGenerator(torch.nn.Module):
    def __init__(self, z_dim, c_dim, w_dim, img_resolution, img_channels, rendering_kwargs=None, **backbone):
        super().__init__()
        self.z_dim, self.c_dim, self.w_dim = z_dim, c_dim, w_dim
        self.img_resolution, self.img_channels = img_resolution, img_channels
        self.rendering_kwargs, self.neural_rendering_resolution = rendering_kwargs, 64
        self.backbone = Backbone(z_dim, c_dim, w_dim, 16, 3 * PLANE_CHANNELS, **backbone)
        self.decoder = OSGDecoder(PLANE_CHANNELS, FEATURES)
        self.superresolution = Superresolution(FEATURES, img_resolution, w_dim)

    def mapping(self, z, c, truncation_psi=1, truncation_cutoff=None, update_emas=False):
        options = self.rendering_kwargs
        scale = 0 if options["c_gen_conditioning_zero"] else options.get("c_scale", 0)
        return self.backbone.mapping(z, scale * c, truncation_psi, truncation_cutoff, update_emas=update_emas)

    def planes(self, ws, **switches):
        return self.backbone.synthesis(ws, **switches).unflatten(1, (3, PLANE_CHANNELS))

    def synthesis(self, ws, c, neural_rendering_resolution=None, update_emas=False, **synthesis_kwargs):
        options = self.rendering_kwargs
        if neural_rendering_resolution is not None:
            self.neural_rendering_resolution = neural_rendering_resolution
        planes = self.planes(ws, update_emas=update_emas, **synthesis_kwargs)
        features, depth = rays.render(planes, self.decoder, c, self.neural_rendering_resolution, options)
        image = self.superresolution(features, ws[:, -1], options["superresolution_noise_mode"])
        return {"image": image, "image_raw": features[:, :3], "image_depth": depth}

    def sample_mixed(self, coordinates, directions, ws, update_emas=False, **synthesis_kwargs):
        planes = self.planes(ws, update_emas=update_emas, **synthesis_kwargs)
        rgb, sigma = self.decoder(rays.look_up(planes, coordinates, self.rendering_kwargs))
        return {"rgb": rgb, "sigma": sigma}

    def forward(self, z, c, truncation_psi=1, truncation_cutoff=None, update_emas=False, **synthesis_kwargs):
        ws = self.mapping(z, c, truncation_psi, truncation_cutoff, update_emas)
        return self.synthesis(ws, c, update_emas=update_emas, **synthesis_kwargs)


class OSGDecoder(torch.nn.Module):
    """From plane features to colour features and density; pickled by name, not by source."""

    def __init__(self, before, after):
        super().__init__()
        self.net = torch.nn.Sequential(Dense(before, 8), torch.nn.Softplus(), Dense(8, after + 1))

    def forward(self, features):
        sigma, rgb = self.net(features).tensor_split([1], dim=-1)
        return rgb.sigmoid(), sigma
