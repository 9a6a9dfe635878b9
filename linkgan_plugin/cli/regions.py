"""`linkgan regions`: draw the regions of links over real images before training on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..flags import segmenter_option, trust_option
from ..regions.presets import PRESETS
from .network_options import NetworkFlags, check_labels, check_links, class_option, host_option
from .params import check_out, command_line, existing_file, existing_path, force_option, gathered
from .regions_draw import draw

if TYPE_CHECKING:
    from ..links import LinkSpec
    from ..regions.base import Scene

GRAMMAR = """\b
A link is NAME=AXES@REGION.
  AXES    0:16  or 0:8,16:24  axes from start up to, not including, stop
          16                  the next 16 free axes
          auto                as many free axes as the region's share of the image
  REGION  eyes                a preset for aligned faces (below)
          box(x0,y0,x1,y1)    left, top, right, bottom
          polygon(x0,y0,x1,y1,x2,y2,...)
          mask(file.png)      white (255, not 1), or opaque where the PNG has transparency
          semantic(file.safetensors,CLASS,...)  classes found by a segmentation network in each
                              image (`linkgan segment`); mode=soft at the end for probabilities
          box3d(x0,y0,z0,x1,y1,z1)  a box in the world of a 3D-aware generator, projected
                              with every image's camera and depth
          A+B, A&B, (A+B)&C   union, intersection
Coordinates are fractions of the width and height from 0 to 1, origin top left.
Names with commas or parentheses in them are quoted: mask("a, b.png").
Axes and pixels in no link are the `rest`. `linkgan plugins` lists all region kinds.
"""
_WIDTH = max(map(len, PRESETS))
HELP_PRESETS = "\b\nPresets, left and right as the viewer sees them:\n" + "\n".join(
    f"  {name:{_WIDTH}}  {text}" for name, text in PRESETS.items()
)
EXAMPLES = """\b
Examples:
  linkgan regions preview --data faces.zip --link 'eyes=16@eyes' --link 'mouth=8@mouth' --out preview.png
  linkgan regions preview --data cars/ --link 'lower=auto@box(0,0.5,1,1)' --grid --out preview.png
  linkgan regions preview --data faces.zip --link 'face=64@eyes+nose+mouth' --resolution 64 --out preview.png
  linkgan regions preview --network runs/demo-3d/linked/network-snapshot-000020.pt --out preview.png
"""


@click.group(epilog=f"{GRAMMAR}\n{HELP_PRESETS}\n\n{EXAMPLES}")
def regions() -> None:
    """Preview or draw the regions of links before training."""


regions.add_command(draw)


@regions.command(epilog=EXAMPLES, short_help="Draw the regions of links over images of a data set or network.")
@click.option("--data", type=existing_path, help="Data set: a zip or folder of PNGs; with --network, for its cameras.")
@click.option("--network", type=existing_file, metavar="NET", help="Draw over images of this network instead.")
@click.option(
    "--link", "links", multiple=True, metavar="NAME=AXES@REGION", help="A link; repeatable. By default the network's."
)
@click.option("--dim", type=click.IntRange(min=1), help="Axes of the latent space; the network's, else 512.")
@click.option("--resolution", type=click.IntRange(min=4), help="Scale the images of --data to this size first.")
@click.option("--link-overlap", is_flag=True, help="Allow regions that share pixels.")
@segmenter_option
@trust_option
@class_option
@click.option("--grid", is_flag=True, help="Draw lines every tenth, with their coordinates.")
@host_option
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="PNG to write.")
@force_option
@gathered(NetworkFlags)
def preview(
    source: NetworkFlags,
    network: Path | None,
    dim: int | None,
    resolution: int | None,
    grid: bool,
    out: Path,
    force: bool,
) -> None:
    """Draw the regions of links over images of a data set, or over renders of a network, with their areas and axes.

    Fills show the soft masks used in training, at the images' resolution; outlines show the exact shapes. A 3D-aware
    network shows one object from four cameras, then three other objects.
    """
    check_links()
    if out.suffix.lower() != ".png":
        raise click.UsageError(f"--out {out}: expected a name that ends in .png")
    check_out(out, force)

    from ..images.png import save_png
    from ..report.preview import draw_preview, legend

    if network is not None:
        check_labels()
        if dim is not None or resolution is not None:
            raise click.UsageError("--dim and --resolution are defined by the network; omit them with --network")
        scene, spec = _rendered(network, source)
    else:
        if source.number is not None:
            raise click.UsageError("--class is for images of a network; give --network, or omit it")
        scene, spec = _photographed(source, dim or 512, resolution)
    size, drawn = scene.images.shape[-1], network or source.data
    title = f"{drawn.name if drawn else ''} · {size} x {size} · {spec.dim} axes"
    image = draw_preview(scene, spec, title=title, grid=grid)
    save_png(out, image, {"command": command_line(), "link_spec": json.dumps(spec.to_json(), allow_nan=False)})
    for row in legend(spec, scene):
        click.echo(f"{row.name:16} {row.area:6.1%} of the image  {len(row.axes):4} axes  {row.region}")
    click.echo(f"wrote {out}")


def _photographed(source: NetworkFlags, dim: int, resolution: int | None) -> tuple[Scene, LinkSpec]:
    """Return images spread evenly over a data set, at `resolution` if given, and the links.

    Raises:
        click.UsageError: no data, no links, or box3d links, which need a network.
    """
    import numpy as np
    from torch.nn.functional import interpolate

    from training_loops.formats.folder import ImageFolderDataset
    from training_loops.formats.pixels import to_float

    from ..links import LinkSpec
    from ..regions.base import Scene
    from ..report.preview import MAX_IMAGES

    if source.data is None or not source.links:
        raise click.UsageError("give --data and at least one --link, or --network")
    spec = LinkSpec.parse(source.links, dim=dim, allow_overlap=source.link_overlap)
    if any("box3d(" in str(link.region) for link in spec.links):
        raise click.UsageError(
            "box3d needs the depth that a 3D-aware network renders, which images do not have; "
            "draw it over images of the network: --network NET"
        )
    dataset = ImageFolderDataset(source.data)
    indices = np.unique(np.linspace(0, len(dataset) - 1, MAX_IMAGES).astype(int))
    images = to_float(np.stack([dataset[i][0] for i in indices]))
    return Scene(images if resolution is None else interpolate(images, (resolution, resolution), mode="area")), spec


def _rendered(path: Path, source: NetworkFlags) -> tuple[Scene, LinkSpec]:
    """Return renders of a network, and the links: those given, or its own."""
    from ..generators import LinkedGenerator
    from ..networks import load_network

    network = load_network(path, host=source.host)
    spec = source.linked(network)
    generator = LinkedGenerator(network.generator, spec, labels=network.labels(source.data, source.number))
    objects, cameras = [0, 0, 0, 0, 1, 2, 3], [0, 1, 2, 3, 1, 2, 3]
    if not generator.is_3d_aware:
        objects = cameras = list(range(len(objects)))
    own, labels = generator.labels(objects), generator.labels(cameras)
    return generator.scene(generator.view(generator.draw(objects, own), own, labels), labels), spec
