"""Tensors as plain JSON-able data, exact to the bit, and their validated reading."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training_loops.formats.json_text import fields_of

from ..errors import LinkGANError

_LONGEST = 1 << 30  # larger sides are malformed data


def tensor_to_json(tensor: Tensor) -> dict[str, Any]:
    """Return a float32 tensor of any shape as its shape and its numbers (little-endian, base64), exact to the bit."""
    array = np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype="<f4")
    return {"shape": list(array.shape), "float32": base64.b64encode(array.tobytes()).decode("ascii")}


def tensor_from_json(data: Any) -> Tensor:
    """Return the tensor of `tensor_to_json` data, float32 of the stored shape.

    Raises:
        LinkGANError: the data is malformed or holds numbers that are not finite.
    """
    found = fields_of(data, "a tensor", {"shape": list, "float32": str})
    shape = found["shape"]
    if not all(type(side) is int and side >= 0 for side in shape):
        raise LinkGANError(f"a shape is a list of whole numbers, not {shape!r:.60}")
    try:
        content = base64.b64decode(found["float32"], validate=True)
    except ValueError as error:
        raise LinkGANError(f"'float32' is not base64 text: {error}") from error
    if len(content) != 4 * math.prod(shape) or max(shape, default=0) > _LONGEST:
        raise LinkGANError(f"{len(content)} bytes are not the float32 numbers of shape {shape}")
    tensor = torch.from_numpy(np.frombuffer(content, dtype="<f4").astype(np.float32)).reshape(shape)
    if not bool(torch.isfinite(tensor).all()):
        raise LinkGANError("some of the numbers are not finite")
    return tensor
