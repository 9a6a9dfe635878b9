"""The first layer of a network that acts on its latents, found by running it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import LinkGANError
from .task import Task


class _Reached(Exception):
    """Ends a forward once the layer has been called."""


def first_layer(task: Task) -> nn.Module:
    """Return the first layer with weights that the task's latents reach: a mapping's, or a generator's without W.

    Raises:
        LinkGANError: no module with a `weight` acts on the latents.
    """
    found: list[nn.Module] = []

    def stop(module: nn.Module, args: tuple[Any, ...], out: Any) -> None:
        if any(isinstance(value, Tensor) and value.requires_grad for value in args):
            found.append(module)
            raise _Reached

    latents, labels = task.draw(0, 1)
    layers = [module for module in task.generator.generator.modules() if isinstance(_weight(module), Tensor)]
    with torch.enable_grad():
        _run(layers, stop, lambda: task.generator.rendering_with_gradients(latents.clone().requires_grad_(), labels))
    if not found:
        raise LinkGANError(f"{type(task.generator.generator).__name__} has no layer with a weight that takes z")
    return found[0]


@torch.no_grad()
def features(task: Task, layer: nn.Module, latents: Tensor, labels: Tensor) -> Tensor:
    """Return the outputs of a layer for latents [N, L, D] and labels [N, c_dim], flattened: float32 [N, P]."""
    found: list[Tensor] = []

    def stop(module: nn.Module, args: tuple[Any, ...], out: Tensor) -> None:
        found.append(out.float().flatten(1))
        raise _Reached

    _run([layer], stop, lambda: task.generator.rendering(latents, labels))
    return found[0]


def _run(layers: list[nn.Module], hook: Callable[..., None], forward: Callable[[], Any]) -> None:
    with ExitStack() as stack:
        for layer in layers:
            stack.callback(layer.register_forward_hook(hook).remove)
        with suppress(_Reached):
            forward()


def _weight(module: nn.Module) -> Any:
    return getattr(module, "weight", None)
