"""LinkGANLoss: wraps the host's own loss and adds the link regularizer to the generator's gradients on a schedule."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from . import registry
from .calls.build import build_by_name
from .calls.choose import host_for
from .calls.clock import StepClock
from .calls.generator import HostCall
from .calls.random_state import own_random_state
from .calls.rendering import Rendering
from .change import beyond_thumbnail
from .errors import LinkGANError
from .links import LinkSpec
from .mixing import Mixer
from .perturb import replace_axes
from .recipes import Recipe
from .regions.base import Scene
from .regularizer import (
    MIN_PIXELS,
    Penalty,
    Perturbations,
    SquaredChange,
    assign_perturbations,
    block_perturbations,
    complement_perturbations,
    penalty,
    squared_change,
    with_leaks,
)
from .segmentation.named import add as add_named


class LinkGANLoss:
    """A drop-in replacement for a host's loss: the host's unchanged gradients, then the regularizer's.

    The host's loop builds it by dotted name and calls `accumulate_gradients` as for its own loss. All random numbers
    drawn here are from separate generators, seeded by (process seed, optimizer step), so the host's random state never
    changes, and a resumed run draws the same numbers as an uninterrupted one.

    Args:
        device: device passed by the host; None (R3GAN) for the generator's device.
        link_spec: the spec, as from ``LinkSpec.to_json()``.
        recipe: options of `Recipe`, as from ``Recipe.to_json()``.
        start_nimg: number of images before links take effect: the recipe's `start` times the images of the run.
        base_class_name: dotted name of the host's own loss.
        base_kwargs: the host's own loss settings (r1_gamma, pl_weight, ...).
        named: the segmentation networks that the user named for this run, as from `segmentation.named.chosen`.
        networks: all other arguments of the host's loop (G or G_mapping and G_synthesis, D, augment_pipe, ...).
    Raises:
        LinkGANError: a malformed spec or recipe, an unknown loss or perturbation, a spec that does not fit G.
    """

    def __init__(
        self,
        device: torch.device | str | None = None,
        *,
        link_spec: Mapping[str, Any],
        recipe: Mapping[str, Any],
        start_nimg: int = 0,
        base_class_name: str,
        base_kwargs: Mapping[str, Any] | None = None,
        named: Mapping[str, Any] | None = None,
        **networks: Any,
    ) -> None:
        if named:
            add_named(named)
        self.spec = LinkSpec.from_json(link_spec)
        self.recipe = Recipe.from_json(recipe)
        self.start_nimg = start_nimg
        given = {} if device is None else {"device": device}
        self.base = build_by_name(base_class_name, **given, **networks, **(base_kwargs or {}))
        self.host = host_for(self.base, networks)
        self.device = self.host.calls.device if device is None else torch.device(device)
        self.perturb = registry.load("perturbations", self.recipe.perturb)
        self.perturbations = self._make_perturbations()
        self._static = all(link.region.static for link in self.spec.links)
        self._always: list[list[bool]] | None = None  # see `_counted`
        self.clock = StepClock(self.host)
        self._progress: dict[str, int] = {}
        self._seed: int | None = None
        self._check_recipe()
        self._check_space()
        self._check_regions()

    def __getattr__(self, name: str) -> Any:
        # Hosts read settings of their loss during training; forward them to the base loss.
        if name == "base":
            raise AttributeError(name)
        return getattr(self.base, name)

    def _make_perturbations(self) -> Perturbations:
        make = block_perturbations if self.recipe.perturbations == "blocks" else complement_perturbations
        return make(self.spec, lambda_in=self.recipe.lambda_in, lambda_out=self.recipe.lambda_out, device=self.device)

    def _check_recipe(self) -> None:
        """Reject settings that do not fit the host's images."""
        weighed = [name for name in ("depth", "raw") if getattr(self.recipe, name)]
        if weighed and not self.host.calls.takes_camera:
            raise LinkGANError(
                f"link {weighed[0]} is for 3D-aware generators; this one only renders images, set it to 0"
            )
        side = self.host.calls.resolution
        if side is not None and self.recipe.thumbnail >= side:
            raise LinkGANError(
                f"link thumbnail is {self.recipe.thumbnail} but images are {side} x {side}; "
                f"expected a smaller thumbnail, such as {side // 4}"
            )

    def _check_space(self) -> None:
        """Reject a spec of another latent space."""
        space, calls = self.spec.space, self.host.calls
        if space == "w" and not calls.has_w:
            raise LinkGANError("this generator has no intermediate latent space W; link its z with --link-space z")
        dim = calls.dim(space)
        if dim not in (None, self.spec.dim):
            raise LinkGANError(
                f"the link spec divides {self.spec.dim} axes but this generator has {space}_dim = {dim}; "
                f"write the links for {dim} axes"
            )

    def _check_regions(self) -> None:
        """Reject static regions that are too small to be trained in any step."""
        side = self.host.calls.resolution
        if side is None:
            return
        scene = Scene(torch.zeros([1, 1, side, side]))
        for link in self.spec.links:
            if link.region.static and (covered := float(link.region.mask(scene).sum())) < MIN_PIXELS:
                raise LinkGANError(
                    f"link '{link.name}' covers {covered:.2g} pixels of images of {side} x {side}; expected at least "
                    f"{MIN_PIXELS:g}, make its region larger"
                )

    # The host's contract

    def begin_step(self, cur_nimg: int) -> None:
        """Record the number of images that the run has seen; called by a line inserted in hosts like R3GAN."""
        self._progress = {"cur_nimg": cur_nimg}

    def accumulate_gradients(self, phase: str, **call: Any) -> None:
        """Call the host's loss for this phase, then add the regularizer's gradients if they are due.

        Args:
            phase: the host's phase name.
            call: the host's other keyword arguments, passed on unchanged. Used here: `gen_z` [N, z_dim], `gen_c`
                [N, c_dim], `gain`, and depending on the dialect `sync` or `cur_nimg`.
        """
        self._remember_seed()
        self.clock.tick(phase, {**self._progress, **call})
        if self.clock.nimg < self.start_nimg:
            self.base.accumulate_gradients(phase=phase, **call)
        else:
            self._accumulate_with_links(phase, call)

    def _accumulate_with_links(self, phase: str, call: Mapping[str, Any]) -> None:
        with self.host.calls.record_host_call() as host_call, self._mixed(phase):
            self.base.accumulate_gradients(phase=phase, **call)
        due = self.clock.step(phase) % self.recipe.interval == 0
        if due and self.host.is_generator_phase(phase, self.recipe.phase):
            self._accumulate_link(phase, call, host_call)

    def state_dict(self) -> dict[str, Any]:
        """Return the state for resuming exactly: counts, the process seed, and the base loss's own state."""
        base = self.base.state_dict() if hasattr(self.base, "state_dict") else {}
        return {**self.clock.state_dict(), "seed": self._seed, "base": base}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict()`."""
        self.clock.load_state_dict(state)
        self._seed = state["seed"]
        if hasattr(self.base, "load_state_dict"):
            self.base.load_state_dict(state["base"])

    # The regularizer

    def _accumulate_link(self, phase: str, call: Mapping[str, Any], host_call: HostCall) -> None:
        """Add the gradients of Eq. 5-6; with weight 0, only report statistics."""
        z = call["gen_z"]
        labels, cameras = (_of_batch(seen, len(z)) for seen in (host_call.labels, host_call.cameras))
        c = call.get("gen_c", labels)  # R3GAN conditions on the labels of its real images
        # The host may use other labels for mapping (eg3d swaps poses at random) and rendering (PanoHead moves cameras).
        labels, cameras = (c if seen is None else seen for seen in (labels, cameras))
        gain = self.recipe.weight * (self.recipe.interval if self.recipe.lazy_gain else 1) * call.get("gain", 1)
        active = self.recipe.weight > 0
        with own_random_state(self.device), torch.set_grad_enabled(active), self.host.gradient_sync(call):
            result = self._penalty(phase, z, labels, cameras)
            if active:
                result.loss.mul(gain).backward()
        self._report(result)

    def _penalty(self, phase: str, z: Tensor, labels: Tensor | None, camera: Tensor | None) -> Penalty:
        """Return the regularizer on z [N, z_dim], mapped with labels and rendered with cameras, [N, c_dim] each."""
        recipe = self.recipe
        count = max(1, round(len(z) * recipe.batch))
        z, labels, camera = z[:count], _first(labels, count), _first(camera, count)
        random = self._random("link", phase)
        chosen = assign_perturbations(len(self.perturbations), count, recipe.per_sample, random, self.device)
        ws, perturbed_ws = self._latents(z, labels, self.perturbations.axes[chosen], random)
        reference, perturbed = self.host.calls.render_pairs(
            ws, perturbed_ws, camera, detached=recipe.reference == "detached"
        )
        # [M, 1 or N, 1, H, W]: one mask for all images, or one for each.
        regions = self.spec.region_masks(self._scene(reference.each(Tensor.detach), camera))
        masks, absent = self.perturbations.effect_masks(regions, chosen), self.perturbations.absent(regions)
        change = self._squared_change(reference, perturbed, masks, self.perturbations.rest[chosen])
        absent = absent.expand(-1, count).gather(0, chosen)
        return penalty(change, chosen, self.perturbations, recipe.form, recipe.rest_floor, absent)

    def _squared_change(self, reference: Rendering, perturbed: Rendering, masks: Tensor, rest: Tensor) -> SquaredChange:
        """Return the change of the image, with leaks of depth and the raw image if the recipe has weights for them."""
        recipe = self.recipe
        change = self._image_change(reference.image, perturbed.image, masks, rest)
        leaks = []
        if recipe.raw and reference.raw is not None and perturbed.raw is not None:
            small = _resized(masks, reference.raw)
            leaks.append((recipe.raw, self._image_change(reference.raw, perturbed.raw, small, rest)))
        if recipe.depth and reference.depth is not None and perturbed.depth is not None:
            small = _resized(masks, reference.depth)
            leaks.append((recipe.depth, squared_change(reference.depth, perturbed.depth, small)))
        return with_leaks(change, leaks) if leaks else change

    def _image_change(self, reference: Tensor, perturbed: Tensor, masks: Tensor, rest: Tensor) -> SquaredChange:
        """Return the change of images [N, C, H, W]; inside regions only beyond the recipe's thumbnail.

        Inside a region is the effect of its link, and the leak of the rest (bool [F, N]).
        """
        change = squared_change(reference, perturbed, masks)
        side = self.recipe.thumbnail
        if not side:
            return change
        structure = squared_change(beyond_thumbnail(reference, side), beyond_thumbnail(perturbed, side), masks)
        leak = torch.where(rest, structure.leak, change.leak)
        effect = torch.where(rest, change.effect, structure.effect)
        return SquaredChange(leak, effect, change.values)

    def _scene(self, rendering: Rendering, camera: Tensor | None) -> Scene:
        return Scene(rendering.image, rendering.depth, camera if self.host.calls.takes_camera else None)

    def _latents(
        self, z: Tensor, labels: Tensor | None, blocks: Tensor, random: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return ws [N, L, D] of z, and [F, N, L, D] with the axes `blocks` (bool [F, N, D]) of each perturbed."""
        per_sample, count = blocks.shape[:2]
        donor = torch.randn([per_sample, *z.shape], generator=random, device=z.device, dtype=z.dtype)
        labels = None if labels is None else labels.repeat(per_sample + 1, 1)  # of z and each donor
        if self.spec.space == "z":
            rows = z.unsqueeze(1).repeat(per_sample, 1, 1)
            perturbed = self._perturbed(rows, donor.flatten(0, 1).unsqueeze(1), blocks.flatten(0, 1), random)
            mapped = self.host.calls.map(torch.cat([z, perturbed.squeeze(1)]), labels)
            return mapped[:count], mapped[count:].unflatten(0, (per_sample, count))
        mapped = self.host.calls.map(torch.cat([z, donor.flatten(0, 1)]), labels)
        ws = mapped[:count]
        perturbed = self._perturbed(ws.repeat(per_sample, 1, 1), mapped[count:], blocks.flatten(0, 1), random)
        return ws, perturbed.unflatten(0, (per_sample, count))

    def _perturbed(self, latents: Tensor, donor: Tensor, block: Tensor, random: torch.Generator) -> Tensor:
        target = self.perturb(latents, donor, self.recipe.strength, random)
        return replace_axes(latents, target, block, self.spec.basis)

    def _remember_seed(self) -> int:
        """Return the process seed of the run's first step."""
        if self._seed is None:
            # Read late: loops seed each rank only after building networks and losses.
            self._seed = torch.initial_seed()
        return self._seed

    def _random(self, stream: str, phase: str) -> torch.Generator:
        """Return a generator that depends only on seed, phase, step and microbatch."""
        seed, step = self._remember_seed(), self.clock.step(phase)
        key = [seed, zlib.crc32(f"{stream}/{phase}".encode()), step, self.clock.round(phase)]
        drawn = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))
        return torch.Generator(device=self.device).manual_seed(drawn)

    def _report(self, result: Penalty) -> None:
        """Report ``Loss/link/loss``, and ``Loss/link/<name>/{leak,effect,share}`` of the assigned perturbations.

        Where regions differ per image also ``Loss/link/<name>/absent``, the share of images without the region.
        """
        self.host.report("Loss/link/loss", result.loss.detach())
        for row, (present, assigned) in enumerate(self._counted(result)):
            # A perturbation without samples reports no value, but its name: hosts sum statistics over ranks by the
            # order of names, so every rank must have the same ones.
            rows = slice(row, row + int(present))
            name = f"Loss/link/{self.perturbations.names[row]}"
            self.host.report(f"{name}/leak", result.leak[rows])
            self.host.report(f"{name}/effect", result.effect[rows])
            self.host.report(f"{name}/share", result.share[rows])
            if not self._static:
                self.host.report(f"{name}/absent", result.absent[row : row + int(assigned)])

    def _counted(self, result: Penalty) -> list[list[bool]]:
        """Return for each perturbation whether it is present, and whether it has samples.

        Fixed regions and enough images for all perturbations give the same answer in every step.
        """
        constant = self._static and result.images >= len(self.perturbations)
        if constant and self._always is not None:
            return self._always
        counted: list[list[bool]] = torch.stack([result.present, ~result.absent.isnan()]).T.tolist()  # waits for a GPU
        if constant:
            self._always = counted
        return counted

    def _mixed(self, phase: str) -> AbstractContextManager[None]:
        """Return the context in which the host's own losses get mixed samples, if the recipe enables mixing."""
        if self.recipe.mixing == 0 or self.recipe.weight == 0:
            return nullcontext()
        random = self._random("mix", phase)
        return Mixer(self.host.calls, self.spec, self.perturbations, self.perturb, self.recipe, random).attached()


def _resized(masks: Tensor, image: Tensor) -> Tensor:
    """Return masks [F, N, 1, H, W] at the size of an image [N, C, h, w]."""
    small = F.interpolate(masks.flatten(0, 1), size=image.shape[2:], mode="area")
    return small.unflatten(0, masks.shape[:2])


def _of_batch(seen: Tensor | None, count: int) -> Tensor | None:
    """Return labels that a host used for its whole batch; a part of the batch tells nothing of the others."""
    return seen if seen is not None and len(seen) == count else None


def _first(rows: Tensor | None, count: int) -> Tensor | None:
    return None if rows is None else rows[:count]
