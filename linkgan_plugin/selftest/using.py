"""Speed of what is done with a network: region metrics, edits, inversion, encoders, segmentation."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any

import torch

from training_loops.stylegan2.networks import Generator

from ..bench.cost import boxes
from ..bench.throughput import measure_throughput, timed
from ..editing.editor import Editor
from ..editing.steps import Resample
from ..generators import LinkedGenerator
from ..inversion.encoder_settings import EncoderSettings
from ..inversion.encoder_training import EncoderTraining
from ..inversion.project import project
from ..inversion.rendering import Renderer
from ..links import LinkSpec
from ..segmentation.architectures.small_unet import SmallUNet
from ..segmentation.segmenter import Card, NetworkSegmenter
from .context import Context
from .rows import FAILED, OK, Row

SECTION = "using"
_ROUNDS = 5


def rows(context: Context) -> Iterator[Row]:
    """Yield the speed of each use of a StyleGAN2 of random weights, and whether its results are finite."""
    side = 8 if context.quick else 256 if context.on_gpu else 32
    generator = network(side, context.device)
    uses: dict[str, Callable[[Context, LinkedGenerator], Iterator[Row]]] = {
        "region metrics": _metrics,
        "edit": _edit,
        "projection": _projection,
        "encoder": _encoder,
        "segmentation": _segmentation,
    }
    for name, use in uses.items():
        yield from context.guarded(SECTION, name, use(context, generator))


def network(side: int, device: torch.device) -> LinkedGenerator:
    """Return a StyleGAN2 of random weights with two links, of the public widths from 256 pixels on.

    Args:
        side: of its images, in pixels.
        device: that it is on.
    """
    wide = side >= 256
    dim = 512 if wide else 64
    width: dict[str, Any] = {"channel_base": 16384 if wide else 16 * side, "channel_max": 512 if wide else 64}
    precision: dict[str, Any] = {"num_fp16_res": 4 if wide else 0, "conv_clamp": 256 if wide else None}
    layers: dict[str, Any] = {"mapping_kwargs": {"num_layers": 8 if wide else 2}}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = Generator(dim, 0, dim, side, 3, **layers, **width, **precision)
    made = made.eval().requires_grad_(False).to(device)
    return LinkedGenerator(made, LinkSpec.parse(boxes(2), dim=dim))


def _timed_row(name: str, work: Callable[[], torch.Tensor], context: Context, generator: LinkedGenerator) -> Row:
    """Return the milliseconds of some work, the median over a few repetitions after a first one."""
    finite = bool(work().isfinite().all())
    rounds = 1 if context.quick else _ROUNDS
    seconds = [timed(work, generator.device) for _ in range(rounds)]
    side = getattr(generator.generator, "img_resolution")  # noqa: B009 (nn.Module types every attribute as a tensor)
    verdict, why = (OK, "") if finite else (FAILED, "the result is not finite")
    return Row(SECTION, f"{name}, {side} px", 1e3 * statistics.median(seconds), "ms", verdict, why)


def _metrics(context: Context, generator: LinkedGenerator) -> Iterator[Row]:
    pairs = 4 if context.quick else 64
    found = measure_throughput(generator, None, pairs=pairs, batch=min(pairs, 16), rounds=1, progress=context.step)
    rate = found["images_per_second"] * pairs / found["images"]
    yield Row(SECTION, "region metrics", rate, "pairs/s")
    yield Row(SECTION, "region metrics, images/s / bare synthesis", found["ratio"])


def _edit(context: Context, generator: LinkedGenerator) -> Iterator[Row]:
    editor = Editor.of_seed(generator, 0)
    seeds = iter(range(1, 100))  # another image in each repetition: images are kept

    def work() -> torch.Tensor:
        editor.do(Resample(generator.spec.names[0], seed=next(seeds)))
        return editor.image()

    yield _timed_row("edit", work, context, generator)


def _projection(context: Context, generator: LinkedGenerator) -> Iterator[Row]:
    steps = 2 if context.quick else 20
    photograph = generator.sample([7]).images.cpu()

    def work() -> torch.Tensor:
        return project(generator, photograph, space="w", steps=steps)[0].latents

    row = _timed_row("projection, one step", work, context, generator)
    assert isinstance(row.value, float)
    yield Row(row.section, row.name, row.value / steps, row.unit, row.verdict, row.why)


def _encoder(context: Context, generator: LinkedGenerator) -> Iterator[Row]:
    settings = EncoderSettings(batch=4, passes=1, width=4 if context.quick else 32)
    encoder = EncoderTraining(generator.generator, settings).encoder()
    renderer, images = Renderer(generator.generator), generator.sample([7]).images
    labels = torch.zeros([1, 0], device=generator.device)

    def work() -> torch.Tensor:
        return encoder.refine(renderer, images, labels, encoder.start(1))

    yield _timed_row("encoder, one pass", work, context, generator)


def _segmentation(context: Context, generator: LinkedGenerator) -> Iterator[Row]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = SmallUNet(3, width=4 if context.quick else 16).eval().requires_grad_(False)
    segmenter = NetworkSegmenter(Card(("a", "b", "c"), ""), net, net.to)
    images = generator.sample([7]).images
    yield _timed_row("segmentation", lambda: segmenter.scores(images), context, generator)
