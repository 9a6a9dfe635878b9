"""The options of `linkgan edit`, and which of them can be combined."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .consistent_options import check_consistent
from .edit_directions import check_directions
from .edit_mesh import check_mesh

if TYPE_CHECKING:
    from torch import Tensor

    from ..editing.arithmetic import Arithmetic
    from ..editing.editor import Editor

VIDEOS = (".mp4", ".gif")
SUFFIXES = (".png", *VIDEOS)

# Options that cannot be combined, and why.
CONFLICTS = {
    ("projections", "seeds"): "images are either inverted photographs or seeds",
    ("transplant", "variants"): "every --transplant is one variant",
    ("transplant", "donor_seed"): "regions are copied from other images or resampled",
    ("transplant", "consistent"): "the other images are given",
    ("transplant", "donor_psi"): "other images are used unchanged",
    ("arithmetic", "variants"): "every --arithmetic is one variant",
    ("arithmetic", "donor_seed"): "regions are copied from sums or resampled",
    ("arithmetic", "consistent"): "the sums are given",
    ("arithmetic", "donor_psi"): "sums are used unchanged",
    ("arithmetic", "directions"): "regions move along directions or are copied from sums",
    ("layers", "directions"): "a direction has layers of its own",
    ("path", "directions"): "directions are straight, or bent by themselves",
    ("directions", "transplant"): "regions move along directions or are copied from other images",
    ("directions", "variants"): "directions are not sampled",
    ("directions", "consistent"): "directions have no donor",
    ("directions", "donor_seed"): "directions have no donor",
    ("directions", "donor_psi"): "directions have no donor",
    ("plain", "cell"): "--plain keeps the size of the image",
    ("contact", "plain"): "a contact sheet shows many images, --plain writes one",
    ("mesh", "paste"): "a mesh is the generator's object, not a photograph",
    ("mesh", "encoder"): "details of a photograph are in the image, not in the object",
}


@dataclass(frozen=True)
class EditRequest:
    """The command line of `linkgan edit`.

    Attributes:
        snapshot: the network's file.
        host: the folder with the train.py of a .pkl; None for our own classes.
        wrapper: name of the generator wrapper plugin.
        psi: truncation psi of all images.
        links: links instead of the network's own; () for its own.
        link_space: their latent space, w or z; None for w where there is one.
        link_overlap: let their regions share pixels.
        data: data set with the classes or cameras to use.
        number: class of all images; None for those of the data.

        seeds: images to edit.
        projections: photographs to edit instead; () for the seeds.
        encoder: file of an encoder with the details of these photographs; None for images without.
        regions: regions that are edited, one after another; () for each of the links.

        donor_seed: seed of the first new sample.
        variants: number of new samples, from 1.
        donor_psi: their truncation psi; None for that of all images.
        consistent: each new sample is the best of this many; None for the first.
        consistent_by: how they are compared, `rest` or `critic`.
        transplant: images to take the regions from instead, seeds or projections.
        arithmetic: sums of seeds' latents to take the regions from instead.
        layers: the layers that change; None for all.
        path: the way to new samples and other images, `linear` or `spherical`.
        directions: to move along instead: files, or the number of a region's own strongest directions; () for none.
        direction: those of the files, as numbers or names; () for all.
        amount: how far along each direction of the files, in standard deviations.
        strength: strength of the edit, 1 for the full edit.
        interpolate: add intermediate steps.

        paste: keep an image's own pixels outside the regions.
        feather: width of the seam in pixels; None for a 16th of the image.
        contact: a contact sheet of the variants of one region of one image.
        plain: write only the edited image, at its own size.
        cell: approximate size of an image in a sheet or video, in pixels.
        mesh: also write meshes of the objects, before and after every edit, to files named after this; None for none.
        mesh_size: points of their lattice along a side of the volume.
        mesh_level: density on their surfaces, before the host's softplus.
        out: the file to write, one of `SUFFIXES`.
        force: overwrite it.
    """

    snapshot: Path
    host: Path | None
    wrapper: str
    psi: float
    links: tuple[str, ...]
    link_space: str | None
    link_overlap: bool
    data: Path | None
    number: int | None

    seeds: list[int]
    projections: tuple[Path, ...]
    encoder: Path | None
    regions: tuple[str, ...]

    donor_seed: int
    variants: int
    donor_psi: float | None
    consistent: int | None
    consistent_by: str
    transplant: tuple[int | Path, ...]
    arithmetic: tuple[Arithmetic, ...]
    layers: list[int] | None
    path: str
    directions: tuple[int | Path, ...]
    direction: tuple[str, ...]
    amount: list[float]
    strength: float
    interpolate: bool

    paste: bool
    feather: float | None
    contact: bool
    plain: bool
    cell: int
    mesh: Path | None
    mesh_size: int
    mesh_level: float
    out: Path
    force: bool

    @property
    def suffix(self) -> str:
        """The suffix of the output file, in lower case."""
        return self.out.suffix.lower()

    @property
    def is_video(self) -> bool:
        """Whether the output is a video."""
        return self.suffix in VIDEOS

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of directions."""
        return tuple(item for item in self.directions if isinstance(item, Path))

    @property
    def strongest(self) -> int | None:
        """The number of a region's own strongest directions, None for none."""
        return next((item for item in self.directions if isinstance(item, int)), None)

    def samples(self, given: dict[str, str]) -> int:
        """Return the number of new samples, given the flags that were typed."""
        return 1 if self.plain and "variants" not in given else self.variants

    def shown(self, editor: Editor) -> Tensor:
        """Return the image [1, C, H, W] to draw for an editor."""
        return editor.pasted(self.feather) if self.paste else editor.image()

    def check(self, given: dict[str, str]) -> None:
        """Reject options that cannot be combined, before anything is loaded.

        Args:
            given: what was typed, as `typed_flags` returns it.
        Raises:
            click.UsageError: names the options.
        """
        for (first, second), reason in CONFLICTS.items():
            if first in given and second in given:
                raise click.UsageError(f"{given[first]} and {given[second]} do not go together: {reason}")
        if self.suffix not in SUFFIXES:
            raise click.UsageError(f"--out {self.out}: expected a name that ends in {', '.join(SUFFIXES)}")
        if self.feather is not None and not self.paste:
            raise click.UsageError("--feather is the seam of --paste; give both or neither")
        if self.encoder is not None and not self.projections:
            raise click.UsageError("--encoder brings back the details of a photograph: give its --projection too")
        check_consistent(given)
        check_directions(self, given)
        check_mesh(self, given)
        if self.strongest and (not self.regions or any(name == "all" or "+" in name for name in self.regions)):
            raise click.UsageError("--directions works on single regions: give each its own --region")
        if self.contact and self.is_video:
            raise click.UsageError(f"--contact is an image; write it to a .png instead of {self.out.name}")
        self._check_single_image()
        if self.plain and self.suffix == ".png" and not self.files:
            edits = 2 * (self.strongest or 0) or len(self.transplant) + len(self.arithmetic) or self.samples(given)
            if edits > 1 or self.interpolate:
                raise click.UsageError("--plain writes one edit as .png; ask for one, or write a .gif or .mp4")

    def _check_single_image(self) -> None:
        images = len(self.projections or self.seeds)
        single = len(self.regions) == 1 or (bool(self.files) and not self.regions)
        for name, asked in (("contact", self.contact), ("plain", self.plain)):
            if asked and (images != 1 or not single):
                raise click.UsageError(
                    f"--{name} shows one region of one image, not {len(self.regions) or 'all'} of {images}; "
                    "give one --region (eyes+mouth edits both together) and one --seeds or --projection"
                )
