"""The geometry of generated procedural heads, against the renderer's for the attributes that their colours show."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from training_loops.data import heads3d
from training_loops.data.head_cameras import camera_labels

from ..cameras.views import unproject
from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..metrics.estimate import pearson
from ..metrics.head_classifier import NAMES, HeadClassifier

SIDE = 64  # of the depth maps, in pixels
_BATCH = 16
VIEWS = 5  # cameras that a head's attributes are read from: the length of a nose hardly shows from the front
_SEED = 500_000
# Boxes in front of the face, x0, y0, x1, y1 in world units, that hold the nose and the opening of every mouth.
_NOSE, _MOUTH = (-0.03, -0.045, 0.03, 0.015), (-0.05, -0.17, 0.05, -0.09)
READ = {"nose_length": "nose tip", "mouth_open": "depth of the mouth"}


@torch.no_grad()
def measure_geometry(
    generator: LinkedGenerator,
    classifier: HeadClassifier,
    *,
    heads: int,
    progress: Callable[[int], object] = lambda count: None,
) -> dict[str, float]:
    """Compare the depth of generated heads, seen from the front, with that of heads rendered from their attributes.

    Args:
        generator: of procedural heads, 3D-aware.
        classifier: reads the attributes from the images; those of a head are the mean over `VIEWS` of the data's
            cameras.
        heads: number of heads, from 8.
        progress: called with the number of heads of each batch.
    Returns:
        `depth_error`, the mean absolute difference of depth on the rendered heads, in world units;
        `depth_correlation`, of the depth's variation from head to head, over all heads and the pixels that show a head
        in all of them;
        `nose_length` and `mouth_open`, the correlations of the nose's tip and of the mouth's depth, as the depth
        shows them, with the attributes that the colours show.
    Raises:
        LinkGANError: a generator without depth, or fewer heads.
    """
    if heads < 8:
        raise LinkGANError(f"geometry of {heads} heads: expected at least 8")
    if not generator.is_3d_aware:
        raise LinkGANError("this network renders no depth; geometry needs a 3D-aware network of procedural heads")
    front = camera_labels(torch.zeros(1), torch.zeros(1)).to(generator.device)
    read, depths = [], []
    for start in range(0, heads, _BATCH):
        count = min(_BATCH, heads - start)
        labels = front.expand(count, -1)
        latents = generator.draw(range(_SEED + start, _SEED + start + count), labels)
        read.append(_read(generator, classifier, latents, start))
        with generator.rendered_at(SIDE):
            depth = generator.rendering(latents, labels).depth
        assert depth is not None  # 3D-aware generators render depth
        depths.append(depth.cpu())
        progress(count)
    return _compared(torch.cat(read), torch.cat(depths), front.cpu())


def _read(generator: LinkedGenerator, classifier: HeadClassifier, latents: Tensor, start: int) -> Tensor:
    """Latents [N, ...] of the heads from `start` on -> attributes [N, A]."""
    views = []
    for view in range(VIEWS):
        labels = generator.labels(range(VIEWS * start + view, VIEWS * (start + len(latents)) + view, VIEWS))
        views.append(classifier.attributes(generator.rendering(latents, labels).image))
    return torch.stack(views).mean(dim=0).cpu()


def _compared(attributes: Tensor, depth: Tensor, front: Tensor) -> dict[str, float]:
    """Compare depths [N, 1, S, S], seen by the camera `front` [1, 25], with those of rendered heads, [N, A]."""
    labels = front.expand(len(depth), -1)
    true = heads3d.render(attributes, labels, SIDE).depth
    head = true < heads3d.FAR
    # r of d_ip - mean_i d_ip with that of the rendered depth, pixels p that show a head in every image i
    always = head.all(dim=0, keepdim=True).expand_as(depth)
    varied = [(map_ - map_.mean(dim=0))[always] for map_ in (depth, true)]
    shown = geometry_of(depth, labels)
    columns = {name: attributes[:, NAMES.index(name)] for name in READ}
    return {
        "depth_error": float((depth - true)[head].abs().mean()),
        "depth_correlation": _correlation(*varied),
        **{name: _correlation(shown[name], columns[name]) for name in READ},
    }


def geometry_of(depth: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return what depth maps [N, 1, S, S], seen from the front by labels [N, 25], show: {attribute: [N]}.

    `nose_length`: the largest z in the nose's box; `mouth_open`: the mean distance of the surface in the mouth's box
    behind its foremost point. Both in world units.
    """
    points = unproject(depth, labels)
    z = points[:, 2].flatten(1)
    nose = z.masked_fill(~_within(points, _NOSE), float("-inf")).amax(dim=1)
    inside = _within(points, _MOUTH)
    lips = z.masked_fill(~inside, float("-inf")).amax(dim=1, keepdim=True)
    behind = ((lips - z) * inside).sum(dim=1) / inside.sum(dim=1).clamp_min(1)
    return {"nose_length": nose, "mouth_open": behind}


def _within(points: Tensor, box: tuple[float, float, float, float]) -> Tensor:
    x, y = points[:, 0].flatten(1), points[:, 1].flatten(1)
    return (x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])


def _correlation(a: Tensor, b: Tensor) -> float:
    pair = [column.double().flatten().numpy() for column in (a, b)]
    return float(pearson(pair[0][:, None], pair[1][:, None])[0])


def rows(found: Mapping[str, Mapping[str, float]]) -> list[list[str]]:
    """Return the rows of a table: the measure, and its value for each of the networks in `found`."""
    names = next(iter(found.values()))
    return [[name, *(f"{values[name]:.3f}" for values in found.values())] for name in names]
