"""LinkedGenerator: sample, resample, mix and interpolate an image by region, over any generator with a link spec."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from training_loops.formats.cameras import LABEL_DIM

from .calls.build import build_by_name
from .calls.features import FeatureChange, Features
from .calls.generator import GeneratorCalls
from .calls.random_state import check_seed
from .calls.rendering import Rendering
from .calls.styles import Styles
from .calls.volume import Volume
from .errors import LinkGANError
from .labels import Labels, no_labels
from .links import LinkSpec
from .network_links import SPEC_ATTRIBUTE, spec_of
from .perturb import replace_axes
from .regions.base import Scene


class Sample(NamedTuple):
    """Latents and their images.

    Attributes:
        latents: [N, num_ws, w_dim] in W, [N, 1, z_dim] in Z (the spec's space).
        images: [N, C, H, W], nominally in [-1, 1].
    """

    latents: Tensor
    images: Tensor


def build_linked(*, base_class_name: str, link_spec: Mapping[str, Any], **kwargs: Any) -> nn.Module:
    """Build the host's own generator and set the link spec on it as plain data.

    Hosts call this function through ``G_kwargs.class_name``. The network keeps the host's class, so its snapshots load
    in the plain host, without this package; the attribute is kept in G_ema, which hosts deep-copy.

    Args:
        base_class_name: dotted name of the host's generator class.
        link_spec: ``LinkSpec.to_json()``.
        kwargs: the host's arguments.
    Raises:
        LinkGANError: no class of that name.
    """
    generator: nn.Module = build_by_name(base_class_name, **kwargs)
    setattr(generator, SPEC_ATTRIBUTE, dict(link_spec))
    return generator


def seeded_z(seeds: Iterable[int], z_dim: int) -> Tensor:
    """Return float32 z [N, z_dim], one row per seed, the same as the hosts' image generation scripts draw.

    Raises:
        LinkGANError: a seed that is not in [0, 2^32), the range of NumPy's generator.
    """
    random = np.random.RandomState(0)  # constructing one takes 30 times as long as seeding it
    rows = []
    for seed in seeds:
        random.seed(check_seed(seed))
        rows.append(random.randn(z_dim))
    return torch.from_numpy(np.stack(rows)).to(torch.float32)


class LinkedGenerator:
    """A generator whose regions can be edited one by one. Every edit costs one synthesis forward.

    Noise and ray jitter are constant and the network does not change, so two renders differ only by the edit.

    Args:
        generator: any network with `mapping` and `synthesis`; its mode and device are not changed.
        spec: the links; by default the network's own.
        truncation_psi: truncation of every latent drawn here, 1 = none.
        labels: classes or cameras of seeds, which conditional networks need (see labels.py: `labels_from`,
            `constant_labels`, or `no_labels` for zeros).

    Raises:
        LinkGANError: no labels for a conditional network, or a spec of another network.

    Example:
        >>> g = LinkedGenerator(load_snapshot("network-snapshot-000100.pt").G_ema)     # doctest: +SKIP
        >>> faces = g.sample([0, 1, 2])                                                # doctest: +SKIP
        >>> edited = g.resample(faces.latents, "eyes", seed=7)                         # doctest: +SKIP
    """

    def __init__(
        self,
        generator: nn.Module,
        spec: LinkSpec | None = None,
        *,
        truncation_psi: float = 1.0,
        labels: Labels | None = None,
    ) -> None:
        self.generator = generator
        self.spec = spec if spec is not None else spec_of(generator)
        self.calls = GeneratorCalls.of(generator)
        self.truncation_psi = truncation_psi
        self.device = next(iter(generator.parameters()), torch.zeros([])).device
        self._z_dim: int = getattr(generator, "z_dim")  # noqa: B009 (nn.Module types every attribute as a tensor)
        self._c_dim = int(getattr(generator, "c_dim", 0))
        if labels is None and self._c_dim:
            kind = "cameras" if self.is_3d_aware else "classes"
            zeros = "" if self.is_3d_aware else f", or no_labels({self._c_dim}) for zeros"  # zeros are no camera
            raise LinkGANError(
                f"this network takes labels of {self._c_dim} numbers, its {kind}; give labels=labels_from(data, "
                f"{self._c_dim}) or constant_labels(label) of linkgan_plugin.labels{zeros}"
            )
        self.label_source = labels or no_labels(0)
        dim = getattr(generator, f"{self.spec.space}_dim", None)
        if dim != self.spec.dim:
            raise LinkGANError(
                f"the link spec divides {self.spec.dim} axes but this network has {self.spec.space}_dim = {dim}"
            )
        self._blocks = dict(zip(self.spec.block_names, self.spec.axis_masks(device=self.device), strict=True))
        self._features: dict[int, Features] = {}

    def block(self, regions: str | Sequence[str]) -> Tensor:
        """Return bool [D]: the axes of one or several regions; `rest` is the axes in no link.

        Raises:
            LinkGANError: an unknown region (lists the known ones).
        """
        names = [regions] if isinstance(regions, str) else list(regions)
        if not names:
            raise LinkGANError(f"no region given; expected at least one of: {', '.join(self._blocks)}")
        for name in names:
            if name not in self._blocks:
                _ = self.spec[name]  # raises, with the nearest known name
        return torch.stack([self._blocks[name] for name in names]).any(dim=0)

    def replace(self, latents: Tensor, target: Tensor, block: Tensor) -> Tensor:
        """Take the axes in `block`, bool [D] or [N, D], from `target` and all others from `latents`, [N, L, D] each.

        The axes are those of the spec's basis where it has one; see `perturb.replace_axes`.
        """
        return replace_axes(latents, target, block, self.spec.basis)

    def axes(self, latents: Tensor) -> Tensor:
        """Return the axes that the spec divides, [..., D].

        Args:
            latents: [..., D].
        Returns:
            The coordinates of the latents in the spec's basis; without a basis, the latents themselves.
        """
        return latents if self.spec.basis is None else self.spec.basis.coordinates(latents)

    def labels(self, seeds: Iterable[int]) -> Tensor:
        """Return the labels of seeds, [N, c_dim] on the network's device.

        Raises:
            LinkGANError: the network takes labels of another size.
        """
        labels = self.label_source(list(seeds)).to(self.device)
        if labels.shape[1] != self._c_dim:
            raise LinkGANError(f"a label has {labels.shape[1]} numbers; this network takes {self._c_dim}")
        return labels

    def with_network(self, generator: nn.Module) -> LinkedGenerator:
        """Return the same links, truncation and labels over another network, such as a tuned copy of this one."""
        return type(self)(generator, self.spec, truncation_psi=self.truncation_psi, labels=self.label_source)

    @torch.no_grad()
    def draw(self, seeds: Iterable[int], labels: Tensor | None = None, psi: float | None = None) -> Tensor:
        """Return the latents of seeds, [N, num_ws, w_dim] in W or [N, 1, z_dim] in Z, without rendering them.

        Args:
            seeds: one for each latent, in [0, 2^32).
            labels: [N, c_dim] that W is conditioned on; by default those of the seeds.
            psi: truncation of these latents; by default the generator's.
        Raises:
            LinkGANError: another `psi` for latents in Z, which are truncated during rendering.
        """
        seeds = list(seeds)
        z = seeded_z(seeds, self._z_dim).to(self.device)
        if self.spec.space == "z":
            if psi not in (None, self.truncation_psi):
                raise LinkGANError(f"latents in Z are truncated during rendering; open the network with psi {psi:g}")
            return z.unsqueeze(1)
        psi = self.truncation_psi if psi is None else psi
        return self.calls.map(z, self.labels(seeds) if labels is None else labels, psi)

    def render(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Render latents to images [N, C, H, W].

        Args:
            latents: [N, L, D] as `draw` returns them.
            labels: [N, c_dim], the classes or cameras; by default those of seed 0 for every row.
        """
        return self.rendering(latents, labels).image

    @torch.no_grad()
    def rendering(self, latents: Tensor, labels: Tensor | None = None) -> Rendering:
        """Render latents [N, L, D] with labels [N, c_dim] as `render` does, with the depth of 3D-aware generators."""
        return self.rendering_with_gradients(latents, labels)

    def rendering_with_gradients(self, latents: Tensor, labels: Tensor | None = None) -> Rendering:
        """Render as `rendering` does, differentiable where gradients are enabled.

        Args:
            latents: [N, L, D] as `draw` returns them.
            labels: [N, c_dim], the classes or cameras; by default those of seed 0 for every row.
        """
        if labels is None:
            labels = self.labels([0]).expand(len(latents), -1)
        return self.calls.render_deterministic(self._ws(latents, labels), labels)

    def shifted(self, styles: Tensor | None) -> AbstractContextManager[None]:
        """Return a context in which every image is rendered with shifted styles (see `calls.styles`).

        Args:
            styles: [1 or N, S], added to the network's styles; None adds nothing.
        Raises:
            LinkGANError: the network has no style space.
        """
        return nullcontext() if styles is None else Styles(self.generator).shifted(styles.to(self.device))

    def detailed(self, change: FeatureChange | None) -> AbstractContextManager[None]:
        """Return a context in which every image is rendered with changed feature maps (see `calls.features`).

        Args:
            change: [1 or N, C, s, s], a gate and details for the network's maps of s x s; None changes nothing.
        Raises:
            LinkGANError: the network has no such maps.
        """
        if change is None:
            return nullcontext()
        size = change.detail.shape[-1]
        if size not in self._features:
            self._features[size] = Features(self.generator, size)
        return self._features[size].changed(change)

    @torch.no_grad()
    def view(self, latents: Tensor, labels: Tensor, camera: Tensor) -> Rendering:
        """Render the objects of `labels` [N, c_dim] from other cameras [N, c_dim].

        The result differs from `rendering` with these cameras for latents in Z, whose mapping depends on the camera.
        """
        if self.spec.space == "w":
            return self.rendering(latents, camera)
        return self.calls.render_deterministic(self._ws(latents, labels), camera)

    @contextmanager
    def rendered_at(self, side: int) -> Iterator[None]:
        """Render depth [N, 1, side, side] within the block, if the generator can render volumes at any size."""
        network, settings = self.generator, self.calls.settings
        if not self.calls.synthesis.accepts("neural_rendering_resolution"):
            yield
            return
        before = getattr(network, "neural_rendering_resolution", None)
        self.calls.settings = {**settings, "neural_rendering_resolution": side}
        try:
            yield
        finally:
            self.calls.settings = settings
            if isinstance(before, int):
                network.neural_rendering_resolution = before  # type: ignore[assignment]  # hosts keep the last size

    def volume(self, latents: Tensor, labels: Tensor) -> Volume:
        """Return the volume of an object, latents [1, L, D] and labels [1, c_dim]; LinkGANError for 2D generators."""
        return Volume(self.generator, self._ws(latents, labels))

    @property
    def is_3d_aware(self) -> bool:
        """Whether the generator renders depth, for cameras with eg3d's labels."""
        return self.calls.takes_camera and self._c_dim >= LABEL_DIM

    def scene(self, rendering: Rendering, labels: Tensor) -> Scene:
        """Return the input of regions for a rendering [N, ...] with labels [N, c_dim]."""
        return Scene(rendering.image, rendering.depth, labels if self.calls.takes_camera else None)

    def sample(self, seeds: Iterable[int]) -> Sample:
        """Draw and render one image per seed, each with its own label."""
        seeds = list(seeds)
        labels = self.labels(seeds)
        return self._rendered(self.draw(seeds, labels), labels)

    def resample(
        self, latents: Tensor, regions: str | Sequence[str], seed: int, labels: Tensor | None = None
    ) -> Sample:
        """Resample regions of latents [N, L, D], labels [N, c_dim]: all rows get the block of the sample of `seed`."""
        return self.mix(latents, self.draw([seed]).expand_as(latents), regions, labels)

    def mix(self, latents: Tensor, donor: Tensor, regions: str | Sequence[str], labels: Tensor | None = None) -> Sample:
        """Take regions from `donor`, all else from `latents`, both [N, L, D] as `draw` returns; labels [N, c_dim]."""
        return self._rendered(self.replace(latents, donor, self.block(regions)), labels)

    def interpolate(
        self,
        latents: Tensor,
        donor: Tensor,
        regions: str | Sequence[str],
        amount: float,
        labels: Tensor | None = None,
    ) -> Sample:
        """Interpolate some regions: w + amount (donor - w); 0 = latents, 1 = `mix`.

        Args:
            latents: [N, L, D], as `draw` returns them.
            donor: [N, L, D].
            regions: names of links, or `rest`.
            amount: 0 to 1; larger values extrapolate.
            labels: [N, c_dim]; see `render`.
        """
        return self._rendered(self.replace(latents, torch.lerp(latents, donor, amount), self.block(regions)), labels)

    def _rendered(self, latents: Tensor, labels: Tensor | None) -> Sample:
        return Sample(latents, self.render(latents, labels))

    def _ws(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Return the ws [N, num_ws, w_dim] of latents [N, L, D] in the links' space."""
        return latents if self.spec.space == "w" else self.calls.map(latents.squeeze(1), labels, self.truncation_psi)
