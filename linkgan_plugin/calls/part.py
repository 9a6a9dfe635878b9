"""A part of a generator, its mapping or its synthesis: its parameters, and how to replace it temporarily."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from torch import nn


def unwrap(module: nn.Module) -> nn.Module:
    """Return the module inside a DistributedDataParallel wrapper, or the module itself."""
    return module.module if isinstance(module, nn.parallel.DistributedDataParallel) else module


class GeneratorPart:
    """One part of a generator: a module of its own (StyleGAN2, 3) or a method of the whole generator (eg3d).

    Args:
        owner: the module itself, or the generator.
        method: name of the generator's method, None for a module.
    """

    def __init__(self, owner: nn.Module, method: str | None = None) -> None:
        self.owner = owner
        self._method = method

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return (getattr(self.owner, self._method) if self._method else self.owner)(*args, **kwargs)

    @cached_property
    def signature(self) -> inspect.Signature:
        """The parameters of the part."""
        return inspect.signature(getattr(unwrap(self.owner), self._method or "forward"))

    def accepts(self, keyword: str) -> bool:
        """Return whether the part has a parameter `keyword`."""
        return keyword in self.signature.parameters

    @contextmanager
    def replaced(self, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
        """Replace the part by ``wrap(call)`` within the block, for all callers.

        The substitute is an attribute of the instance and is removed after the block: otherwise the host's snapshot
        would fail to pickle.
        """
        _ = self.signature  # cached before it is replaced
        owner, name = unwrap(self.owner), self._method or "forward"
        before = vars(owner).get(name)
        setattr(owner, name, wrap(getattr(owner, name)))
        try:
            yield
        finally:
            if before is None:
                delattr(owner, name)
            else:
                setattr(owner, name, before)
