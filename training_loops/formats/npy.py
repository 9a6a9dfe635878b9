"""Reads NumPy arrays from untrusted .npy data: plain numbers only, of the size in the header."""

from __future__ import annotations

import io
import math

import numpy as np
import numpy.typing as npt

from training_loops.errors import InputError

MAGIC = b"\x93NUMPY"


def read_npy(content: bytes, name: str) -> npt.NDArray[np.generic]:
    """Return the array in the content of a .npy file, of any shape, after comparing its header with its size.

    Args:
        content: the whole file.
        name: of the array, for messages.
    Raises:
        InputError: damaged, or an array of objects.
    """
    data = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(data)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, _, dtype = read(data)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content) - data.tell():
            raise ValueError(f"objects, or not the {list(shape)} numbers in its header")
        data.seek(0)
        array: npt.NDArray[np.generic] = np.lib.format.read_array(data, allow_pickle=False)
        return array
    except Exception as error:  # whatever NumPy raises on a damaged header, which is Python text
        raise InputError(f"'{name:.80}' is not an array ({str(error)[:200]})") from error
