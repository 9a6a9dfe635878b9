"""A generator of tri-grids: planes of several layers, a background of its own, and a camera moved by its latents."""

import torch
from torch.nn.functional import grid_sample
from torch_utils import persistence
from training import rays, triplane
from training.networks_stylegan2 import Dense, Generator


@persistence.persistent_class
class TriPlaneGenerator(triplane.TriPlaneGenerator):
    def __init__(self, z_dim, c_dim, w_dim, *sizes, rendering_kwargs=None, **more):
        names = ("img_resolution", "img_channels")
        more.update(zip(names, sizes, strict=False))
        super().__init__(z_dim, c_dim, w_dim, rendering_kwargs=rendering_kwargs, **more)
        backbone = {name: value for name, value in more.items() if name not in names}
        channels = 3 * triplane.PLANE_CHANNELS * rendering_kwargs["triplane_depth"]
        self.backbone = Generator(z_dim, c_dim, w_dim, 16, channels, **backbone)
        self.background, self.moving = Dense(w_dim, triplane.FEATURES), Dense(z_dim, 3)

    def apply_delta_c(self, z, c, **_):
        """Return the cameras, moved by what z says, and by how much."""
        moves, moved = self.moving(z), c.clone()
        moved[:, [3, 7, 11]] += moves
        return moved, moves

    def planes(self, ws, **switches):
        layers = triplane.PLANE_CHANNELS * self.rendering_kwargs["triplane_depth"]
        return self.backbone.synthesis(ws, **switches).unflatten(1, (3, layers))

    def synthesis(
        self,
        ws,
        c,
        neural_rendering_resolution=None,
        update_emas=False,
        ws_bcg=None,
        cache_backbone=False,
        use_cached_backbone=False,
        **synthesis_kwargs,
    ):
        if neural_rendering_resolution is not None:
            self.neural_rendering_resolution = neural_rendering_resolution
        options, planes = self.rendering_kwargs, self.planes(ws, update_emas=update_emas, **synthesis_kwargs)
        features, depth, seen = render(planes, self.decoder, c, self.neural_rendering_resolution, options)
        behind = self.background((ws if ws_bcg is None else ws_bcg)[:, 0])[:, :, None, None]
        features = features + (1 - seen) * behind
        image = self.superresolution(features, ws[:, -1], options["superresolution_noise_mode"])
        return {"image": image, "image_raw": features[:, :3], "image_depth": depth, "image_mask": 1.002 * seen - 0.001}

    def sample_mixed(self, coordinates, directions, ws, truncation_psi=1, update_emas=False, **synthesis_kwargs):
        planes = self.planes(ws, update_emas=update_emas, **synthesis_kwargs)
        rgb, sigma = self.decoder(look_up(planes, coordinates, self.rendering_kwargs))
        return {"rgb": rgb, "sigma": sigma}

    def forward(self, z, c, truncation_psi=1, truncation_cutoff=None, update_emas=False, **synthesis_kwargs):
        ws = self.mapping(z, c, truncation_psi, truncation_cutoff, update_emas)
        return self.synthesis(ws, self.apply_delta_c(z, c)[0], update_emas=update_emas, **synthesis_kwargs)


def look_up(grids, points, options):
    """Grids [N, 3, L * C, H, W] of L layers and points [N, P, 3] -> features [N, P, C], the mean of the three."""
    found = 0
    for k, axes in enumerate(([0, 1, 2], [0, 2, 1], [2, 1, 0])):
        places = points[:, None, None, :, axes] / (options["box_warp"] / 2)
        grid = grids[:, k].unflatten(1, (triplane.PLANE_CHANNELS, -1))
        found = found + grid_sample(grid, places, align_corners=False)[:, :, 0, 0] / 3
    return found.transpose(1, 2)


def render(grids, decoder, c, size, options):
    """Return features [N, C, size, size], depth and opacity [N, 1, size, size] as the cameras see them."""
    origins, directions = rays.rays(c, size)
    count, near, far = options["depth_resolution"], options["ray_start"], options["ray_end"]
    jitter = torch.rand(*directions.shape[:2], count, 1, device=c.device)
    depths = near + (far - near) * (torch.arange(count, device=c.device)[:, None] + jitter) / count
    points = origins[:, :, None] + depths * directions[:, :, None]
    colors, density = decoder(look_up(grids, points.flatten(1, 2), options))
    density = torch.nn.functional.softplus(density.view_as(depths) - 1) * (far - near) / count
    weights = torch.exp(density - density.cumsum(2)) * (1 - torch.exp(-density))
    seen = torch.cat([colors.unflatten(1, points.shape[1:3]), depths, torch.ones_like(depths)], -1)
    seen = (weights * seen).sum(2).transpose(1, 2).unflatten(2, (size, size))
    return seen[:, :-2], seen[:, -2:-1], seen[:, -1:]
