"""Continuous factors of variation: directions from inverted transformed images (Plumerault et al., ICLR 2020).

Along a trajectory of amounts t of a transformation T, latents of the transformed image are searched, each from the
last one, with an error that favours low frequencies f (B a Gaussian blur, M the pixels with content):

    z_t = argmin_z  | B (M (G(z) - T_t(G(z_0)))) |^2 = sum_f exp(-(2 pi s f)^2) |F(M (G(z) - T_t(G(z_0))))_f|^2.

The direction is their regression, u ~ sum t (z_t - z_0), |u| = 1. The factor is read as t = g(<z, u>), g piecewise
linear and increasing: g(<z_t, u>) - g(<z_0, u>) = t by least squares. With `real`, an edit by t solves g(<z', u>) =
g(<z, u>) + t: it moves with velocity u / g'(<z, u>).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import LinkGANError
from .edits import edited, wanted_edits
from .factor import Array, in_units, monotone
from .fields import Perceptrons
from .learned import Coordinates, VectorAdam, check_finite, check_positive
from .task import Found, Method, Task


def plumerault(
    task: Task,
    *,
    edits: str = "shift_x,shift_y,zoom,rotation,brightness",
    real: bool = False,
    images: int = 32,
    points: int = 4,
    steps: int = 20,
    rate: float = 0.1,
    reach: float = 1.0,
    blur: float = 0.03,
) -> Found:
    """Return one direction for each transformation, at most `task.count`.

    Args:
        task: the network.
        edits: names in `EDITS` such as `shift_x,zoom`, or `all`.
        real: amount 1 is the unit of the edit (see `EDITS`), as far as the network can follow it, not one standard
            deviation.
        images: trajectories.
        points: of a trajectory on each side of its start.
        steps: of the search for each point.
        rate: length of a step, in standard deviations.
        reach: largest amount.
        blur: standard deviation s of B, of the image's width.
    Raises:
        LinkGANError: an unknown edit, settings out of range, or images that do not follow an edit at all.
    """
    check_positive(images=images, points=points, steps=steps, rate=rate, reach=reach)
    if not 0 <= blur < 1:
        raise LinkGANError(f"blur is {blur:g}; expected at least 0 and less than 1, of the image's width")
    names = wanted_edits(task, edits)
    search = _Search(task, Coordinates(task), steps, rate, blur)
    found = [_factor(search, name, images, points, reach) for name in names]
    vectors = torch.stack([unit for unit, _ in found])
    if not real:
        return Found(vectors @ search.coordinates.root, names=tuple(names))
    fields = [in_units(search.coordinates, unit, *g) for unit, g in found]
    field = Perceptrons(*(torch.stack(parts).cpu() for parts in zip(*fields, strict=True)))
    samples = task.samples[:512].cpu()
    mean = torch.stack([field.tangent(index, samples).mean(dim=0) for index in range(len(names))])
    return Found(mean, names=tuple(names), bend=field, scaled=True)


class _Search:
    """Searches latents of transformed images, in coordinates of unit variance."""

    def __init__(self, task: Task, coordinates: Coordinates, steps: int, rate: float, blur: float) -> None:
        self.task, self.coordinates = task, coordinates
        self._steps, self._rate, self._blur = steps, rate, blur

    def along(self, name: str, latents: Tensor, labels: Tensor, amounts: Tensor) -> Tensor:
        """Return offsets from latents [N, L, D] for amounts [T], each the start of the next: [N, T, D] in u."""
        start = self.task.generator.render(latents, labels)
        offset = latents.new_zeros(len(latents), latents.shape[2])
        found = []
        for amount in amounts:
            goal, known = edited(name, start, amount.expand(len(start)))
            offset = self._nearest(latents, labels, offset, goal, known)
            found.append(offset)
        return torch.stack(found, dim=1)

    def _nearest(self, latents: Tensor, labels: Tensor, offset: Tensor, goal: Tensor, known: Tensor) -> Tensor:
        offset = offset.clone().requires_grad_()
        optimizer = VectorAdam([offset], self._rate)
        for step in range(self._steps):
            with torch.enable_grad():
                moved = latents + (offset @ self.coordinates.root)[:, None]
                image = self.task.generator.rendering_with_gradients(moved, labels).image
                error = blurred_error((image - goal) * known, self._blur).sum()
                (gradient,) = torch.autograd.grad(error, offset)
            check_finite([gradient])
            optimizer.step([gradient], 1 - step / self._steps)
        return offset.detach()


def blurred_error(difference: Tensor, blur: float) -> Tensor:
    """Return the mean square of differences [N, C, H, W] blurred by a Gaussian (periodically): [N].

    Args:
        difference: float32 [N, C, H, W].
        blur: standard deviation of the Gaussian, of the image's width.
    """
    height, width = difference.shape[2:]
    rows = torch.fft.fftfreq(height, device=difference.device)[:, None]
    columns = torch.fft.rfftfreq(width, device=difference.device)
    # a Gaussian of deviation s has the Fourier transform exp(-2 (pi s f)^2), f in cycles per pixel
    kept = torch.exp(-2 * (torch.pi * blur * width) ** 2 * (rows**2 + columns**2))
    blurred = torch.fft.irfft2(torch.fft.rfft2(difference) * kept, s=(height, width))
    return blurred.square().flatten(1).mean(dim=1)


def _factor(search: _Search, name: str, images: int, points: int, reach: float) -> tuple[Tensor, tuple[Array, Array]]:
    """Return the direction of an edit, a unit vector [D] in u, and the knots and slopes of g."""
    task = search.task
    amounts = torch.linspace(reach / points, reach, points, device=task.generator.device)
    starts, offsets = [], []
    for start in task.progress(range(0, images, task.batch), f"plumerault {name}"):
        latents, labels = task.draw(start, min(task.batch, images - start))
        sides = [search.along(name, latents, labels, side) for side in (-amounts, amounts)]
        offsets.append(torch.cat(sides, dim=1))
        starts.append(search.coordinates.of(latents[:, 0]))
    begun, moved, both = torch.cat(starts), torch.cat(offsets), torch.cat([-amounts, amounts])
    slope = torch.einsum("t,ntd->d", both, moved)  # the slope of offset against amount, up to a factor
    if not float(slope.norm()) > 0:
        raise LinkGANError(f"no latents were found along which images follow {name}")
    unit = slope / slope.norm()
    before = (begun @ unit)[:, None].expand(-1, len(both))
    after = before + moved @ unit
    pairs = [part.flatten().double().cpu().numpy() for part in (before, after, both.expand(len(begun), -1))]
    return unit, monotone(*pairs)


PLUMERAULT = Method(plumerault, "Plumerault et al., ICLR 2020")
