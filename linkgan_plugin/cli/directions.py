"""`linkgan directions`: finds directions of any trained network, writes them to a file, and draws them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import LinkGANError
from ..flags import segmenter_option, trust_option
from .directions_settings import listing, settings_from
from .network_options import check_labels, class_option, host_option
from .params import (
    DEVICE,
    NAMES,
    SEEDS,
    aligned,
    check_out,
    command_line,
    existing_file,
    existing_path,
    force_option,
    gathered,
)
from .sections import SectionedCommand

if TYPE_CHECKING:
    from ..directions.directions import Directions
    from ..directions.task import LabelledSamples, Reader
    from ..generators import LinkedGenerator
    from ..networks import Network
    from ..regions.base import Region

_NAMED = re.compile(r"\s*([A-Za-z][A-Za-z0-9_-]*)\s*=(.*)", re.DOTALL)
SECTIONS = {
    "What to find": ("method", "listed", "region", "reader", "attributes", "count", "settings", "seed", "link_space"),
    "Network": ("data", "number", "device", "host", "segmenter", "trust_network"),
    "Files": ("out", "seeds", "cell", "force"),
}


@dataclass(frozen=True)
class DirectionsRequest:
    """What `linkgan directions` was asked for; each attribute is the flag of its name.

    Attributes:
        method: None for the default one.
        region: NAME=REGION or REGION; None for the whole image.
        reader: of attributes, as text; None for none.
        attributes: those wanted, () for all.
        count: directions wanted.
        settings: KEY=VALUE texts.
        seed: of all that is drawn.
        link_space: w or z; None for W if the network has one.
        data: data set with classes or cameras.
        number: class of all images.
        device: where to compute.
        host: folder of the host's code.
        out: the file to write.
        seeds: of the images in the sheet.
        cell: size of an image in the sheet.
        force: overwrite files.
    """

    method: str | None
    region: str | None
    reader: str | None
    attributes: list[str]
    count: int
    settings: tuple[str, ...]
    seed: int
    link_space: str | None
    data: Path | None
    number: int | None
    device: str
    host: Path | None
    out: Path
    seeds: list[int]
    cell: int
    force: bool


def _list(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        click.echo(listing())
        ctx.exit()


@click.command(
    cls=SectionedCommand,
    sections=SECTIONS,
    epilog="""\b
Examples:
  linkgan directions --list
  linkgan directions ffhq.pkl --region 'eyes=box(0.25,0.35,0.75,0.5)' --out eyes.safetensors
  linkgan directions ffhq.pkl --method sefa --count 16 --set layers=0:4 --out sefa.safetensors
  linkgan directions ffhq.pkl --method voynov --count 32 --device cuda --out found.safetensors
""",
)
@click.argument("network", metavar="NET", type=existing_file)
@click.option("--method", metavar="NAME", help="How to find them, see --list.  [default: resefa, with --region]")
@click.option(
    "--list",
    "listed",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list,
    help="List the methods with their papers and settings.",
)
@click.option(
    "--region", metavar="[NAME=]REGION", help="Pixels that they should change, such as 'eyes=box(0,0,1,0.5)'."
)
@click.option("--reader", help="Reader of attributes, for the methods that need one.")
@click.option("--attributes", type=NAMES, default="", metavar="NAME,...", help="Attributes wanted.  [default: all]")
@click.option("--count", type=click.IntRange(1), default=8, show_default=True, help="Directions wanted.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Setting of the method; repeatable.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of all that is drawn.")
@click.option(
    "--link-space", type=click.Choice(["w", "z"]), help="Latent space.  [default: w, or z where there is no W]"
)
@click.option("--data", type=existing_path, help="Data set with labels, for networks that take classes or cameras.")
@class_option
@click.option("--device", type=DEVICE, default="cpu", show_default=True)
@host_option
@segmenter_option
@trust_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The .safetensors to write; a .json that lists them and a .png that shows them are written beside it.",
)
@click.option("--seeds", type=SEEDS, default="0,1", show_default=True, help="Images of the sheet: 0-3 or 1,5.")
@click.option("--cell", type=click.IntRange(16), default=96, show_default=True, help="Size of an image in the sheet.")
@force_option
@gathered(DirectionsRequest)
def directions(asked: DirectionsRequest, network: Path) -> None:
    """Find directions of NET along which its images change, without training it; its links do not matter.

    With --region, those are kept that change the region most and the rest of the image least. Amount 1 is one standard
    deviation of what the network draws. Prints effect (mean squared change of the region) and leak (of the rest) at
    amount 1, and draws every direction from -2 to +2.
    """
    check_labels()
    if asked.method is None and asked.region is None:
        raise click.UsageError("give --region NAME=REGION, or a --method (see --list)")

    from ..checksum import file_digest
    from ..directions.files import check_target, save_directions
    from ..directions.find import DEFAULT, find_directions, method_of

    sheet = asked.out.with_suffix(".png")
    check_target(asked.out, asked.force)
    check_out(sheet, asked.force)
    method = asked.method or DEFAULT
    found_by = method_of(method)
    settings = settings_from(asked.settings, found_by, method)
    name, region = _region(asked.region)
    opened, generator = _opened(asked, network)
    found = find_directions(
        generator,
        method,
        region=region,
        count=asked.count,
        reader=_reader(asked.reader, asked.device),
        attributes=asked.attributes,
        seed=asked.seed,
        network=file_digest(network),
        discriminator=opened.critic if found_by.judges else None,
        progress=_bar,
        **settings,
    )
    found = _named(found, name)
    drawn, metadata = _drawn(asked, generator, found, region)
    written = save_directions(asked.out, found, force=asked.force)
    _save(sheet, drawn, metadata)
    click.echo(_table(found))
    for fact, value in found.facts.items():
        click.echo(f"{fact} {value:.3g}")
    click.echo(f"wrote {', '.join(map(str, written))} and {sheet}")


def _bar(steps: Iterable[int], text: str) -> Iterable[int]:
    from tqdm import tqdm

    return tqdm(steps, desc=text, disable=None)


def _region(text: str | None) -> tuple[str, Region | None]:
    """Return the name and the region of ``NAME=REGION`` or ``REGION``; "" for no name."""
    from ..links import parse_region
    from ..regions.base import StaticRegion

    if text is None:
        return "", None
    match = _NAMED.fullmatch(text)
    name, expression = match.groups() if match else ("", text)
    region = parse_region(expression)
    if isinstance(region, StaticRegion) and not region.fine.any():
        raise LinkGANError(f"--region {text:.200} covers nothing inside the image; give coordinates from 0 to 1")
    return name, region


def _reader(text: str | None, device: str) -> Reader | LabelledSamples | None:
    if text is None:
        return None
    from ..directions.readers import reader_from

    return reader_from(text, device)


def _opened(asked: DirectionsRequest, path: Path) -> tuple[Network, LinkedGenerator]:
    """Return the network, and its generator without links."""
    from ..calls.spaces import axes_of, choose_space
    from ..generators import LinkedGenerator
    from ..images.pixels import check_channels
    from ..links import LinkSpec
    from ..networks import load_network

    opened = load_network(path, asked.device, asked.host)
    check_channels(int(getattr(opened.generator, "img_channels", 3)))
    space, dim = choose_space(axes_of(opened.generator), asked.link_space, "this network")
    labels = opened.labels(asked.data, asked.number)
    return opened, LinkedGenerator(opened.generator, LinkSpec((), dim, space), labels=labels)


def _named(found: Directions, name: str) -> Directions:
    """Return the directions named after their region and number, unless the method names them."""
    if not name or any(found.names):
        return found
    return dataclasses.replace(found, names=tuple(f"{name} {index}" for index in range(len(found))))


def _drawn(
    asked: DirectionsRequest, generator: LinkedGenerator, found: Directions, region: Region | None
) -> tuple[Any, dict[str, str]]:
    """Return the sheet, uint8 [H, W, 3], and its metadata."""
    from tqdm import tqdm

    from ..report.direction_sheet import direction_sheet
    from ..report.provenance import provenance

    title = f"{found.method}: amounts in standard deviations"
    with tqdm(total=len(found), desc="drawing", disable=None) as bar:
        drawn = direction_sheet(
            generator, found, asked.seeds, region=region, cell=asked.cell, title=title, tick=bar.update
        )
    facts = {"method": found.method, "settings": dict(found.settings), "region": found.region}
    return drawn, provenance(command_line(), generator.spec, seeds=asked.seeds, network=found.network, **facts)


def _save(path: Path, drawn: Any, metadata: dict[str, str]) -> None:
    from ..images.png import save_png

    save_png(path, drawn, metadata)


def _table(found: Directions) -> str:
    """Return one row for each direction with its scores."""
    from ..report.direction_sheet import scores

    rows = [["direction", *(name for name, _ in scores(found, 0))]]
    for index in range(len(found)):
        rows.append([found.title(index), *(value for _, value in scores(found, index))])
    return aligned(rows)
