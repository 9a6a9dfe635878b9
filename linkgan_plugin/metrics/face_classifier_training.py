"""Trains attribute classifiers on degraded renders, so that they also work on generated images."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import conv2d, mse_loss, pad
from tqdm import tqdm

from linkgan_plugin.metrics.face_classifier import (
    SIZE,
    FaceClassifier,
    correlations,
    load_face_classifier,
    save_face_classifier,
)
from training_loops.data.faces import EYES_BOX, MOUTH_BOX, part_axes, render, sample_attributes

_RENDERS = 24_000
_EPOCHS = 8
_BATCH = 128
_RATE = 4e-3


def train(seed: int = 0) -> FaceClassifier:
    """Return a classifier trained on `_RENDERS` faces; on one thread the same seed gives the same weights."""
    torch.manual_seed(seed)
    truth = sample_attributes(_RENDERS, seed + 1)
    images = render(truth, SIZE)[0]
    classifier = FaceClassifier()
    with tqdm(total=steps_of(_RENDERS, _EPOCHS, _BATCH), desc="Training the face classifier") as bar:

        def show(loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
            bar.update()

        return fit(classifier, images, truth, epochs=_EPOCHS, batch=_BATCH, vary=splice, progress=show)


def fit(
    classifier: FaceClassifier,
    images: Tensor,
    truth: Tensor,
    *,
    epochs: int,
    batch: int,
    vary: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = lambda images, truth: (images, truth),
    progress: Callable[[float], object] = lambda loss: None,
) -> FaceClassifier:
    """Train an attribute classifier on images [N, 3, S, S] and their attributes [N, A], and return it in eval mode.

    Args:
        classifier: trained in place; must be in training mode.
        images: float32 [N, 3, S, S] in [-1, 1].
        truth: float32 [N, A].
        epochs: passes over the images.
        batch: images per step.
        vary: augments a batch before `roughen`.
        progress: called with the loss of every step.
    """
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=_RATE, weight_decay=1e-3)
    steps = steps_of(len(images), epochs, batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step / steps))
    for _ in range(epochs):
        for chosen in torch.randperm(len(images)).split(batch)[: max(1, len(images) // batch)]:
            shown, target = roughen(*vary(images[chosen], truth[chosen]))
            loss = mse_loss(classifier(shown)[1], target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            progress(loss.item())
    return classifier.eval()


def steps_of(images: int, epochs: int, batch: int) -> int:
    """Return the number of steps of `fit`: full batches only, or one batch of all images if there are fewer."""
    return epochs * max(1, images // batch)


def _rate(progress: float) -> float:
    """Return the share of the full learning rate: linear warmup, then cosine decay to 0."""
    return min(1.0, progress / 0.05) * 0.5 * (1 + math.cos(math.pi * progress))


def splice(images: Tensor, truth: Tensor, share: float = 0.2) -> tuple[Tensor, Tensor]:
    """Replace the eyes or the mouth of some faces by those of another face, pixels and attributes alike.

    The classifier must then predict the eyes' attributes from the eyes, not from their surroundings.

    Args:
        images: [N, 3, S, S] in [-1, 1].
        truth: [N, A], the attributes.
        share: share of the faces, for each part.
    Returns:
        Both with the parts replaced, in the same shapes.
    """
    images, truth = images.clone(), truth.clone()
    for part, box in (("eyes", EYES_BOX), ("mouth", MOUTH_BOX)):
        x0, y0, x1, y1 = (round(edge * SIZE) for edge in box)
        donor = torch.randperm(len(images))
        chosen = (torch.rand(len(images)) < share).nonzero()[:, 0]
        axes = torch.tensor(part_axes(part))
        images[chosen, :, y0:y1, x0:x1] = images[donor[chosen], :, y0:y1, x0:x1]
        truth[chosen[:, None], axes] = truth[donor[chosen][:, None], axes]
    return images, truth


def roughen(images: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Blur or sharpen, shift brightness and contrast, and add noise, each image by its own amount.

    Args:
        images: [N, 3, S, S] in [-1, 1].
        truth: [N, A], returned unchanged.
    """
    count = len(images)

    def amount(low: float, high: float, channels: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(count, channels, 1, 1)

    line = torch.tensor([0.25, 0.5, 0.25])
    kernel = (line[:, None] * line).expand(3, 1, 3, 3)
    blurred = conv2d(pad(images, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)
    images = torch.lerp(images, blurred, amount(-0.2, 0.7))
    images = images * amount(0.95, 1.05) + amount(-0.04, 0.04, channels=3)
    images = images + amount(0, 0.12) * torch.randn_like(images)
    return images.clamp(-1, 1), truth


def main(arguments: list[str]) -> None:
    """Train if requested, then print the correlations."""
    torch.set_num_threads(1)
    if arguments == ["--train"]:
        save_face_classifier(train())
    elif arguments:
        raise SystemExit(f"unknown arguments {arguments}; usage: python -m {__spec__.name} [--train]")
    for name, r in correlations(load_face_classifier()).items():
        print(f"{name:14s} {r:.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
