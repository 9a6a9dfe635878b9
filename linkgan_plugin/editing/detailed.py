"""Renders of an inverted photograph that keep its details, at the start and after edits."""

from __future__ import annotations

from torch import Tensor

from ..calls.features import FeatureChange
from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..inversion.details import Details
from ..inversion.encoder import Encoder
from ..inversion.projected import Projected


class PhotographDetails:
    """What the latents of a photograph lose of it.

    Args:
        generator: the network with its links.
        details: of the network.
        photograph: [1, C, R, R] in [-1, 1].
        latents: [1, num_ws, w_dim], its inversion.
        labels: [1, c_dim].
    """

    def __init__(
        self, generator: LinkedGenerator, details: Details, photograph: Tensor, latents: Tensor, labels: Tensor
    ) -> None:
        self._details = details
        self._before = generator.rendering(latents, labels).image
        self._distortion = photograph.to(self._before) - self._before

    def change(self, after: Tensor) -> FeatureChange:
        """Return the change of the generator's feature maps for edits, [N, C, s, s] each.

        Args:
            after: [N, C, R, R], the images after the edits, without details.
        """
        before, distortion = (part.expand(len(after), -1, -1, -1) for part in (self._before, self._distortion))
        return self._details.change(distortion, before, after)


def details_for(generator: LinkedGenerator, projected: Projected, encoder: Encoder) -> Details:
    """Return the details of an encoder, for an inverted photograph.

    Args:
        generator: the network with its links.
        projected: the inversion, by any method that leaves the network as it is.
        encoder: of the network.
    Raises:
        LinkGANError: an encoder of another network or without details, an inversion that changed the network, or one
            without its photograph.
    """
    details = encoder.required_details
    encoder.check(generator.generator)
    if projected.tuned or projected.noise:
        raise LinkGANError(
            "details are of the network itself, and this inversion has "
            f"{'weights' if projected.tuned else 'noise maps'} of its own; invert the photograph with --method details"
        )
    if projected.photograph is None:
        raise LinkGANError(
            "this inversion comes without its photograph, which details are taken from; give the folder that `linkgan "
            "project` wrote"
        )
    return details
