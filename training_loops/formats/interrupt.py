"""Ctrl-C handling: the first lets the current step finish, the second interrupts immediately."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Interrupt:
    """`requested` turns true at the first Ctrl-C."""

    requested = False


@contextlib.contextmanager
def watch_interrupt() -> Iterator[Interrupt]:
    """Record SIGINT in an `Interrupt` while the block runs (in the main thread; other threads are unaffected)."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        if interrupt.requested:
            raise KeyboardInterrupt
        interrupt.requested = True

    previous = signal.signal(signal.SIGINT, on_signal)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, previous)
