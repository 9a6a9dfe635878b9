"""Emulation of CUDA on the CPU for hosts that support only CUDA: devices, transfers, events, process groups."""

from __future__ import annotations

import atexit
import copyreg
import functools
import gc
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn

from training_loops.processes import import_before_joining

REAL_DEVICE = torch.device
# Functions that create tensors on a given device.
FACTORIES = (
    *("arange", "eye", "linspace", "randint", "randperm", "as_tensor", "tensor"),
    *(f"{name}{like}" for name in ("empty", "full", "ones", "rand", "randn", "zeros") for like in ("", "_like")),
)

_undo: list[Callable[[], Any]] = []


def emulate(threads: int | None = None) -> None:
    """Redirect everything meant for CUDA to the CPU, in this process, until `restore`; a second call changes nothing.

    Call it before the host is imported, and again in each child process that is spawned, not forked. Results are
    unchanged: hosts use their plain PyTorch code, as on any machine without a GPU. ``torch.cuda.is_available()`` stays
    False; a ``torch.Generator("cuda")`` and CUDA-only operations remain errors.

    Args:
        threads: number of torch's threads, or None to leave it unchanged.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    if not _undo:
        _emulate_devices()
        _emulate_transfers()
        _emulate_runtime()
        _emulate_distribution()


def restore() -> None:
    """Undo everything that `emulate` changed, except the number of threads."""
    while _undo:
        _undo.pop()()


def _put(owner: Any, name: str, value: Any) -> None:
    """Set an attribute until `restore`."""
    if name in vars(owner):
        _undo.append(functools.partial(setattr, owner, name, vars(owner)[name]))
    else:  # inherited, such as Tensor.to
        _undo.append(functools.partial(delattr, owner, name))
    setattr(owner, name, value)


def _on_cpu(device: Any) -> Any:
    """Return a host's device argument, with the CPU in place of a GPU."""
    cuda = isinstance(device, int) or (isinstance(device, str) and device.startswith("cuda"))
    return REAL_DEVICE("cpu") if cuda else device


# Devices.


class _DeviceType(type):
    """Makes real devices instances of the replacement class."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, REAL_DEVICE)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, REAL_DEVICE)


class _Device(metaclass=_DeviceType):
    """Replaces ``torch.device``: returns real devices, with the CPU in place of a GPU."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        device = REAL_DEVICE(*args, **kwargs)
        return REAL_DEVICE("cpu") if device.type == "cuda" else device


# Pickle refers to classes by name, so pickles written now can be opened without the emulation.
_Device.__module__, _Device.__qualname__, _Device.__name__ = "torch", "device", "device"


def _reduce_device(device: torch.device) -> tuple[Any, tuple[str]]:
    return torch.device, (str(device),)


def _emulate_devices() -> None:
    _put(torch, "device", _Device)
    copyreg.pickle(REAL_DEVICE, _reduce_device)
    _undo.append(functools.partial(copyreg.dispatch_table.pop, REAL_DEVICE))


# Transfers.


def _with_cpu_device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function with an argument ``device=`` so that the CPU replaces a GPU."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if "device" in kwargs:
            kwargs["device"] = _on_cpu(kwargs["device"])
        return function(*args, **kwargs)

    return wrapper


def _to_cpu(to: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the ``to`` of tensors or modules, whose first argument may be a device."""
    keyword = _with_cpu_device(to)

    @functools.wraps(to)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        return keyword(self, *[_on_cpu(value) for value in args[:1]], *args[1:], **kwargs)

    return wrapper


def _stays() -> Callable[..., Any]:
    """Return a new method that returns its object unchanged."""
    return lambda self, *args, **kwargs: self


def _load(load: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``torch.load``: tensors saved on a GPU, or requested on one, are loaded to the CPU."""

    @functools.wraps(load)
    def wrapper(f: Any, map_location: Any = None, *args: Any, **kwargs: Any) -> Any:
        place = REAL_DEVICE("cpu") if map_location is None else _on_cpu(map_location)
        return load(f, place, *args, **kwargs)

    return wrapper


def _emulate_transfers() -> None:
    for owner in (torch.Tensor, nn.Module):
        _put(owner, "to", _to_cpu(owner.to))
        _put(owner, "cuda", _stays())
    _put(torch.Tensor, "pin_memory", _stays())
    for name in FACTORIES:
        _put(torch, name, _with_cpu_device(getattr(torch, name)))
    _put(torch, "load", _load(torch.load))


# The CUDA runtime: streams, events, memory.


class _Event:
    """Replaces ``torch.cuda.Event``: a point in time, always completed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.seconds = time.perf_counter()

    def record(self, *args: Any) -> None:
        self.seconds = time.perf_counter()

    def wait(self, *args: Any) -> None:
        pass

    def synchronize(self) -> None:
        pass

    def query(self) -> bool:
        return True

    def elapsed_time(self, end: _Event) -> float:
        """Return the milliseconds from this event to `end`."""
        return (end.seconds - self.seconds) * 1e3


class _Stream:
    """Replaces ``torch.cuda.Stream``: always empty."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Stream)

    def __hash__(self) -> int:
        return hash(_Stream)

    def synchronize(self) -> None:
        pass

    def wait_stream(self, stream: _Stream) -> None:
        pass

    def wait_event(self, event: _Event) -> None:
        pass

    def record_event(self, event: _Event | None = None) -> _Event:
        event = event or _Event()
        event.record()
        return event

    def query(self) -> bool:
        return True


class _Context(nullcontext[None]):
    """Replaces the context managers that select a GPU or stream; no effect."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()


def _always(make: Callable[[], Any]) -> Callable[..., Any]:
    """Return a new function with any arguments; torch's compiler requires a separate one for each name."""
    return lambda *args, **kwargs: make()


def _emulate_runtime() -> None:
    stand_ins: dict[str, Any] = {"Event": _Event, "Stream": _Stream, "device": _Context, "stream": _always(_Context)}
    stand_ins |= {name: _always(_Stream) for name in ("current_stream", "default_stream")}
    nothing = ("empty_cache", "reset_peak_memory_stats", "set_device", "synchronize")
    stand_ins |= {name: _always(lambda: None) for name in nothing}
    stand_ins |= {"current_device": _always(lambda: 0), "get_device_name": _always(lambda: "CPU")}
    for name, stand_in in stand_ins.items():
        _put(torch.cuda, name, stand_in)


# Several processes.


def _leave_group() -> None:
    """Destroy the process group, which hosts never do: gloo's threads may abort the process at its end."""
    if torch.distributed.is_initialized():
        gc.collect()  # DistributedDataParallel modules refer to the group, in reference cycles
        torch.distributed.destroy_process_group()


def _emulate_distribution() -> None:
    distributed, parallel = torch.distributed, nn.parallel.DistributedDataParallel
    if not distributed.is_available():
        return
    start, init = distributed.init_process_group, parallel.__init__

    @functools.wraps(start)
    def init_process_group(backend: str | None = None, *args: Any, **kwargs: Any) -> None:
        kwargs.pop("device_id", None)
        import_before_joining()
        start("gloo" if backend and "nccl" in backend else backend, *args, **kwargs)
        atexit.register(_leave_group)

    @functools.wraps(init)
    def __init__(
        self: Any, module: nn.Module, device_ids: Any = None, output_device: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        init(self, module, None, None, *args, **kwargs)

    _put(distributed, "init_process_group", init_process_group)
    _put(parallel, "__init__", __init__)  # in place, so that hosts' isinstance checks still work
