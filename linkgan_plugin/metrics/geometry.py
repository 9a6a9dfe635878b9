"""Geometry metrics of 3D-aware generators: locality of depth changes, and consistency of edits between views."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..cameras.views import inside_image, look_up, pixel_size, project, unproject
from ..change import split_change
from .base import Change, DepthViews, MeanMetric, PairBatch, RatioMetric, per_pixel
from .estimate import Array

# A point is hidden from another camera if a surface is closer to that camera by this many pixel widths.
_HIDDEN = 3.0
# Distances between surfaces are clipped to this many pixel widths, since depth jumps at outlines.
_LARGEST = 10.0


class DepthEffect(MeanMetric):
    """Mean squared change of depth inside the region when the linked axes are perturbed, in squared world units.

    sum_p m_p (d'_p - d_p)^2 / sum_p m_p, mean over pairs, of depths d before and d' after the edit.
    """

    key = "depth_effect"
    better = "higher"
    needs_depth = True

    def figure(self, batch: PairBatch) -> Array:
        change = _depth_change(batch)
        return per_pixel(change.inside, _area(batch).inside)


class DepthLeak(MeanMetric):
    """Mean squared change of depth outside the region when the linked axes are perturbed, in squared world units."""

    key = "depth_leak"
    better = "lower"
    needs_depth = True

    def figure(self, batch: PairBatch) -> Array:
        change = _depth_change(batch)
        return per_pixel(change.outside, _area(batch).outside)


class DepthLocality(RatioMetric):
    """The share of the squared change of depth by the linked axes that lies inside the region."""

    key = "depth_locality"
    better = "higher"
    needs_depth = True

    def figures(self, batch: PairBatch) -> tuple[Array, Array]:
        change = _depth_change(batch)
        return change.inside, change.inside + change.outside


class ViewDepthError(RatioMetric):
    """The edited region from another camera: mean distance between the two surfaces, in world units.

    sum |D(x) - a| / number, over pixels of the region that both cameras see: a is the distance of the other camera from
    the point that a pixel shows, D(x) the depth that the other camera renders at that point.
    """

    key = "view_depth_error"
    better = "lower"
    needs_depth = True

    def figures(self, batch: PairBatch) -> tuple[Array, Array]:
        _, distance, seen = _from_the_side(batch)
        return _sum(distance.abs()), _sum(seen)


class ViewError(RatioMetric):
    """The edited region from another camera: squared colour differences, relative to the change by the edit.

    sum (there - here)^2 / sum (here - original)^2, over pixels of the region that both cameras see.
    """

    key = "view_error"
    better = "lower"
    needs_depth = True

    def figures(self, batch: PairBatch) -> tuple[Array, Array]:
        colour, _, seen = _from_the_side(batch)
        views = _depth_views(batch)
        edit = (_at(batch.linked, views.mask) - _at(batch.original, views.mask)).square().mean(dim=1, keepdim=True)
        return _sum(colour), _sum(edit * seen)


def _depth_views(batch: PairBatch) -> DepthViews:
    assert batch.depth_views is not None  # metrics that need depth only get batches with depth
    return batch.depth_views


def _depth_change(batch: PairBatch) -> Change:
    views = _depth_views(batch)
    inside, outside = split_change(views.original.double(), views.linked.double(), views.mask)
    return Change(inside.cpu().numpy(), outside.cpu().numpy())


def _area(batch: PairBatch) -> Change:
    mask = _depth_views(batch).mask
    return Change(_sum(mask), _sum(1 - mask.double()))


def _from_the_side(batch: PairBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Compare two views of the edited region, for each pixel of the first camera's depth map.

    Returns:
        squared differences of colour, distances of the surfaces along the second camera's rays in world units, and
        which pixels are in the region and seen by both, 0 or 1; each [N, 1, h, w].
    """
    views = _depth_views(batch)
    points = unproject(views.linked, views.labels)
    places, away = project(points, views.other_labels)
    distance = look_up(views.other_linked, places) - away
    pixel = pixel_size(away, views.other_labels)
    seen = (views.mask > 0.5) & inside_image(places) & (distance > -_HIDDEN * pixel)
    there, here = look_up(_at(views.other_image, views.mask), places), _at(batch.linked, views.mask)
    colour = (there - here).square().mean(dim=1, keepdim=True)
    distance = torch.minimum(distance, _LARGEST * pixel)
    # Not a product with 0: distances of unseen pixels may be infinite or NaN.
    return torch.where(seen, colour, 0), torch.where(seen, distance, 0), seen.float()


def _at(images: Tensor, like: Tensor) -> Tensor:
    """Resize images to the size of a depth map."""
    if images.shape[2:] == like.shape[2:]:
        return images.float()
    return F.interpolate(images.float(), size=like.shape[2:], mode="area")


def _sum(values: Tensor) -> Array:
    return values.double().flatten(1).sum(dim=1).cpu().numpy()
