"""The architectures that a segmentation network file may name, with their arguments and classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from training_loops.shapes import shapes_only

from ...errors import LinkGANError, suggest
from .bisenet import BiSeNet
from .dilated import deeplabv3, fcn
from .small_unet import SmallUNet

MOST_CLASSES = 1024


@dataclass(frozen=True)
class Architecture:
    """How a network is built.

    Attributes:
        make: builds the network from keyword arguments: images [N, 3, H, W] -> logits [N, classes, h, w].
        limits: argument -> its smallest and largest value; all are integers and required.
        ignored: name prefixes of tensors in published weights that only training needs.
    """

    make: Callable[..., nn.Module]
    limits: Mapping[str, tuple[int, int]]
    ignored: tuple[str, ...] = ()


_CLASSES = {"classes": (1, MOST_CLASSES)}
_AUXILIARY = ("aux_classifier.",)
ARCHITECTURES: Mapping[str, Architecture] = {
    "small_unet": Architecture(SmallUNet, {**_CLASSES, "width": (1, 128), "depth": (1, 5)}),
    "bisenet_resnet18": Architecture(BiSeNet, _CLASSES),
    "deeplabv3_resnet50": Architecture(lambda classes: deeplabv3(50, classes), _CLASSES, _AUXILIARY),
    "deeplabv3_resnet101": Architecture(lambda classes: deeplabv3(101, classes), _CLASSES, _AUXILIARY),
    "fcn_resnet50": Architecture(lambda classes: fcn(50, classes), _CLASSES, _AUXILIARY),
    "fcn_resnet101": Architecture(lambda classes: fcn(101, classes), _CLASSES, _AUXILIARY),
}


def architecture_named(name: Any) -> Architecture:
    """Return the architecture with exactly that name.

    Raises:
        LinkGANError: an unknown name; lists the known ones.
    """
    if type(name) is not str or name not in ARCHITECTURES:
        raise LinkGANError(f"no architecture {name!r:.100}; {suggest(str(name)[:100], ARCHITECTURES)}")
    return ARCHITECTURES[name]


def check_arguments(name: Any, arguments: Any) -> Mapping[str, int]:
    """Check and return the arguments of an architecture.

    Raises:
        LinkGANError: other names than its arguments, or a value that is not an integer within its limits.
    """
    limits = architecture_named(name).limits
    if type(arguments) is not dict or arguments.keys() != limits.keys():
        raise LinkGANError(f"{name} has the arguments {', '.join(limits)}, not {arguments!r:.200}")
    for argument, (least, most) in limits.items():
        value = arguments[argument]
        if type(value) is not int or not least <= value <= most:
            raise LinkGANError(f"{name}: {argument} {value!r:.100}, expected an integer from {least} to {most}")
    return dict(arguments)


def build(name: str, arguments: Mapping[str, int]) -> nn.Module:
    """Return a network in eval mode on the meta device, without memory or random initialization.

    Raises:
        LinkGANError: as `architecture_named` and `check_arguments`.
    """
    with shapes_only():
        return architecture_named(name).make(**check_arguments(name, arguments)).eval().requires_grad_(False)
