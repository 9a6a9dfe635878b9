"""`linkgan regions draw`: a web page for drawing regions over images."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..flags import segmenter_option, trust_option
from .network_options import NetworkFlags, check_labels, class_option, host_option
from .params import DEVICE, existing_file, existing_path, gathered, typed_flags
from .serving import ServeFlags, check_installed, serve_options

if TYPE_CHECKING:
    from ..web.drawing import Drawing

DEFAULT_CFG = "tiny"  # of `linkgan train`
EXAMPLES = """\b
Examples:
  linkgan regions draw --data faces.zip --open
  linkgan regions draw --data cars/ --dim 512 --link 'wheels=auto@box(0.1,0.6,0.35,0.9)+box(0.65,0.6,0.9,0.9)'
  linkgan regions draw --network network-snapshot-025000.pkl --port 9000
  linkgan regions draw --network heads.pt --data heads.zip
\b
The result is the text of --link options, with a Copy button:
  --link 'wheels=auto@box(0.112,0.61,0.348,0.905)+box(0.652,0.61,0.888,0.905)'
"""


@click.command(epilog=EXAMPLES, short_help="Draw the regions of links with the mouse, in the browser.")
@click.option("--data", type=existing_path, help="Data set: a zip or folder of PNGs; with --network, for its labels.")
@click.option("--network", type=existing_file, metavar="NET", help="Draw over images of this network instead.")
@click.option(
    "--link",
    "links",
    multiple=True,
    metavar="NAME=AXES@REGION",
    help="An initial link; repeatable. Boxes, polygons and their unions can be edited, other regions stay as they "
    "are. By default the network's.",
)
@click.option(
    "--dim", type=click.IntRange(min=1), help=f"Axes of the latent space; the network's, else those of {DEFAULT_CFG}."
)
@click.option("--link-space", type=click.Choice(["w", "z"]), help="Latent space of the axes; w, or z if there is no W.")
@click.option("--link-overlap", is_flag=True, help="Allow regions that share pixels.")
@segmenter_option
@trust_option
@class_option
@click.option("--device", type=DEVICE, help="cpu, cuda, cuda:1; by default the GPU if there is one.")
@host_option
@serve_options
@gathered(NetworkFlags, ServeFlags)
def draw(source: NetworkFlags, server: ServeFlags, network: Path | None, dim: int | None, device: str | None) -> None:
    """Draw the regions of links with the mouse, over images of a data set or of a network, and copy them as --link.

    The page shows the mean image and single images. Drag boxes, click the corners of polygons, or mirror the left side
    to the right. Areas, axes and overlaps are those of training. By default only this machine can open the page, and
    it loads nothing from the network. Ctrl-C stops the server.
    """
    check_installed()
    _check_source(source.data, network)
    from ..web.drawing import create_drawing_app

    listening = server.listen()
    if network is not None:
        drawing = _over_network(network, source, device)
    else:
        assert source.data is not None  # one of the two is there
        drawing = _over_data(source.data, source, dim)
    server.serve(listening, partial(create_drawing_app, drawing))


def _check_source(data: Path | None, network: Path | None) -> None:
    """Reject a command without images to draw over, and options of a network without --network.

    Raises:
        click.UsageError: states what to give or to omit.
    """
    typed = typed_flags()
    if network is not None:
        check_labels()
        if "dim" in typed:
            raise click.UsageError("--dim is defined by the network; omit it with --network")
        return
    unheard = [typed[name] for name in ("number", "link_space", "device", "host") if name in typed]
    if unheard:
        raise click.UsageError(f"{' and '.join(unheard)}: only with a network; give --network, or omit it")
    if data is None:
        raise click.UsageError("give --data (images to draw over) or --network (a network that generates them)")


def _over_data(data: Path, source: NetworkFlags, dim: int | None) -> Drawing:
    from training_loops.presets import preset

    from ..web.drawing import Drawing
    from ..web.drawn_links import Given, Latent, Reader, files_of
    from ..web.samples import DataSamples

    samples = DataSamples(data)
    dim = dim or preset(DEFAULT_CFG, samples.size).dim
    given = [Given.typed(text, dim) for text in source.links]
    latent = Latent(dim, samples.size, reader=Reader(files_of(given)))
    return Drawing(samples, *samples.mean(), latent, given, any_dim=True, allow_overlap=source.link_overlap)


def _over_network(path: Path, source: NetworkFlags, device: str | None) -> Drawing:
    from training_loops.processes import default_device

    from ..calls.spaces import axes_of, choose_space, stylemap_size_of
    from ..networks import load_network
    from ..web.drawing import Drawing
    from ..web.drawn_links import Given, Latent, Reader, files_of
    from ..web.samples import NetworkSamples

    network = load_network(path, device or default_device(), host=source.host)
    own = network.spec if not source.links else None
    axes = axes_of(network.generator)
    usual, _ = choose_space(axes, None, "this network")
    space, dim = choose_space(axes, source.link_space or (own.space if own else None), "this network")
    cells = stylemap_size_of(network.generator) if space == "w" else None
    typed = [Given.typed(text, dim, cells) for text in source.links]
    given = typed or [Given.of(link) for link in (own.links if own else ())]
    samples = NetworkSamples(network, network.labels(source.data, source.number))
    latent = Latent(dim, samples.size, space, space if space != usual else None, Reader(files_of(given)), cells)
    overlap = source.link_overlap or bool(own and own.allow_overlap)
    return Drawing(samples, *samples.mean(), latent, given, allow_overlap=overlap)
