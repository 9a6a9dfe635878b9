"""Counts the bytes of the tensors that a piece of code makes."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_LARGE = 4096  # bytes: more than any list of axes or perturbations, less than any mask or image


class AllocatedBytes(TorchDispatchMode):
    """Counts the storages that operations return.

    Attributes:
        large: the bytes of those of at least 4 KB; a storage that several operations return counts once while it lives.
    """

    def __init__(self) -> None:
        super().__init__()
        self.large = 0
        self._seen: dict[int, torch.Tensor] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {t.untyped_storage().data_ptr() for t in args if isinstance(t, torch.Tensor)}
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (list, tuple)) else [result]:
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage.nbytes() >= _LARGE and storage.data_ptr() not in given | self._seen.keys():
                    self._seen[storage.data_ptr()] = tensor  # kept, so that its address is not used again
                    self.large += storage.nbytes()
        return result
