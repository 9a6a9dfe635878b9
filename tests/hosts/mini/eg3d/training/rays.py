"""Volume rendering in miniature: rays of a camera, what lies along them on three planes, and its sum."""

import torch
from torch.nn.functional import grid_sample, normalize, softplus


def rays(c, size):
    """Cameras [N, 25] -> origins [N, 1, 3] and directions [N, size^2, 3] of one ray for each pixel."""
    pose, lens = c[:, :16].unflatten(1, (4, 4)), c[:, 16:].unflatten(1, (3, 3))
    middle = torch.linspace(0.5 / size - 0.5, 0.5 - 0.5 / size, size, device=c.device)
    x, y = torch.meshgrid(middle, middle, indexing="xy")
    focal = lens[:, [0, 1, 2], [0, 1, 2]][:, None]
    ahead = torch.stack([x, y, torch.ones_like(x)], -1).flatten(0, 1) / focal
    return pose[:, None, :3, 3], normalize(torch.einsum("nij,npj->npi", pose[:, :3, :3], ahead), dim=2)


def look_up(planes, points, options):
    """Planes [N, 3, C, H, W] and points [N, P, 3] -> features [N, P, C], the mean of the three."""
    found = 0
    for k, axes in enumerate(([0, 1], [0, 2], [2, 1])):
        places = points[:, None, :, axes] / (options["box_warp"] / 2)
        found = found + grid_sample(planes[:, k], places, align_corners=False)[:, :, 0] / 3
    return found.transpose(1, 2)


def render(planes, decoder, c, size, options):
    """Return features [N, C, size, size] and depth [N, 1, size, size] as the cameras see them."""
    origins, directions = rays(c, size)
    count, near, far = options["depth_resolution"], options["ray_start"], options["ray_end"]
    # The jitter comes from the global random state, in evaluation as in training.
    jitter = torch.rand(*directions.shape[:2], count, 1, device=c.device)
    depths = near + (far - near) * (torch.arange(count, device=c.device)[:, None] + jitter) / count
    points = origins[:, :, None] + depths * directions[:, :, None]
    colors, density = decoder(look_up(planes, points.flatten(1, 2), options))
    density = softplus(density.view_as(depths) - 1)
    passed = (density * (far - near) / count).cumsum(2)
    weights = torch.exp(-passed + passed[:, :, :1]) * density
    weights = weights / (1 + weights.sum(2, keepdim=True))
    seen = torch.cat([2 * colors.unflatten(1, points.shape[1:3]) - 1, depths], -1)
    seen = (weights * seen).sum(2).transpose(1, 2).unflatten(2, (size, size))
    return seen[:, :-1], seen[:, -1:]
