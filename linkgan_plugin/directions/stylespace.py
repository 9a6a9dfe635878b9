"""StyleSpace (StyleSpace Analysis, CVPR 2021): single channels of the style space S.

Of a region: the channels whose change of the image, at one standard deviation, has its largest share inside the region
most often. For sample n and channel c with deviation sigma_c, J by the styles and probes r ~ N(0, I),

    g_in(n, c) = sigma_c^2 E_r[(J^T M^(1/2) r)_c^2] = sigma_c^2 |M^(1/2) J_c|^2,

so a few backward passes give all channels at once. Of an attribute: the channels with the largest

    theta = |mean of exemplars - mean of all| / deviation of exemplars,

where the exemplars are the samples that have most of the attribute.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from ..errors import LinkGANError
from .jacobians import RIDGE, batch_of, gradients, region_and_rest
from .reading import batches, columns, values_of
from .task import Found, Method, Task


def stylespace(task: Task, *, samples: int = 256, probes: int = 4, ridge: float = RIDGE) -> Found:
    """Return the channels of a region.

    Args:
        task: a network with a style space, and the region.
        samples: images over which channels are compared.
        probes: backward passes per image, inside and outside the region each.
        ridge: added to g_in + g_out, as a share of the mean channel's: dead channels are no region's.
    Raises:
        LinkGANError: settings out of range, or a region that no style changes.
    """
    if samples < 1 or probes < 1 or not ridge > 0:
        raise LinkGANError(f"{samples} samples, {probes} probes, ridge {ridge:g}; expected at least 1, 1, and above 0")
    variance = task.style_samples.double().var(dim=0)
    random, batch = task.random(), batch_of(task)
    wins, shares = torch.zeros_like(variance), torch.zeros_like(variance)
    for start in task.progress(range(0, samples, batch), "comparing channels"):
        inside, outside = variance * _squares(task, start, min(batch, samples - start), probes, random)
        whole = inside + outside
        share = inside / (whole + ridge * whole.mean(dim=1, keepdim=True)).clamp(min=1e-30)
        wins += (share > 0.5).sum(dim=0)
        shares += share.sum(dim=0)
    if not bool(shares.any()):
        raise LinkGANError(f"no style changes the region {task.region}: these images do not have it")
    # The mean share, below 1, orders the channels that win as often.
    best = (wins + shares / (samples + 1)).argsort(descending=True, stable=True)[: task.count]
    return _channels(task, best, torch.ones_like(best), [_name(task, int(channel)) for channel in best])


def _squares(task: Task, start: int, count: int, probes: int, random: torch.Generator) -> Tensor:
    """Return the mean of (J^T M^(1/2) r)^2 over probes for the region and the rest, float64 [2, N, S]."""
    latents, labels = task.draw(start, count)
    with torch.enable_grad():
        offsets = torch.zeros([count, task.styles.dim], device=latents.device, requires_grad=True)
        with task.generator.shifted(offsets):
            rendering = task.generator.rendering_with_gradients(latents, labels)
    weights = region_and_rest(task)(rendering.each(Tensor.detach), labels)
    total = torch.zeros([2, *offsets.shape], dtype=torch.float64, device=latents.device)
    for probe in range(probes):
        found = gradients(rendering.image, offsets, weights, random, last=probe + 1 == probes)
        total += torch.stack(found).double().square()
    return total / probes


def stylespace_attributes(task: Task, *, samples: int = 1000, exemplars: int = 30) -> Found:
    """Return the channels of the reader's attributes, the best of each first; amounts above 0 give more of it.

    Args:
        task: a network with a style space, and the reader.
        samples: images that are read.
        exemplars: of each attribute: the samples that have most of it.
    Raises:
        LinkGANError: settings out of range, or an attribute that the reader does not read.
    """
    if not 2 <= exemplars < samples:
        raise LinkGANError(f"{exemplars} exemplars of {samples} samples; expected at least 2, and more samples")
    assert task.reader is not None
    chosen = columns(task.reader, task.attributes or task.reader.names)
    styles, read = _read(task, samples)
    scaled = (styles - styles.mean(dim=0)) / styles.std(dim=0).clamp(min=1e-12)
    found: list[tuple[Tensor, Tensor]] = []
    for column in chosen:
        rows = scaled[read[:, column].topk(exemplars).indices]
        theta = rows.mean(dim=0) / rows.std(dim=0).clamp(min=1e-12)
        best = theta.abs().argsort(descending=True, stable=True)[: task.count]
        found.append((best, theta[best].sign()))
    count = min(task.count, len(chosen) * len(found[0][0]))
    places = [(number % len(chosen), number // len(chosen)) for number in range(count)]
    channels, signs = (torch.stack([found[column][part][row] for column, row in places]) for part in (0, 1))
    return _channels(task, channels, signs, [task.reader.names[chosen[column]] for column, _ in places])


@torch.no_grad()
def _read(task: Task, samples: int) -> tuple[Tensor, Tensor]:
    """Return the styles and attributes of samples, float64 [N, S] and [N, A]."""
    styles, read = [], []
    for latents, labels, known in batches(task, samples):
        rendered: list[Tensor] = []
        styles.append(task.styles.read(partial(_render, task, latents, labels, rendered)))
        assert task.reader is not None
        read.append(known if known is not None else values_of(task.reader, rendered[0]))
    return torch.cat(styles).double(), torch.cat(read).double()


def _render(task: Task, latents: Tensor, labels: Tensor, rendered: list[Tensor]) -> None:
    rendered.append(task.generator.render(latents, labels))


def _name(task: Task, channel: int) -> str:
    layer, number = task.styles.place(channel)
    return f"{layer}[{number}]"


def _channels(task: Task, channels: Tensor, signs: Tensor, names: list[str]) -> Found:
    """Return directions that are one channel each, one-hot [K, 1, S]."""
    vectors = torch.zeros([len(channels), 1, task.styles.dim])
    vectors[torch.arange(len(channels)), 0, channels.cpu()] = signs.cpu().float()
    return Found(vectors, "s", tuple(names))


STYLESPACE = Method(stylespace, "Wu et al., CVPR 2021", local=True)
STYLESPACE_ATTRIBUTES = Method(stylespace_attributes, "Wu et al., CVPR 2021", reads=True)
