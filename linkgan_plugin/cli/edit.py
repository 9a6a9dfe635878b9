"""`linkgan edit`: redraw regions of generated images or of photographs; writes a sheet, a picture or a video."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .network_options import check_labels, check_links, class_option, host_option, links_options
from .params import SEEDS, check_out, command_line, existing_file, existing_path, force_option, typed_flags

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..editing.editor import Editor
    from ..editing.trials import Group, Trial
    from ..generators import LinkedGenerator

VIDEOS = (".mp4", ".gif")
SUFFIXES = (".png", *VIDEOS)
STRIP = (0.25, 0.5, 0.75, 1.0)  # shares of the way that a strip shows

# Options that contradict each other, and why.
CONFLICTS = {
    ("projections", "seeds"): "images are either projected photographs or seeds",
    ("transplant", "variants"): "every --transplant is one variant",
    ("transplant", "donor_seed"): "regions come from other images or from new samples",
    ("transplant", "donor_psi"): "other images are taken as they are",
    ("directions", "transplant"): "regions go along their own directions or to other images",
    ("directions", "variants"): "a direction has two ends",
    ("directions", "donor_seed"): "directions have no donor",
    ("directions", "donor_psi"): "directions have no donor",
    ("plain", "cell"): "a plain image keeps its own size",
    ("contact", "plain"): "a contact sheet shows many pictures, --plain is one",
}


class Donor(click.ParamType):
    """An image to take regions from: its seed, or the folder or the latents of a projection."""

    name = "seed|dir"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | Path:
        """Return the seed or the path."""
        if str(value).isdecimal():
            return int(value)
        if Path(value).exists():
            return Path(value)
        return self.fail(f"{value!r} is neither a seed nor a projection; make one with `linkgan project`", param, ctx)


@click.command(
    epilog="""\b
Examples:
  linkgan edit network-snapshot-000100.pt --region eyes --seeds 0-7 --out sheet.png
  linkgan edit network-snapshot-000100.pt --region eyes+mouth --region rest --donor-seed 5 --out sheet.png
  linkgan edit network-snapshot-000100.pt --region eyes --seeds 3 --variants 30 --contact --out contact.png
  linkgan edit network-snapshot-000100.pt --region eyes --seeds 3 --transplant 8 --strength 0.7 --out sheet.png
  linkgan edit network-snapshot-000100.pt --region mouth --seeds 0-3 --directions 3 --out directions.png
  linkgan edit network-snapshot-000100.pt --region eyes --region mouth --seeds 0-5 --out edit.mp4
  linkgan edit network-snapshot-000100.pt --projection projections/me --paste --region eyes --out me.png
  linkgan edit network-snapshot-000200.pkl --host ~/stylegan3 --region eyes --out sheet.png
"""
)
@click.argument("snapshot", type=existing_file)
@click.option("--region", "regions", multiple=True, help="Region to move (repeat for several), eyes+mouth, rest, all.")
@click.option("--seeds", type=SEEDS, default="0-7", show_default=True, help="Images to edit: 0-7 or 1,5,9.")
@click.option(
    "--projection",
    "projections",
    type=existing_path,
    multiple=True,
    help="Photograph to edit instead: its folder, or latents (.npz, .npy, .pt).",
)
@click.option("--donor-seed", type=click.IntRange(0), default=10_000, show_default=True, help="Seed of variant 1.")
@click.option("--variants", type=click.IntRange(1), default=4, show_default=True, help="How many new samples.")
@click.option("--donor-psi", type=float, help="Truncation psi of the new samples alone.")
@click.option(
    "--transplant", type=Donor(), multiple=True, help="Take the region from this image, a seed or a projection."
)
@click.option("--directions", type=click.IntRange(1), help="Go along this many of the region's strongest directions.")
@click.option(
    "--strength", type=float, default=1.0, show_default=True, help="How far: 1 all the way, more exaggerates."
)
@click.option("--paste", is_flag=True, help="Keep the photograph's (or the image's) own pixels outside the regions.")
@click.option("--feather", type=click.FloatRange(0), help="Width of the pasted seam in pixels; a 16th of the image.")
@click.option("--interpolate", is_flag=True, help="Show the way there as well (.mp4 and .gif always do).")
@click.option("--contact", is_flag=True, help="A contact sheet of the variants of one region of one image.")
@click.option("--plain", is_flag=True, help="Nothing but the edited image, in its own size.")
@click.option("--psi", type=float, default=1.0, show_default=True, help="Truncation psi.")
@links_options
@click.option("--data", type=existing_path, help="Data set to take classes or cameras from.")
@class_option
@click.option("--wrapper", default="linked", show_default=True, help="Generator wrapper plugin.")
@click.option("--cell", type=click.IntRange(16), default=96, show_default=True, help="About the size of an image.")
@host_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help=".png, .mp4 or .gif.")
@force_option
@click.pass_context
def edit(
    ctx: click.Context,
    snapshot: Path,
    regions: tuple[str, ...],
    seeds: list[int],
    projections: tuple[Path, ...],
    donor_seed: int,
    variants: int,
    donor_psi: float | None,
    transplant: tuple[int | Path, ...],
    directions: int | None,
    strength: float,
    paste: bool,
    feather: float | None,
    interpolate: bool,
    contact: bool,
    plain: bool,
    psi: float,
    links: tuple[str, ...],
    link_space: str | None,
    link_overlap: bool,
    data: Path | None,
    number: int | None,
    wrapper: str,
    cell: int,
    host: Path | None,
    out: Path,
    force: bool,
) -> None:
    """Move regions of images, in a sheet: one row per image, variants side by side, then a map of what changed.

    Images are seeds or projected photographs; regions go to new samples, to other images or along their strongest
    directions. The suffix of --out says what is written: a picture or a video. It carries the command, the seeds and
    the link spec.
    """
    given = typed_flags()
    check_links()
    check_labels()
    _check(given, ctx.params)
    check_out(out, force)

    from .. import registry
    from ..editing.conditions import photograph_label
    from ..editing.editor import Editor
    from ..editing.projected import load_projected
    from ..editing.trials import Group, in_parts, resamples, slides, transplants
    from ..networks import load_network
    from ..report.pictures import check_channels
    from ..report.provenance import provenance

    network = load_network(snapshot, host=host)
    check_channels(int(getattr(network.generator, "img_channels", 3)))
    spec, labels = network.linked(links, space=link_space, allow_overlap=link_overlap), network.labels(data, number)
    label = photograph_label(network.generator, labels)  # of a host's projections, which do not say theirs
    generator = registry.load("generators", wrapper)(network.generator, spec, truncation_psi=psi, labels=labels)
    groups = [Group.read(region, generator.spec) for region in regions or generator.spec.block_names]
    if directions:
        _find_directions(generator, groups)
        trials = slides(directions, reach=2 * strength)
    elif transplant:
        donors = [(_donor_name(donor), _donor(donor, network.generator, label)) for donor in transplant]
        trials = transplants(donors, strength=strength)
    else:
        count = 1 if plain and "variants" not in given else variants
        trials = resamples(range(donor_seed, donor_seed + count), strength=strength, psi=donor_psi)
    if interpolate and out.suffix.lower() == ".png":
        trials = in_parts(trials, STRIP)
    if projections:
        found = [load_projected(path, network.generator, label) for path in projections]
        editors = [Editor.of_projected(generator, projected) for projected in found]
    else:
        editors = [Editor.of_seed(generator, seed) for seed in seeds]

    def shown(editor: Editor) -> Tensor:
        return editor.pasted(feather) if paste else editor.image()

    metadata = provenance(
        command_line(),
        generator.spec,
        seeds=None if projections else ",".join(map(str, seeds)),
        projections=[str(path) for path in projections] or None,
        donor_seed=None if transplant or directions else str(donor_seed),
        edits=[trial.name for trial in trials],
    )
    if out.suffix.lower() in VIDEOS:
        _write_video(out, editors, groups, trials, metadata, shown=shown, cell=cell, plain=plain)
    elif plain:
        _write_plain(out, editors[0].after(trials[0].step(groups[0].regions)), metadata, shown)
    else:
        _write_sheet(out, editors, groups, trials, metadata, shown=shown, cell=cell, contact=contact, given=given)


def _check(given: dict[str, str], options: dict[str, Any]) -> None:
    """Refuse options that do not go together, before anything is loaded."""
    for (first, second), reason in CONFLICTS.items():
        if first in given and second in given:
            raise click.UsageError(f"{given[first]} and {given[second]} do not go together: {reason}")
    suffix, regions = options["out"].suffix.lower(), options["regions"]
    if suffix not in SUFFIXES:
        raise click.UsageError(f"--out {options['out']}: expected a name that ends in {', '.join(SUFFIXES)}")
    if options["feather"] is not None and not options["paste"]:
        raise click.UsageError("--feather is the seam of --paste; give both or neither")
    if options["directions"] and (not regions or any(name == "all" or "+" in name for name in regions)):
        raise click.UsageError("--directions are those of single regions: name each with a --region of its own")
    if options["contact"] and suffix in VIDEOS:
        raise click.UsageError(f"--contact is a picture; write it to a .png instead of {options['out'].name}")
    images = len(options["projections"] or options["seeds"])
    for name in ("contact", "plain"):
        if options[name] and (images != 1 or len(regions) != 1):
            raise click.UsageError(
                f"--{name} shows one region of one image, not {len(regions) or 'all'} of {images}; "
                "give one --region (eyes+mouth moves two at once) and one --seeds or --projection"
            )
    if options["plain"] and suffix == ".png":
        variants = options["variants"] if "variants" in given else 1
        edits = 2 * (options["directions"] or 0) or len(options["transplant"]) or variants
        if edits > 1 or options["interpolate"]:
            raise click.UsageError("--plain writes one edit as .png; ask for one, or write a .gif or .mp4")


def _donor_name(donor: int | Path) -> str:
    return f"seed {donor}" if isinstance(donor, int) else donor.stem if donor.suffix else donor.name


def _donor(donor: int | Path, generator: nn.Module, label: Tensor | None) -> int | Tensor:
    if isinstance(donor, int):
        return donor
    from ..editing.projected import load_projected

    return load_projected(donor, generator, label).latents


def _find_directions(generator: LinkedGenerator, groups: list[Group]) -> None:
    """Find directions where it can be watched; they are kept for every image."""
    from tqdm import tqdm

    from ..editing.directions import directions_of

    for group in groups:
        (region,) = group.regions
        directions_of(generator, region, progress=lambda seeds, name=region: tqdm(seeds, name, disable=None))


def _write_video(
    out: Path, editors: list[Editor], groups: list[Group], trials: list[Trial], metadata: dict[str, str], **looks: Any
) -> None:
    from tqdm import tqdm

    from ..report.video import count_frames, trial_frames, write_video

    total = count_frames(groups, trials)
    frames = trial_frames(editors, groups, trials, **looks)
    write_video(out, tqdm(frames, "frames", total, disable=None), metadata)
    click.echo(f"wrote {out} ({total} frames)")


def _write_plain(out: Path, editor: Editor, metadata: dict[str, str], shown: Any) -> None:
    """Write the edited image, with the edits that `Editor.from_json` does again."""
    import json

    from ..report.pictures import save_png, to_pixels

    pixels = to_pixels(shown(editor))[0]
    save_png(out, pixels, {**metadata, "editor": json.dumps(editor.to_json(), allow_nan=False)})
    click.echo(f"wrote {out} ({pixels.shape[1]} x {pixels.shape[0]})")


def _write_sheet(
    out: Path,
    editors: list[Editor],
    groups: list[Group],
    trials: list[Trial],
    metadata: dict[str, str],
    *,
    contact: bool,
    given: dict[str, str],
    **looks: Any,
) -> None:
    from tqdm import tqdm

    from ..report.pictures import save_png
    from ..report.sheet import contact_sheet, trial_sheet

    with tqdm(total=len(groups) * len(trials), desc="edits", disable=None) as bar:
        if contact:
            sheet = contact_sheet(editors[0], groups[0], trials, tick=bar.update, **looks)
        else:
            told = bool(given.keys() & {"transplant", "directions", "interpolate", "projections"})
            sheet = trial_sheet(editors, groups, trials, notes=told, tick=bar.update, **looks)
    save_png(out, sheet, metadata)
    click.echo(f"wrote {out} ({sheet.shape[1]} x {sheet.shape[0]})")
