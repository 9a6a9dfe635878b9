"""`linkgan edit`: edits regions of generated images or photographs; writes a sheet, an image or a video."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .consistent_options import consistent_options
from .edit_directions import direction_options
from .edit_donors import donor_options
from .edit_mesh import mesh_options, write_meshes
from .edit_opened import Opened, open_network
from .edit_request import EditRequest
from .edit_video import beside, edits_video
from .network_options import check_labels, check_links, class_option, host_option, links_options
from .params import SEEDS, check_out, command_line, existing_file, existing_path, force_option, gathered, typed_flags

if TYPE_CHECKING:
    from ..editing.candidates import EditCandidate, RegionGroup
    from ..editing.editor import Editor
    from ..editing.steps import Step
    from ..generators import LinkedGenerator

STRIP = (0.25, 0.5, 0.75, 1.0)  # strengths of the intermediate steps


@click.command(
    epilog="""\b
Examples:
  linkgan edit network-snapshot-000100.pt --region eyes --seeds 0-7 --out sheet.png
  linkgan edit network-snapshot-000100.pt --region eyes+mouth --region rest --donor-seed 5 --out sheet.png
  linkgan edit network-snapshot-000100.pt --region eyes --seeds 3 --variants 30 --contact --out contact.png
  linkgan edit network-snapshot-000100.pt --region eyes --seeds 0-7 --consistent 32 --out sheet.png
  linkgan edit network-snapshot-000100.pt --region eyes --seeds 3 --transplant 8 --strength 0.7 --out sheet.png
  linkgan edit network-snapshot-000100.pt --region all --arithmetic '3-5+8' --seeds 3 --out sum.png
  linkgan edit network-snapshot-000100.pt --region all --transplant 8 --layers 4-9 --seeds 3 --out mixed.png
  linkgan edit network-snapshot-000100.pt --region mouth --seeds 0-3 --directions 3 --out directions.png
  linkgan edit ffhq.pkl --directions smile.safetensors --direction 0 --amount -3:3:7 --seeds 0-3 --out smile.png
  linkgan edit network-snapshot-000100.pt --region eyes --region mouth --seeds 0-5 --out edit.mp4
  linkgan edit network-snapshot-000100.pt --projection projections/me --paste --region eyes --out me.png
  linkgan edit linked.pt --projection detailed/me --encoder with-details.safetensors --region eyes --out me.png
  linkgan edit network-snapshot-000100.pt --projection projections/clip --region eyes --plain --out clip-edited.mp4
  linkgan edit network-snapshot-000050.pt --region nose --seeds 0 --variants 2 --mesh nose.ply --out nose.png
  linkgan edit network-snapshot-000200.pkl --host ~/stylegan3 --region eyes --out sheet.png
"""
)
@click.argument("snapshot", type=existing_file)
@click.option("--region", "regions", multiple=True, help="Region to edit, eyes+mouth, rest or all; repeatable.")
@click.option("--seeds", type=SEEDS, default="0-7", show_default=True, help="Images to edit: 0-7 or 1,5,9.")
@click.option(
    "--projection",
    "projections",
    type=existing_path,
    multiple=True,
    help="Inverted photograph or video to edit instead: its folder, or latents (.npz, .npy, .pt).",
)
@click.option(
    "--encoder",
    type=existing_file,
    metavar="FILE",
    help="File of linkgan encoder details, for images that keep a --projection's details.",
)
@click.option("--donor-seed", type=click.IntRange(0), default=10_000, show_default=True, help="Seed of variant 1.")
@click.option("--variants", type=click.IntRange(1), default=4, show_default=True, help="Number of new samples.")
@click.option("--donor-psi", type=float, help="Truncation psi of the new samples only.")
@consistent_options
@donor_options
@direction_options
@click.option(
    "--strength",
    type=float,
    default=1.0,
    show_default=True,
    help="Strength of the edit: 0 = unchanged, 1 = full, above 1 = exaggerated.",
)
@click.option("--paste", is_flag=True, help="Keep the original pixels outside the regions.")
@click.option(
    "--feather", type=click.FloatRange(0), help="Width of the pasted seam in pixels; by default 1/16 of the image."
)
@click.option("--interpolate", is_flag=True, help="Add intermediate steps (.mp4 and .gif always have them).")
@click.option("--contact", is_flag=True, help="Write a contact sheet of the variants of one region of one image.")
@click.option("--plain", is_flag=True, help="Write only the edited image, at its own size.")
@mesh_options
@click.option("--psi", type=float, default=1.0, show_default=True, help="Truncation psi.")
@links_options
@click.option("--data", type=existing_path, help="Data set with the classes or cameras to use.")
@class_option
@click.option("--wrapper", default="linked", show_default=True, help="Generator wrapper plugin.")
@click.option(
    "--cell",
    type=click.IntRange(16),
    default=96,
    show_default=True,
    help="Approximate size of an image in the sheet, in pixels.",
)
@host_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help=".png, .mp4 or .gif.")
@force_option
@gathered(EditRequest)
def edit(asked: EditRequest) -> None:
    """Edit regions of images. The sheet has one row per image: the variants, then a map of the changes.

    Images are seeds or inverted photographs. Regions are resampled, copied from other images, or moved along their
    strongest directions. With a file of directions, the sheet has one row per image and direction, --region limits the
    axes that move, and the network needs no links. The suffix of --out selects an image or a video. The file's metadata
    stores the command, the seeds and the link spec. An inverted video gets one edit of all frames.
    """
    given = typed_flags()
    check_links()
    check_labels()
    asked.check(given)
    check_out(asked.out, asked.force)
    if edits_video(asked, given):
        check_out(beside(asked.out), asked.force)
        _edit_video(asked, given, open_network(asked))
        return

    from ..editing.candidates import RegionGroup
    from .edit_output import Edits, write

    opened = open_network(asked)
    generator = opened.generator
    if asked.files:
        _edit_along(asked, opened)
        return
    groups = [RegionGroup.read(region, generator.spec) for region in asked.regions or generator.spec.block_names]
    if asked.strongest:
        _find_directions(generator, groups)
    candidates = _trials(asked, given, opened)
    editors = opened.editors(asked)
    if asked.mesh is not None:
        numbered = [(group, number, edit) for group in groups for number, edit in enumerate(candidates, 1)]
        steps = {f"{'+'.join(g.regions)}-{n}": partial(edit.of, regions=g.regions) for g, n, edit in numbered}
        write_meshes(asked, editors, steps)
    named = bool(given.keys() & {"transplant", "arithmetic", "directions", "interpolate", "projections"})
    write(
        asked,
        Edits(
            editors,
            groups,
            candidates,
            _metadata(asked, generator, [candidate.name for candidate in candidates]),
            named,
        ),
    )


def _trials(asked: EditRequest, given: dict[str, str], opened: Opened) -> list[EditCandidate]:
    """Return the edits to apply to every image."""
    from ..editing.candidates import Way, along_directions, in_parts, resamples, transplants

    way = Way(asked.path, asked.layers)
    if asked.strongest:
        candidates = along_directions(asked.strongest, reach=2 * asked.strength)
    elif asked.transplant or asked.arithmetic:
        donors = [(_donor_name(donor), opened.donor(donor)) for donor in asked.transplant]
        donors += [(str(sum_), sum_.latents(opened.generator)) for sum_ in asked.arithmetic]
        candidates = transplants(donors, strength=asked.strength, way=way)
    else:
        each = asked.consistent or 1  # seeds of a candidate
        seeds = range(asked.donor_seed, asked.donor_seed + each * asked.samples(given), each)
        candidates = resamples(seeds, strength=asked.strength, psi=asked.donor_psi, choice=opened.choice, way=way)
    return in_parts(candidates, STRIP) if asked.interpolate and not asked.is_video else candidates


def _metadata(asked: EditRequest, generator: LinkedGenerator, edits: list[str]) -> dict[str, str]:
    """Return the provenance to store in the file."""
    from ..report.provenance import provenance

    sampled = not asked.transplant and not asked.arithmetic and not asked.directions
    return provenance(
        command_line(),
        generator.spec,
        seeds=None if asked.projections else ",".join(map(str, asked.seeds)),
        projections=[str(path) for path in asked.projections] or None,
        donor_seed=str(asked.donor_seed) if sampled else None,
        edits=edits,
    )


def _edit_along(asked: EditRequest, opened: Opened) -> None:
    """Write edits along the directions of files."""
    from .edit_directions import chosen, groups_of, write_along

    groups = groups_of(asked.regions, opened.generator.spec)
    tracks = chosen(opened.sets, asked.direction)
    editors = opened.editors(asked)
    for editor in editors:
        for name, directions in opened.sets.items():
            editor.add_directions(name, directions)
    if asked.mesh is not None:
        moves = [(group, track, amount) for group in groups for track in tracks for amount in asked.amount]
        steps = {str(n): _constant(track.step(group.regions, by)) for n, (group, track, by) in enumerate(moves, 1)}
        write_meshes(asked, editors, steps)
    names = [f"{track.title} {amount:+g}" for track in tracks for amount in asked.amount]
    write_along(asked, editors, groups, tracks, _metadata(asked, opened.generator, names))


def _edit_video(asked: EditRequest, given: dict[str, str], opened: Opened) -> None:
    """Write one edit of all frames of a video; the first frame chooses the donor where one is chosen."""
    from ..editing.candidates import RegionGroup
    from ..editing.video import VideoEditor
    from ..inversion.projected_video import load_projected_video
    from .edit_directions import chosen, groups_of
    from .edit_video import write_edited

    video = load_projected_video(asked.projections[0], opened.network, opened.label)
    encoder = opened.encoder(asked, {asked.projections[0]: video.detailed})
    editor = VideoEditor(opened.generator, video, encoder)
    for name, directions in opened.sets.items():
        editor.add_directions(name, directions)
    step: Step
    if asked.files:
        (group,), track = groups_of(asked.regions, opened.generator.spec), chosen(opened.sets, asked.direction)[0]
        title, step = f"{track.title} {asked.amount[0]:+g}", track.step(group.regions, asked.amount[0])
    else:
        group = RegionGroup.read(asked.regions[0], opened.generator.spec)
        candidate = _trials(asked, given, opened)[0]
        title, step = candidate.name, candidate.of(editor.frame(0), group.regions)
    metadata = _metadata(asked, opened.generator, [title])
    write_edited(asked, editor, step, f"{group.name}: {title}", metadata)


def _constant(step: Step) -> Callable[[Editor], Step]:
    return lambda _: step


def _donor_name(donor: int | Path) -> str:
    return f"seed {donor}" if isinstance(donor, int) else donor.stem if donor.suffix else donor.name


def _find_directions(generator: LinkedGenerator, groups: list[RegionGroup]) -> None:
    """Find directions with a progress bar; they are cached for every image."""
    from tqdm import tqdm

    from ..editing.directions import directions_of

    for group in groups:
        (region,) = group.regions
        directions_of(generator, region, progress=lambda seeds, name=region: tqdm(seeds, name, disable=None))
