"""Regions taken from another photograph: StyleMapGAN's blend of stylemaps beside LinkGAN's transplant of a link.

Pairs of photographs, source and reference. StyleMapGAN (Kim et al. 2021) blends stylemaps by the mask of a region;
LinkGAN takes the link's block of the reference's encoded latents, with the details of both where the encoder has any.
All are also pasted into the source.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training_loops.formats.interrupt import watch_interrupt

from ..calls.spaces import stylemap_size_of
from ..change import split_change
from ..directions.task import Progress, silent
from ..editing.paste import feathered, paste
from ..editing.stylemaps import blend_stylemaps
from ..errors import Interrupted, LinkGANError
from ..generators import LinkedGenerator
from ..images.pixels import Pixels, to_pixels
from ..inversion.encoder import Encoder
from ..inversion.rendering import Renderer
from ..metrics.estimate import Estimate, mean
from ..regions.base import Scene
from .held_out import HeldOut
from .photograph_quality import PASTED, SHOWN, Ruler
from .photographs_report import NONE, cell
from .tables import markdown

STYLEMAP, LINKGAN = "StyleMapGAN", "LinkGAN"

# (source [1, C, H, W], reference [1, C, H, W], labels [1, c_dim] of both, link, mask [H, W]) -> image [1, C, H, W]
Blend = Callable[[Tensor, Tensor, tuple[Tensor, Tensor], str, Tensor], Tensor]


def check_stylemap(network: nn.Module, generator: nn.Module, path: object) -> None:
    """Refuse a network that cannot be compared with `generator` as a StyleMapGAN.

    Args:
        network: of `linkgan train --cfg stylemap`.
        generator: the linked network.
        path: the file of `network`, for messages.
    Raises:
        LinkGANError: no stylemap, no encoder, or images of another shape.
    """
    if stylemap_size_of(network) is None or not isinstance(getattr(network, "encoder", None), nn.Module):
        raise LinkGANError(
            f"{path} holds no stylemap with its encoder; give --stylemap a network of linkgan train --cfg stylemap"
        )
    for name in ("img_resolution", "img_channels"):
        own, other = (getattr(one, name) for one in (network, generator))
        if own != other:
            raise LinkGANError(f"{path} has {name} {own}, the linked network {other}; train both on the same data")


def stylemap_blend(network: nn.Module) -> Blend:
    """Return StyleMapGAN's local editing (section 3.3): encode both, blend the stylemaps by the mask, render."""
    parts: Any = network

    def blend(source: Tensor, reference: Tensor, labels: tuple[Tensor, Tensor], link: str, mask: Tensor) -> Tensor:
        ws, donor = parts.encoder(torch.cat([source, reference])).split(1)
        image: Tensor = parts.synthesis(blend_stylemaps(network, ws, donor, mask.to(ws.device)))
        return image

    return blend


def link_transplant(generator: LinkedGenerator, encoder: Encoder) -> Blend:
    """Return LinkGAN's: encode both in all passes, take the link's block of the reference, render."""
    renderer = Renderer(generator.generator)

    def blend(source: Tensor, reference: Tensor, labels: tuple[Tensor, Tensor], link: str, mask: Tensor) -> Tensor:
        images, both = torch.cat([source, reference]), torch.cat(labels)
        ws, donor = encoder.refine(renderer, images, both, encoder.start(2), encoder.passes).split(1)
        return generator.render(generator.replace(ws, donor, generator.block(link)), labels[0])

    return blend


def detailed_transplant(generator: LinkedGenerator, encoder: Encoder) -> Blend:
    """Return the same with details: inside the mask those that the reference loses, outside the source's.

    Args:
        generator: the network with its links.
        encoder: of the network, with details.
    """
    renderer, details = Renderer(generator.generator), encoder.required_details

    def blend(source: Tensor, reference: Tensor, labels: tuple[Tensor, Tensor], link: str, mask: Tensor) -> Tensor:
        # D = (1 - m) (x - x_0) + m (r - r_0), for the encoded images x_0 of the source x and r_0 of the reference r
        images, both = torch.cat([source, reference]), torch.cat(labels)
        found = encoder.refine(renderer, images, both, encoder.start(2), encoder.passes)
        encoded = renderer.images(found, both)
        distortion, before = [torch.lerp(part[:1], part[1:], mask.to(part)) for part in (images - encoded, encoded)]
        ws, donor = found.split(1)
        moved = generator.replace(ws, donor, generator.block(link))
        after = renderer.images(moved, labels[0])
        return renderer.images(moved, labels[0], change=details.change(distortion, before, after))

    return blend


@torch.no_grad()
def measure_pairs(
    blend: Blend,
    generator: LinkedGenerator,
    held_out: HeldOut,
    ruler: Ruler | None = None,
    feather: float | None = None,
    progress: Progress = silent,
) -> tuple[dict[str, Any], list[Pixels]]:
    """Measure one way to take regions from another photograph; each photograph's reference is the next one.

    Args:
        blend: the way.
        generator: the linked network, whose links' regions are taken.
        held_out: the photographs.
        ruler: measures quality; None for no quality.
        feather: width of the seam in pixels; None for the default.
        progress: wraps the pairs.
    Returns:
        ``pairs``: link, and link + PASTED -> ``inside`` (mean squared difference from the reference inside the mask),
        ``outside`` (from the source outside) and, unpasted, ``seconds``, [N] each; ``quality``: the same names ->
        value and stderr. And the first pairs' results of every link, then pasted, uint8 [H, W, 3] each.
    Raises:
        Interrupted: after Ctrl-C.
    """
    pairs: dict[str, dict[str, list[float]]] = {}
    seen: dict[str, list[Tensor]] = {}
    shown, count = [], len(held_out)
    with watch_interrupt() as interrupt:
        for index in progress(range(count), "pairs"):
            if interrupt.requested:
                raise Interrupted
            other = (index + 1) % count
            source, reference = (held_out.image(row).to(generator.device) for row in (index, other))
            labels = held_out.label(index).to(generator.device), held_out.label(other).to(generator.device)
            for link in generator.spec.links:
                mask = link.region.mask(Scene(source))
                began = time.perf_counter()
                image = blend(source, reference, labels, link.name, mask[0, 0])
                seconds = time.perf_counter() - began
                pasted = paste(source, image, feathered(mask[0, 0], feather))
                for name, found in ((link.name, image), (link.name + PASTED, pasted)):
                    figures = {**differences(source, reference, found, mask), "seconds": seconds}
                    for key, value in figures.items():
                        pairs.setdefault(name, {}).setdefault(key, []).append(value)
                    if ruler is not None:
                        seen.setdefault(name, []).append(ruler.seen(found))
                    if index < SHOWN:
                        shown.append(to_pixels(found)[0])
    quality = {} if ruler is None else {name: ruler.quality(torch.stack(rows)) for name, rows in seen.items()}
    return {"pairs": pairs, "quality": quality}, shown


def differences(source: Tensor, reference: Tensor, image: Tensor, mask: Tensor) -> dict[str, float]:
    """Return the mean squared differences from the reference inside the mask, and from the source outside.

    Args:
        source: [1, C, H, W].
        reference: [1, C, H, W].
        image: [1, C, H, W]; clipped to [-1, 1], as in image files.
        mask: [1, 1, H, W] in [0, 1].
    """
    # MSE_ref = sum_p m_p |x_p - r_p|^2 / (C sum_p m_p),  MSE_src = sum_p (1 - m_p) |x_p - s_p|^2 / (C sum_p (1 - m_p))
    area, rest = (max(float(part.double().sum()), 1e-12) for part in (mask, 1 - mask))
    image = image.clamp(-1, 1)
    inside = float(split_change(reference, image, mask, sums=torch.float64)[0])
    outside = float(split_change(source, image, mask, sums=torch.float64)[1])
    return {"inside": inside / image.shape[1] / area, "outside": outside / image.shape[1] / rest}


def table(links: Sequence[str], ways: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table as Markdown: every way, pasted or not, for every link.

    Args:
        links: their names.
        ways: title -> figures of `measure_pairs`.
    """
    quality = any(figures["quality"] for figures in ways.values())
    header = ["region, way", "MSE inside to reference", "MSE outside to source"]
    header += [*(["quality"] if quality else []), "seconds a pair"]
    body = []
    for link in links:
        for title, figures in ways.items():
            for suffix in ("", PASTED):
                name = link + suffix
                values = figures["pairs"][name]
                cells = [mean(np.array(values[key])) for key in ("inside", "outside")]
                found = figures["quality"].get(name)
                cells += [Estimate(found["value"], found["stderr"], 0) if found else NONE] if quality else []
                cells += [Estimate(float(np.median(values["seconds"])), None, len(values["seconds"]))]
                body.append([f"{link}: {title}{suffix}", *map(cell, cells)])
    return markdown(header, body)
