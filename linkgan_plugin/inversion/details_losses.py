"""The edit term: samples whose edits are known, because a linked generator makes them, and edits of photographs.

    G(R(w_e, v); E(ADA(x - G(w_e), G(w_e), G(R(w_e, v))))) = x',    x = G(w), x' = G(R(w, v)), w_e the encoder's w of x

R(w, v) takes one block of axes, a link's or the rest's, from another sample v. With links, x' is x outside the block's
region, so an encoder's edited image must be x' with the details of x. Of a photograph x no w is known; there x' = x
outside the region M of the block, before or after the edit, and nothing is asked inside it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import LinkGANError
from ..links import LinkSpec
from ..perturb import replace_axes
from ..regions.base import Scene
from .draws import Draws
from .perceptual import PyramidDistance
from .rendering import Renderer

_BLOCKS, _DONORS = 3, 1  # random streams


class Edited(NamedTuple):
    """Edits of N images.

    Attributes:
        latents: [N, num_ws, w_dim], R(w_e, v).
        images: [N, C, R, R], what they render without details.
        wanted: [N, C, R, R], x', and x for photographs.
        asked: [N, 1, R, R], 1 where `wanted` is asked for.
    """

    latents: Tensor
    images: Tensor
    wanted: Tensor
    asked: Tensor


class EditTerm:
    """Makes edits by links, whose results are known.

    Args:
        renderer: of the generator.
        draws: of the training.
        spec: links in W.
    Attributes:
        blocks: bool [B, w_dim], the axes of each link and, last, those of the rest, if there are any.
    Raises:
        LinkGANError: no links in W.
    """

    def __init__(self, renderer: Renderer, draws: Draws, spec: LinkSpec | None) -> None:
        if spec is None or spec.space != "w" or not spec.links:
            raise LinkGANError("an edit term needs links in W; set it to 0 or link the network")
        self._renderer, self._draws, self._spec = renderer, draws, spec
        self.blocks = spec.axis_masks(device=renderer.calls.device)

    @torch.no_grad()
    def edited(self, step: int, images: Tensor, labels: Tensor, found: Tensor, before: Tensor, known: Tensor) -> Edited:
        """Return an edit of every image, the same at every call with these arguments.

        Args:
            step: of the training.
            images: [N, C, R, R], x.
            labels: [N, c_dim].
            found: [N, num_ws, w_dim], w_e.
            before: [N, C, R, R], G(w_e).
            known: [K, num_ws, w_dim], w of the first K images; the others are photographs.
        """
        random = self._draws.random(step, _BLOCKS)
        chosen = torch.randint(len(self.blocks), [len(images)], generator=random).to(found.device)
        donors = self._draws.of_labels(labels, step, _DONORS)
        latents = self._replaced(found, donors, chosen)
        after = self._renderer.images(latents, labels)
        count = len(known)
        wanted = self._renderer.images(self._replaced(known, donors[:count], chosen[:count]), labels[:count])
        outside = 1 - self._regions(before[count:], after[count:], chosen[count:])
        everywhere = torch.ones_like(wanted[:, :1])
        return Edited(latents, after, torch.cat([wanted, images[count:]]), torch.cat([everywhere, outside]))

    def _replaced(self, latents: Tensor, donors: Tensor, chosen: Tensor) -> Tensor:
        return replace_axes(latents, donors, self.blocks[chosen], self._spec.basis)

    def _regions(self, before: Tensor, after: Tensor, chosen: Tensor) -> Tensor:
        """Return M, [N, 1, R, R]: the regions of the chosen blocks in either image."""
        if not len(before):
            return before[:, :1]
        first, second = (chosen_masks(self._spec, part, chosen) for part in (before, after))
        return torch.maximum(first, second)


def chosen_masks(spec: LinkSpec, images: Tensor, chosen: Tensor) -> Tensor:
    """Return the mask of one block of each image, [N, 1, R, R] in [0, 1].

    Args:
        spec: the links.
        images: [N, C, R, R].
        chosen: int [N], the block of each, as in `spec.block_names`.
    """
    masks = spec.region_masks(Scene(images)).expand(-1, len(images), -1, -1, -1)
    return masks[chosen, torch.arange(len(images), device=chosen.device)]


def distances(found: Tensor, wanted: Tensor, asked: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the mean squared error and the Laplacian pyramid distance: scalars.

    Args:
        found: [N, C, R, R].
        wanted: [N, C, R, R].
        asked: [N, 1, R, R], the weight of each pixel's difference; None for 1.
    """
    difference = found - wanted if asked is None else (found - wanted) * asked
    pyramid = PyramidDistance(pixel_weight=0.0)
    return difference.square().mean(), pyramid(difference, torch.zeros_like(difference)).mean()
