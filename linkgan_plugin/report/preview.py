"""Region previews: the links of a spec drawn over real images, with a legend of areas and axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from ..axes import text_of
from ..images.drawing import INK, PAPER, font
from ..images.pixels import Pixels, to_pixels
from ..links import REST, LinkSpec
from ..regions.base import Region, Scene

Colour = tuple[int, int, int]
Floats = npt.NDArray[np.float32]

COLOURS: tuple[Colour, ...] = (
    (255, 92, 92),
    (56, 152, 236),
    (122, 200, 60),
    (255, 200, 50),
    (168, 110, 230),
    (0, 196, 186),
    (255, 146, 66),
    (246, 112, 190),
    (186, 148, 98),
    (206, 230, 70),
    (126, 134, 255),
    (214, 66, 140),
)
REST_COLOUR: Colour = (150, 150, 156)
FILL = 0.32  # opacity of a fully covered pixel
LINE = 2.5  # width of an outline in pixels of the panel
LARGE, SMALL = 560, 272  # sides of the first and of the other panels
MARGIN, GAP, ROW, TICKS = 36, 16, 30, 30
MIN_WIDTH = 1000  # room for the legend when there are few images
COLUMNS, MAX_IMAGES = 3, 7


@dataclass(frozen=True)
class LegendRow:
    """One line of the legend: a block of axes, its share of the image in [0, 1] and its region."""

    name: str
    area: float
    axes: tuple[int, ...]
    region: str


def legend(spec: LinkSpec, scene: Scene) -> list[LegendRow]:
    """Return a row per block of `spec`, areas measured on the images of `scene`."""
    areas = spec.region_masks(scene).flatten(1).mean(dim=1).tolist()
    blocks = [(link.axes, str(link.region)) for link in spec.links] + [(spec.rest_axes, "all pixels in no region")]
    return [LegendRow(n, a, *block) for n, a, block in zip(spec.block_names, areas, blocks, strict=False)]


def draw_preview(scene: Scene, spec: LinkSpec, *, title: str = "", grid: bool = False) -> Pixels:
    """Draw the regions of `spec` over images: the first one large with names, the others next to it.

    Fills show the soft mask at the resolution of the images, as used in training; outlines show the exact shape.

    Args:
        scene: 1 to 7 images, C = 1 or 3, with depth and cameras where regions need them.
        title: heading.
        grid: draw lines every tenth of the width and height, with their coordinates.
    Returns:
        uint8 [H, W, 3].
    """
    images = scene.images
    masks = spec.region_masks(scene)[: len(spec.links)].expand(-1, len(images), -1, -1, -1)
    panels = _panels(images, masks, [link.region for link in spec.links])
    large = _annotated(panels[0], spec, masks[:, 0, 0].numpy(), grid)
    top, ticks = MARGIN + (34 if title else 0), TICKS if grid else 0
    width = max(MIN_WIDTH, 2 * MARGIN + large.width + min(COLUMNS, len(panels) - 1) * (GAP + SMALL))
    table = _legend_image(legend(spec, scene), spec.dim, width - 2 * MARGIN)
    sheet = Image.new("RGB", (width, top + large.height + GAP + table.height + MARGIN), PAPER)
    ImageDraw.Draw(sheet).text((MARGIN, MARGIN), title, fill=INK, font=font(20), anchor="lm", stroke_width=0.4)
    sheet.paste(large, (MARGIN, top))
    for i, panel in enumerate(panels[1:]):
        row, column = divmod(i, COLUMNS)
        x = MARGIN + large.width + GAP + column * (SMALL + GAP)
        sheet.paste(panel, (x, top + ticks + row * (SMALL + GAP)))
    sheet.paste(table, (MARGIN, top + large.height + GAP))
    return np.asarray(sheet)


def _panels(images: Tensor, masks: Tensor, regions: Sequence[Region]) -> list[Image.Image]:
    """Return the images [N, C, H, W], the first one large, with regions filled and outlined; masks [K, N, 1, H, W]."""
    pixels = to_pixels(images)
    canvases = [_scaled(image, SMALL if i else LARGE).astype(np.float32) for i, image in enumerate(pixels)]
    for number, region in enumerate(regions):
        colour = COLOURS[number % len(COLOURS)]
        outlines: dict[int, tuple[Floats, Floats]] = {}
        for i, canvas in enumerate(canvases):
            mask, size = masks[number, i, 0], len(canvas)
            if size not in outlines or not region.static:
                outlines[size] = _outline(_shape(region, mask, 2 * size))
            canvases[i] = _painted(canvas, mask, colour, *outlines[size])
    return [Image.fromarray(canvas.round().astype(np.uint8)) for canvas in canvases]


def _painted(canvas: Floats, mask: Tensor, colour: Colour, shadow: Floats, line: Floats) -> Floats:
    """Return the canvas with one region [h, w] filled, and its outline on it."""
    fill = np.asarray(Image.fromarray(mask.numpy()).resize(canvas.shape[1::-1], Image.Resampling.NEAREST))
    canvas = _blend(canvas, colour, (FILL * fill).astype(np.float32))
    canvas = _blend(canvas, (0, 0, 0), 0.45 * shadow)
    return _blend(canvas, colour, line)


def _scaled(pixels: Pixels, size: int) -> Pixels:
    """Scale [H, W, 3] to a square panel: small images keep their pixels visible, large ones are averaged."""
    how = Image.Resampling.NEAREST if max(pixels.shape[:2]) <= size else Image.Resampling.BOX
    return np.asarray(Image.fromarray(pixels).resize((size, size), how))


def _blend(canvas: Floats, colour: Colour, opacity: Floats) -> Floats:
    return canvas + opacity[..., None] * (np.array(colour, np.float32) - canvas)


def _shape(region: Region, mask: Tensor, size: int) -> Floats:
    """Return the region at a finer size [size, size]: exact if it depends only on the size, else enlarged."""
    if region.static:
        return region.mask(Scene(torch.empty(1, 1, size, size)))[0, 0].numpy()
    return F.interpolate(mask[None, None], (size, size), mode="bilinear", align_corners=False)[0, 0].numpy()


def _outline(shape: Floats) -> tuple[Floats, Floats]:
    """Return the opacities of a shadow and of a line just inside the border of a shape, at half its size."""
    depth = distance_transform_edt(np.pad(shape >= 0.5, 1))[1:-1, 1:-1]
    line, shadow = ((depth > 0) & (depth <= 2 * width) for width in (LINE, LINE + 1))
    return _halved(shadow), _halved(line)


def _halved(mask: npt.NDArray[np.bool_]) -> Floats:
    height, width = mask.shape
    return mask.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3), dtype=np.float32)


def _annotated(panel: Image.Image, spec: LinkSpec, masks: Floats, grid: bool) -> Image.Image:
    """Return the large panel with the names of the links and, if `grid`, coordinates around it."""
    draw = ImageDraw.Draw(panel, "RGBA")
    if grid:
        _draw_grid(draw, panel.size)
    for i, (name, mask) in enumerate(zip(spec.names, masks, strict=True)):
        if (mask >= 0.5).any():
            _draw_tag(draw, name, COLOURS[i % len(COLOURS)], mask >= 0.5, panel.size)
    return _with_ticks(panel) if grid else panel


def _draw_tag(
    draw: ImageDraw.ImageDraw, name: str, colour: Colour, inside: npt.NDArray[np.bool_], size: tuple[int, int]
) -> None:
    """Draw a link's name on a coloured tag at the top left of its region, above it if there is room."""
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    x, y = int(columns[0] * size[0] / inside.shape[1]), int(rows[0] * size[1] / inside.shape[0])
    width, height = int(draw.textlength(name, font=font(17))) + 12, 24
    x, y = min(x, size[0] - width), y - height if y >= height else y
    draw.rectangle((x, y, x + width, y + height), fill=colour)
    draw.text((x + 6, y + height / 2), name, fill=INK, font=font(17), anchor="lm", stroke_width=0.3)


def _draw_grid(draw: ImageDraw.ImageDraw, size: tuple[int, int]) -> None:
    for tenth in range(1, 10):
        opacity = 190 if tenth == 5 else 90
        x, y = round(tenth * size[0] / 10), round(tenth * size[1] / 10)
        for shade, shift in ((0, 1), (255, 0)):
            fill = (shade, shade, shade, opacity)
            draw.line((x + shift, 0, x + shift, size[1]), fill=fill)
            draw.line((0, y + shift, size[0], y + shift), fill=fill)


def _with_ticks(panel: Image.Image) -> Image.Image:
    """Return the panel with the coordinates of the grid lines at its left and top."""
    framed = Image.new("RGB", (panel.width + TICKS, panel.height + TICKS + 10), PAPER)
    framed.paste(panel, (TICKS, TICKS))
    draw = ImageDraw.Draw(framed)
    for tenth in range(11):
        text, along = f"{tenth / 10:g}", tenth / 10
        x = min(TICKS + along * panel.width, framed.width - 4)
        draw.text((x, TICKS - 6), text, fill=INK, font=font(14), anchor="ms")
        draw.text((TICKS - 6, TICKS + along * panel.height), text, fill=INK, font=font(14), anchor="rm")
    return framed


def _legend_image(rows: Sequence[LegendRow], dim: int, width: int) -> Image.Image:
    """Return the table under the panels: swatch, name, area, axes, region; long cells are wrapped."""
    header = [["link"], ["area"], [f"axes (of {dim})"], ["region"]]
    cells = [
        [[row.name], [f"{row.area:.1%}"], _wrapped(f"{len(row.axes)}  ({text_of(row.axes)})", 260), [row.region]]
        for row in rows
    ]
    lefts = [34.0]
    for column in range(3):
        widest = max(_length(line) for row in [header, *cells] for line in row[column])
        lefts.append(lefts[-1] + widest + 32)
    for row in cells:
        row[3] = _wrapped(row[3][0], width - lefts[-1])
    heights = [max(map(len, row)) * ROW for row in [header, *cells]]
    image = Image.new("RGB", (width, sum(heights)), PAPER)
    draw = ImageDraw.Draw(image)
    top = 0
    for i, (row, height) in enumerate(zip([header, *cells], heights, strict=True)):
        for left, lines in zip(lefts, row, strict=True):
            for line, text in enumerate(lines):
                at = (left, top + ROW * (line + 0.5))
                draw.text(at, text, fill=INK if i else REST_COLOUR, font=font(16), anchor="lm")
        if i:
            colour = REST_COLOUR if row[0] == [REST] else COLOURS[(i - 1) % len(COLOURS)]
            draw.rounded_rectangle((0, top + 6, 22, top + 24), 4, fill=colour)
        top += height
    return image


def _wrapped(text: str, width: float) -> list[str]:
    """Break text into lines of at most `width` pixels, after a comma or a sign if possible."""
    lines = [""]
    for char in text:
        lines[-1] += char
        if _length(lines[-1]) > width:
            at = max(lines[-1].rfind(sign, 0, -1) for sign in ",+&") + 1 or len(lines[-1]) - 1
            lines[-1:] = [lines[-1][:at], lines[-1][at:]]
    return lines


def _length(text: str) -> float:
    return font(16).getlength(text)
