"""What methods ask of a task's reader: which attributes are wanted, values with gradients, and values of latents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ..errors import LinkGANError, suggest
from .task import LabelledSamples, Reader, Task


def columns(reader: Reader | LabelledSamples, names: Sequence[str]) -> list[int]:
    """Return the numbers of attributes by name.

    Raises:
        LinkGANError: a name that the reader does not know.
    """
    for name in names:
        if name not in reader.names:
            raise LinkGANError(f"the reader has no attribute '{name:.60}'; {suggest(name, reader.names):.600}")
    return [reader.names.index(name) for name in names]


def wanted(task: Task) -> list[str]:
    """Return the names of the attributes wanted, at most `task.count`: the user's, or the reader's first ones.

    Raises:
        LinkGANError: no reader, or a name that it does not know.
    """
    reader = _reader(task)
    columns(reader, task.attributes)
    return list(task.attributes or reader.names)[: task.count]


def differentiable(task: Task, method: str) -> Callable[[Tensor], Tensor]:
    """Return a function of images [N, C, H, W] to the wanted attributes [N, K], with gradients.

    Args:
        task: with a reader.
        method: its name, for messages.
    Raises:
        LinkGANError: no reader, or one of labels by seed; when called, a reader that gives no gradients.
    """
    reader, names = _reader(task), wanted(task)
    if isinstance(reader, LabelledSamples):
        raise LinkGANError(
            f"{method} follows gradients of what is read from images, and labels of seeds have none: give a network "
            "with --reader faces or --reader FOLDER, or use the method interfacegan"
        )
    chosen = columns(reader, names)

    def read(images: Tensor) -> Tensor:
        values = values_of(reader, images)
        if images.requires_grad and not values.requires_grad:
            raise LinkGANError(
                f"{method} follows gradients, and this reader's values have none: give another, or use interfacegan"
            )
        return values[:, chosen]

    return read


@torch.no_grad()
def readings(task: Task, samples: int) -> tuple[Tensor, Tensor]:
    """Return latents [N, D] and all attributes [N, A] that the reader has of their images.

    Args:
        task: with a reader. One of labels by seed has its own images, and `samples` does not count.
        samples: images rendered.
    Raises:
        LinkGANError: no reader, or one whose values do not fit the images.
    """
    reader, latents, values = _reader(task), [], []
    for drawn, labels, known in batches(task, samples):
        latents.append(drawn[:, 0])
        values.append(known if known is not None else values_of(reader, task.generator.render(drawn, labels)))
    return torch.cat(latents), torch.cat(values)


def batches(task: Task, samples: int) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """Yield latents [n, L, D], labels [n, c_dim] and attributes [n, A] of samples; None where images must be read.

    Args:
        task: with a reader. One of labels by seed has its own samples, and `samples` does not count.
        samples: how many.
    Raises:
        LinkGANError: no reader.
    """
    reader, generator = _reader(task), task.generator
    labelled = reader if isinstance(reader, LabelledSamples) else None
    total = samples if labelled is None else len(labelled.seeds)
    for start in task.progress(range(0, total, task.batch), "reading attributes"):
        rows = slice(start, min(start + task.batch, total))
        if labelled is None:
            yield (*task.draw(start, rows.stop - start), None)
        else:
            seeds = labelled.seeds[rows]
            labels = generator.labels(seeds)
            yield generator.draw(seeds, labels), labels, labelled.values[rows].to(generator.device)


def _reader(task: Task) -> Reader | LabelledSamples:
    if task.reader is None:
        raise LinkGANError("this method needs a reader of attributes: give one with --reader")
    return task.reader


def values_of(reader: Reader | LabelledSamples, images: Tensor) -> Tensor:
    """Return what a reader reads from images [N, C, H, W]: float32 [N, A].

    Raises:
        LinkGANError: labels by seed, or values that do not fit the images or are not finite.
    """
    if isinstance(reader, LabelledSamples):
        raise LinkGANError("labels of seeds cannot be read from images: give --reader faces or --reader FOLDER")
    values = reader(images)
    wanted = [len(images), len(reader.names)]
    if list(values.shape) != wanted:
        raise LinkGANError(f"the reader returned {list(values.shape)} for {len(images)} images, expected {wanted}")
    if not bool(torch.isfinite(values).all()):
        raise LinkGANError("the reader returned numbers that are not finite")
    return values.float()
