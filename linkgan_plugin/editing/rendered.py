"""`RenderedEdits`: the images of one image's edits, and the regions that they changed."""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor

from ..calls.rendering import Rendering
from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..inversion.details import Details
from .detailed import PhotographDetails
from .edits import Edits
from .meshes import LEVEL, SIZE, Mesh, surface
from .paste import feathered, paste
from .states import State

KEPT = 16  # rendered images in memory


class RenderedEdits(Edits):
    """Edits with the images before and after them; the latest are kept, so that undo and redo render nothing.

    Args:
        generator: the network with its links.
        latents: [1, num_ws, w_dim] in W or W+, [1, 1, z_dim] in Z (the links' space): the image at the start.
        labels: [1, c_dim], its class or camera; by default that of seed 0.
        photograph: [1, C, H, W] in [-1, 1], the photograph that the latents are an inversion of.
        source: the network whose samples determine a region's directions; by default `generator`.
        details: of the network; with them, every image keeps what the latents lose of the photograph.
    Raises:
        LinkGANError: latents or labels of another network, or details without a photograph.
    """

    def __init__(
        self,
        generator: LinkedGenerator,
        latents: Tensor,
        labels: Tensor | None = None,
        *,
        photograph: Tensor | None = None,
        source: LinkedGenerator | None = None,
        details: Details | None = None,
    ) -> None:
        super().__init__(generator, latents, labels, source=source)
        self.photograph = None if photograph is None else photograph.to(generator.device, torch.float32)
        self._details: PhotographDetails | None = None
        if details is not None:
            if self.photograph is None:
                raise LinkGANError("details are taken from a photograph; give it too")
            self._details = PhotographDetails(generator, details, self.photograph, self.start, self.labels)
        self._images: OrderedDict[tuple[bytes, ...], Rendering] = OrderedDict()

    def image(self, camera: Tensor | None = None) -> Tensor:
        """Return the current image, [1, C, H, W], nominally in [-1, 1]. It is shared: do not write to it.

        Args:
            camera: [1, c_dim], for 3D-aware generators: another camera.
        """
        return self.rendering(camera).image

    def rendering(self, camera: Tensor | None = None) -> Rendering:
        """Return the current image, with the depth of 3D-aware generators; `camera` [1, c_dim] as for `image`."""
        return self._image(self._states[self._now], camera)

    def original(self) -> Tensor:
        """Return the image at the start, [1, C, H, W]; for a photograph, the generator's image of its inversion."""
        return self._image(self._states[0]).image

    def depth(self, camera: Tensor | None = None) -> Tensor:
        """Return the depth of a 3D-aware generator's current object at the image's size, [1, 1, H, H] in world units.

        Args:
            camera: [1, c_dim]: another camera.
        Raises:
            LinkGANError: a 2D generator.
        """
        side = self.original().shape[-1]
        with self.generator.rendered_at(side):
            depth = self._rendered(self._states[self._now], camera).depth
        if depth is None:
            raise LinkGANError("this network renders no depth; only 3D-aware networks do")
        return F.interpolate(depth, [side, side], mode="nearest") if depth.shape[-1] != side else depth

    def mesh(self, size: int = SIZE, level: float = LEVEL) -> Mesh:
        """Return the surface of the current object of a 3D-aware generator, with its colours.

        Args:
            size: points of the lattice along a side of the volume.
            level: density on the surface, before the host's softplus.
        Raises:
            LinkGANError: a 2D generator, or as for `meshes.surface`.
        """
        state = self._states[self._now]
        with self.generator.shifted(state.styles):
            return surface(self.generator.volume(state.latents, self.labels), size, level)

    def difference(self) -> Tensor:
        """Return the mean absolute change of each pixel since the start, [H, W]; images are in [-1, 1]."""
        return (self.image() - self.original()).abs().mean(dim=(0, 1))

    def masks(self) -> dict[str, Tensor]:
        """Return the masks of the blocks in the current image, [H, W] in [0, 1] each."""
        return self._masks(self._states[self._now])

    def pasted(self, feather: float | None = None) -> Tensor:
        """Return the image with the photograph's own pixels outside the edited regions, [1, C, H, W].

        Without a photograph, the image at the start is used. Regions are the union of their masks before and after.

        Args:
            feather: width in pixels of the seam around the regions; pixels beyond it are the photograph's to the bit.
                By default a 16th of the image's width.
        """
        ground = self.original() if self.photograph is None else self.photograph
        return paste(ground, self.image(), feathered(self.edited_mask(), feather))

    def edited_mask(self) -> Tensor:
        """Return how much of each pixel the edited regions cover, at the start or now: [H, W] in [0, 1]."""
        before, now = self._masks(self._states[0]), self.masks()
        covered = [torch.maximum(before[name], now[name]) for name in self.edited()]
        return torch.stack(covered).amax(dim=0) if covered else torch.zeros_like(next(iter(now.values())))

    def _image(self, state: State, camera: Tensor | None = None) -> Rendering:
        """Render a state, or return its cached image."""
        parts = (state.latents, state.styles, camera)
        key = tuple(b"" if part is None else part.cpu().numpy().tobytes() for part in parts)
        if key not in self._images:
            self._images[key] = self._rendered(state, camera)
            if len(self._images) > KEPT:
                self._images.popitem(last=False)
        self._images.move_to_end(key)
        return self._images[key]

    def _rendered(self, state: State, camera: Tensor | None) -> Rendering:
        if camera is None:
            with self.generator.shifted(state.styles):
                plain = self.generator.rendering(state.latents, self.labels)
                if self._details is None:
                    return plain
                with self.generator.detailed(self._details.change(plain.image)):
                    return self.generator.rendering(state.latents, self.labels)
        if not self.generator.calls.takes_camera:
            raise LinkGANError("this network has no camera; only 3D-aware networks have one")
        with self.generator.shifted(state.styles):
            return self.generator.view(state.latents, self.labels, self._checked_labels(camera))

    def _masks(self, state: State) -> dict[str, Tensor]:
        scene = self.generator.scene(self._image(state), self.labels)
        masks = self.generator.spec.region_masks(scene)
        return {name: mask[0, 0] for name, mask in zip(self.generator.spec.block_names, masks, strict=True)}
