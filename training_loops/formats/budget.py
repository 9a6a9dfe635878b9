"""Limits on the cost of reading one untrusted file; every reader of such files charges a `Budget`."""

from __future__ import annotations

import time
from dataclasses import dataclass

from training_loops.errors import InputError

_CLOCK_EVERY = 4096  # items between two time checks


@dataclass(frozen=True)
class Limits:
    """The most that reading one file may cost.

    Attributes:
        bytes: memory in addition to the file itself.
        items: values, steps, entries.
        seconds: CPU time of the reading thread, so that a slow disk or a busy machine causes no errors.
    """

    bytes: int
    items: int
    seconds: float


# The largest public snapshot (StyleGAN3 at 1024 pixels, three networks) takes 40,000 steps and .3 s, and holds less
# than a megabyte of text; tensors stay in the file and are not charged.
PICKLE = Limits(bytes=64 << 20, items=1_000_000, seconds=2)
# Weights hardly compress: gzip leaves 93 % of random float32 numbers, and 59 % of those that were float16 before.
_PACKED = 8  # compression factor: files of weights stay below it
# The header of a .safetensors file, a model card, a sidecar, a run's options: at most some hundred kilobytes.
DESCRIPTION = Limits(bytes=16 << 20, items=200_000, seconds=2)
# Saved edits: a donor's latents of 18 x 512 numbers are 49 kilobytes, so a thousand transplants fit.
EDITS = Limits(bytes=64 << 20, items=200_000, seconds=4)
# dataset.json: ImageNet's 1.3 million classes are 51 MB and 4 million items, FFHQ's cameras 35 MB and 2 million.
# One non-Latin letter makes Python's string of it four times as large, twice: 80 MB become 720.
LABELS = Limits(bytes=80 << 20, items=6_000_000, seconds=20)

# An image of a data set: hosts train at 1024 pixels a side at most, and their tool writes PNG without compression.
DATA_SIDE = 2048
DATA_IMAGE = 64 << 20  # bytes of the file: four channels of 16 bits at DATA_SIDE are 32 MB
# Labels become one number per class: ImageNet-21k has 21,841 classes. EG3D's cameras are vectors of 25 numbers.
MOST_CLASSES = 65_536

# The links of a network: latents have 512 axes, StyleSpace 9,088; the paper links at most 5 regions.
MOST_AXES = 65_536
MOST_LINKS = 256
# A basis of D axes is 16/3 D^2 letters of base64. A description holds up to four: with G, with G_ema, and twice in the
# training options. At 768 axes they are 12.6 MB of its 16.
MOST_BASIS_AXES = 768
# A file of directions: 512 of 18 x 512 numbers are 19 MB, 200 warps of 128 supports x 512 are 52 MB.
DIRECTIONS = 256 << 20  # bytes
# A file of an encoder: the default at 1024 pixels with 18 x 512 latents is 25 MB, eight times as wide 1.2 GB.
ENCODER = 2 << 30  # bytes

# The regions of all links of a network: items are regions and their arguments (a thousand boxes are 5,120), bytes are
# those of decoded mask files.
REGIONS = Limits(bytes=256 << 20, items=8192, seconds=4)
MOST_CORNERS = 1024  # of a polygon: the test for crossing edges is quadratic
MASK_SIDE = 4096
MASK_FILE = 64 << 20  # bytes: 16 bits at MASK_SIDE without compression are 32 MB

# Photographs on the command line: phones take 50 million pixels, each 4 bytes, three times while reading.
PHOTOGRAPH_PIXELS = 50_000_000
PHOTOGRAPH_FILE = 160 << 20  # bytes: uncompressed
# Frames of one video: five minutes at 30 a second. They are decoded one by one, of PHOTOGRAPH_PIXELS at most.
VIDEO_FRAMES = 9000


def packed_limits(size: int) -> Limits:
    """Return the limits for decompressing a file of `size` bytes: time for the largest output at 100 MB a second."""
    most = _PACKED * size + PICKLE.bytes
    return Limits(bytes=most, items=PICKLE.items, seconds=PICKLE.seconds + most / 100e6)


class BudgetError(InputError):
    """A file that costs more to read than its kind is allowed."""


class Budget:
    """The remaining cost allowance for reading one file. Time counts while its ``with`` block runs.

    Args:
        what: the file, for messages.
        limits: what it may cost.
    """

    def __init__(self, what: str, limits: Limits) -> None:
        self.what, self.limits = what, limits
        self._bytes, self._items = limits.bytes, limits.items
        self._until_clock = _CLOCK_EVERY
        self._seconds, self._started = limits.seconds, 0.0
        self._depth = 0

    def __enter__(self) -> Budget:
        if not self._depth:
            self._started = time.thread_time()
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._seconds -= time.thread_time() - self._started

    def charge(self, items: int = 0, bytes: int = 0) -> None:
        """Charge `items` and `bytes` before they are allocated.

        Raises:
            BudgetError: more than is left, or the time is used up.
        """
        self._items -= items
        self._bytes -= bytes
        if self._items < 0:
            raise BudgetError(f"{self.what}: more than {self.limits.items} values, too many for a file of this kind")
        if self._bytes < 0:
            raise BudgetError(
                f"{self.what}: expands to more than {self.limits.bytes >> 20} MB, too large for a file of this kind"
            )
        self._until_clock -= items
        if self._depth and self._until_clock <= 0:
            self._until_clock = _CLOCK_EVERY
            if time.thread_time() - self._started > self._seconds:
                raise BudgetError(
                    f"{self.what}: takes more than {self.limits.seconds:g} s to read, too long for a file of this kind"
                )
