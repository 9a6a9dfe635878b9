"""Reads attributes by an image classification model in a folder of Hugging Face's transformers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import LinkGANError
from ..images.pixels import rgb
from ..segmentation.hugging_face import OpenedModel, open_model, size_of, three

# model_type -> names of the configuration class and the network class in transformers.
MODELS = {
    "beit": ("BeitConfig", "BeitForImageClassification"),
    "convnext": ("ConvNextConfig", "ConvNextForImageClassification"),
    "convnextv2": ("ConvNextV2Config", "ConvNextV2ForImageClassification"),
    "deit": ("DeiTConfig", "DeiTForImageClassification"),
    "dinov2": ("Dinov2Config", "Dinov2ForImageClassification"),
    "efficientnet": ("EfficientNetConfig", "EfficientNetForImageClassification"),
    "mobilenet_v2": ("MobileNetV2Config", "MobileNetV2ForImageClassification"),
    "mobilevit": ("MobileViTConfig", "MobileViTForImageClassification"),
    "regnet": ("RegNetConfig", "RegNetForImageClassification"),
    "resnet": ("ResNetConfig", "ResNetForImageClassification"),
    "swin": ("SwinConfig", "SwinForImageClassification"),
    "swinv2": ("Swinv2Config", "Swinv2ForImageClassification"),
    "vit": ("ViTConfig", "ViTForImageClassification"),
}
_LARGEST_SIDE = 4096


class ClassifierReader:
    """The probabilities of a model's classes: softmax of its logits, or sigmoid where an image can have several.

    A model with one output (a regression) gives its number as it is.

    Args:
        model: from `open_model`.
        device: of the images.
    Attributes:
        names: of the classes, up to the first comma; those that are not unique get their number.
    Raises:
        LinkGANError: its configuration does not describe names, normalisation and size.
    """

    def __init__(self, model: OpenedModel, device: torch.device | str = "cpu") -> None:
        self._network = model.network.to(device)
        try:
            self.names = _names(model.config)
            self._several = model.config.get("problem_type") == "multi_label_classification"
            self._size, self._crop = _sizes(model.processor)
            normal = model.processor.get("do_normalize", True)
            mean = three(model.processor.get("image_mean"), 0.0) if normal else (0.0,) * 3
            std = three(model.processor.get("image_std"), 1.0) if normal else (1.0,) * 3
            if len(mean) != 3 or len(std) != 3 or not min(std) > 0:
                raise ValueError(f"image_mean {mean!r:.60}, image_std {std!r:.60}")
        except (TypeError, ValueError, OverflowError, KeyError, AttributeError) as error:
            raise LinkGANError(f"config.json and preprocessor_config.json do not fit: {error!s:.200}") from error
        self._mean, self._std = (torch.tensor(part, device=device)[:, None, None] for part in (mean, std))

    def __call__(self, images: Tensor) -> Tensor:
        """Images [N, C, H, W] in [-1, 1] to attributes [N, A], with gradients."""
        try:
            logits: Tensor = self._network(pixel_values=self._prepared(images)).logits.float()
        except RuntimeError as error:
            reason = str(error).strip().rpartition("\n")[2]
            raise LinkGANError(f"the classifier failed on images {list(images.shape)}: {reason:.300}") from error
        if logits.shape[1] == 1:
            return logits
        return logits.sigmoid() if self._several else logits.softmax(dim=1)

    def _prepared(self, images: Tensor) -> Tensor:
        images = rgb(images).float()
        if self._size is not None and tuple(images.shape[2:]) != self._size:
            images = F.interpolate(images, size=self._size, mode="bilinear", antialias=True, align_corners=False)
        if self._crop is not None:
            top, left = ((side - part) // 2 for side, part in zip(images.shape[2:], self._crop, strict=True))
            images = images[:, :, top : top + self._crop[0], left : left + self._crop[1]]
        return ((images + 1) / 2 - self._mean) / self._std


def open_classifier(folder: Path, device: torch.device | str = "cpu") -> ClassifierReader:
    """Open an image classification model from a folder on disk: nothing is downloaded, only .safetensors are read.

    Args:
        folder: with config.json, preprocessor_config.json and the tensors.
        device: of the images.
    Raises:
        LinkGANError: no such model, one that needs external code or files, or transformers is not installed.
    """
    model = open_model(folder, MODELS, "image classification")
    try:
        return ClassifierReader(model, device)
    except LinkGANError as error:
        raise LinkGANError(f"{folder}: {error}") from error


def _names(config: Mapping[str, Any]) -> tuple[str, ...]:
    labels = config["id2label"]
    short = [str(labels[str(index)]).partition(",")[0].strip() for index in range(len(labels))]
    return tuple(name if name and short.count(name) == 1 else f"{name} {i}".strip() for i, name in enumerate(short))


def _sizes(processor: Mapping[str, Any]) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Return the size that images are resized to and that of the centre that is kept; None where they are not.

    A size below 384 with crop_pct is that of the centre: the image is resized to size / crop_pct (ConvNeXt, ResNet).
    """
    size = size_of(processor.get("size")) if processor.get("do_resize", True) else None
    crop = size_of(processor.get("crop_size")) if processor.get("do_center_crop") else None
    share = processor.get("crop_pct")
    if size is not None and share and min(size) < 384:
        crop, size = size, (int(size[0] / share), int(size[1] / share))
    for sides in (size, crop):
        if sides is not None and not all(type(side) is int and 1 <= side <= _LARGEST_SIDE for side in sides):
            raise ValueError(f"size {sides!r:.60}, expected pixels up to {_LARGEST_SIDE}")
    if size is not None and crop is not None and not (crop[0] <= size[0] and crop[1] <= size[1]):
        raise ValueError(f"crop_size {crop} is larger than size {size}")
    return size, crop
