"""Donors chosen to fit the rest of each image (`--consistent`), and what the choice costs in diversity."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..consistent import Consistent
from ..generators import LinkedGenerator
from ..regularizer import MIN_PIXELS
from .base import PairBatch, select
from .diversity import DiversityKept
from .estimate import Estimate
from .evaluate import DONOR_OFFSET

_AT_ONCE = 4096  # latents drawn together

KEY = "diversity_kept_consistent"


@torch.no_grad()
def donors_of(
    generator: LinkedGenerator,
    seeds: range,
    latents: Tensor,
    labels: Tensor,
    blocks: Mapping[str, Tensor],
    consistent: Consistent | None,
) -> dict[str, Tensor]:
    """Return the donors of images for each edit, [N, L, D] by name.

    Candidate s of an image is the sample of its seed + (s + 1) 2^20; without a choice, candidate 0 is the donor.

    Args:
        generator: the network.
        seeds: of the N images.
        latents: [N, L, D], the images.
        labels: [N, c_dim].
        blocks: name -> bool [D], the edited axes. An edit of all axes takes candidate 0.
        consistent: the choice; None for none.
    """
    if consistent is None:
        return dict.fromkeys(blocks, generator.draw([seed + DONOR_OFFSET for seed in seeds], labels))
    found: dict[str, list[Tensor]] = {name: [] for name in blocks}
    rows = max(1, _AT_ONCE // consistent.candidates)
    for start in range(0, len(seeds), rows):
        part = slice(start, start + rows)
        drawn = [
            generator.draw([seed + (s + 1) * DONOR_OFFSET for seed in seeds[part]], labels[part])
            for s in range(consistent.candidates)
        ]
        for name, block in blocks.items():
            candidates = torch.stack(drawn[:1] if bool(block.all()) else drawn)  # [S, N, L, D]
            found[name].append(consistent.donors(generator, latents[part], candidates, block, labels[part]))
    return {name: torch.cat(parts) for name, parts in found.items()}


@torch.no_grad()
def diversity_of(
    generator: LinkedGenerator, consistent: Consistent, *, pairs: int = 2000, batch: int = 64, seed: int = 0
) -> dict[str, Estimate]:
    """Return `diversity_kept` of every link when its donors are chosen, on the pairs that `evaluate` measures.

    The change by all axes, which it is divided by, is that of a donor that is not chosen: the value falls below that
    of `diversity_kept` by the diversity that the choice gives up.

    Args:
        generator: the network with its links.
        consistent: the choice.
        pairs: number of pairs.
        batch: images per forward.
        seed: first seed.
    """
    blocks = {name: generator.block(name) for name in generator.spec.names}
    metrics = {name: DiversityKept() for name in blocks}
    for start in range(0, pairs, batch):
        seeds = range(seed + start, seed + min(start + batch, pairs))
        labels = generator.labels(seeds)
        latents = generator.draw(seeds, labels)
        rendering = generator.rendering(latents, labels)
        donor = generator.render(generator.draw([one + DONOR_OFFSET for one in seeds], labels), labels)
        masks = generator.spec.region_masks(generator.scene(rendering, labels))
        chosen = donors_of(generator, seeds, latents, labels, blocks, consistent)
        for row, (name, block) in enumerate(blocks.items()):
            mask = masks[row].expand(len(latents), -1, -1, -1)
            present = mask.sum(dim=[1, 2, 3]) >= MIN_PIXELS
            if bool(present.any()):
                edited = generator.render(generator.replace(latents, chosen[name], block), labels)
                metrics[name].update(select(PairBatch(rendering.image, donor, edited, edited, mask), present))
    return {name: metric.result() for name, metric in metrics.items()}
