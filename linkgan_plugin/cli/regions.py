"""`linkgan regions`: draw the regions of links over real images before training on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..regions.presets import PRESETS
from .params import command_line, existing_path

if TYPE_CHECKING:
    from torch import Tensor

GRAMMAR = """\b
A link is NAME=AXES@REGION.
  AXES    0:16  or 0:8,16:24  axes from start up to, not including, stop
          16                  the next 16 free axes
          auto                as many free axes as the region's share of the image
  REGION  eyes                a preset for aligned faces (below)
          box(x0,y0,x1,y1)    left, top, right, bottom
          polygon(x0,y0,x1,y1,x2,y2,...)
          mask(file.png)      white, or opaque where the PNG has transparency
          semantic(file.pt,CLASS,...)  what a segmentation network finds, image by image
                              (`linkgan segment`); mode=soft at the end for probabilities
          box3d(x0,y0,z0,x1,y1,z1)  a piece of a 3D-aware generator's object, in world
                              units, seen through every image's camera and depth
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
"""


@click.group(epilog=f"{GRAMMAR}\n{HELP_PRESETS}")
def regions() -> None:
    """Look at regions before training on them."""


@regions.command(epilog=EXAMPLES, short_help="Draw the regions of links over real images.")
@click.option("--data", required=True, type=existing_path, help="Data set: a zip or folder of PNGs.")
@click.option("--link", "links", required=True, multiple=True, metavar="NAME=AXES@REGION", help="A link; repeatable.")
@click.option("--dim", default=512, show_default=True, type=click.IntRange(min=1), help="Axes of the latent space.")
@click.option("--resolution", type=click.IntRange(min=4), help="Scale the images to this size first.")
@click.option("--link-overlap", is_flag=True, help="Allow regions that share pixels.")
@click.option("--grid", is_flag=True, help="Draw lines every tenth, with their coordinates.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="PNG to write.")
def preview(
    data: Path, links: tuple[str, ...], dim: int, resolution: int | None, link_overlap: bool, grid: bool, out: Path
) -> None:
    """Draw the regions of links over images of a data set, with each region's area and axes.

    Fills show the soft masks at the images' resolution, as training sees them; outlines show the exact shapes.
    """
    from ..links import LinkSpec
    from ..report.pictures import save_png
    from ..report.preview import draw_preview, legend

    spec = LinkSpec.parse(links, dim=dim, allow_overlap=link_overlap)
    images = _images(data, resolution)
    size = images.shape[-1]
    picture = draw_preview(images, spec, title=f"{data.name} · {size} x {size} · {dim} axes", grid=grid)
    save_png(out, picture, {"command": command_line(), "link_spec": json.dumps(spec.to_json())})
    for row in legend(spec, images):
        click.echo(f"{row.name:16} {row.area:6.1%} of the image  {len(row.axes):4} axes  {row.region}")
    click.echo(f"wrote {out}")


def _images(data: Path, resolution: int | None) -> Tensor:
    """Return images spread evenly over a data set, float32 [N, C, H, W] in [-1, 1], at `resolution` if given."""
    import numpy as np
    import torch
    from torch.nn.functional import interpolate

    from training_loops.data.folder import ImageFolderDataset

    from ..report.preview import MAX_IMAGES

    dataset = ImageFolderDataset(data)
    indices = np.unique(np.linspace(0, len(dataset) - 1, MAX_IMAGES).astype(int))
    images = torch.from_numpy(np.stack([dataset[i][0] for i in indices])).float() / 127.5 - 1
    return images if resolution is None else interpolate(images, (resolution, resolution), mode="area")
