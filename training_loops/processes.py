"""Distributed training with torchrun: ranks, devices and communication between processes."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from training_loops.errors import OptionError

T = TypeVar("T")
_LAUNCHED = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR"}


class PeerError(RuntimeError):
    """Another process ended while this one waited for it; the reason is in the output of that process."""


@dataclass(frozen=True)
class Place:
    """The rank of this process among `count` on all machines, and its device."""

    rank: int
    count: int
    device: torch.device

    def decided(self, decide: Callable[[], T]) -> T:
        """Return rank 0's result of `decide` on all ranks; only rank 0 calls it, so errors are printed once."""
        box = [decide() if self.rank == 0 else None]
        if self.count > 1:
            with _peers():
                torch.distributed.broadcast_object_list(box, src=0, device=self.device)
        return box[0]  # type: ignore[return-value]


def default_device(rank: int = 0) -> torch.device:
    """Return CUDA device `rank` if CUDA is available, else the CPU."""
    return torch.device("cuda", rank) if torch.cuda.is_available() else torch.device("cpu")


def local_rank(rank: int) -> int:
    """Return the number of this process on its machine, from 0; without a launcher there is one machine, so `rank`."""
    return int(os.environ.get("LOCAL_RANK", rank))


@contextlib.contextmanager
def joined(device: str | None = None) -> Iterator[Place]:
    """Join the process group of torchrun (a single process without torchrun) while the block runs.

    The backend is NCCL on GPUs, with one process per GPU, and Gloo on CPUs. LOCAL_RANK chooses the GPU of a machine.
    Raises OptionError for a `device` that not all processes can use.
    """
    # Those of torchrun; other launchers, such as wrappers of mpirun, set the same.
    launched = _LAUNCHED.issubset(os.environ)
    if not launched or int(os.environ["WORLD_SIZE"]) == 1:
        yield Place(0, 1, device_named(device))
        return
    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    place = Place(rank, count, _local_device(device, local_rank(rank)))
    if place.device.type == "cuda":
        torch.cuda.set_device(place.device)
    import_before_joining()
    with _peers():
        torch.distributed.init_process_group("nccl" if place.device.type == "cuda" else "gloo")
    yield place
    # Not after a failure: the others may never respond, and torchrun ends them when this process ends.
    with _peers():
        torch.distributed.barrier()  # no process closes its connections while another still reads
    torch.distributed.destroy_process_group()


def import_before_joining() -> None:
    """Import a torch module that would keep the process group alive if it were first imported later.

    Functions of this module use ``group.WORLD`` at import time as the default of an argument, and the first step of
    an optimizer imports it. Such a group and its threads outlive destroy_process_group, and Gloo's threads sometimes
    abort the process at its end ("terminate called without an active exception").
    """
    importlib.import_module("torch.distributed.nn.functional")


def device_named(name: str | None) -> torch.device:
    """Return the device `name`: cpu, cuda, or cuda:N; by default the GPU if there is one.

    Raises:
        OptionError: another name, or a GPU that does not exist.
    """
    try:
        found = default_device() if name is None else torch.device(name)
    except RuntimeError:
        found = torch.device("meta")
    if found.type not in ("cpu", "cuda"):
        raise OptionError(f"device={name!r}: expected cpu, cuda or cuda:N")
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise OptionError(f"device={name!r}: this machine has {torch.cuda.device_count()} GPU(s); try --device cpu")
    return found


def _local_device(device: str | None, local: int) -> torch.device:
    found = device_named(device)
    if found.type == "cpu":
        return found
    if device is not None and found.index is not None:
        raise OptionError(f"device={device!r}: several processes cannot share it; expected 'cpu' or 'cuda'")
    if local >= torch.cuda.device_count():
        raise OptionError(f"no GPU for process {local}: this machine has {torch.cuda.device_count()} GPU(s)")
    return torch.device(found.type, local)


def check_count(num_gpus: int) -> None:
    """Raise OptionError unless this process is one of `num_gpus`."""
    count = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
    if count != num_gpus:
        raise OptionError(
            f"num_gpus={num_gpus}, but {count} process(es) are running; start with torchrun --nproc_per_node={num_gpus}"
            ", or with as many on several machines together"
        )


def add_up(tensor: Tensor) -> None:
    """Replace `tensor`, of the same shape in all processes, by its sum over them."""
    with _peers():
        torch.distributed.all_reduce(tensor)


def copy_from_first(tensor: Tensor) -> None:
    """Replace `tensor` by that of rank 0, of the same shape."""
    with _peers():
        torch.distributed.broadcast(tensor, src=0)


def gathered(value: T, num_gpus: int) -> list[T]:
    """Return the `value` of every rank, in order."""
    if num_gpus == 1:
        return [value]
    values: list[Any] = [None] * num_gpus
    with _peers():
        torch.distributed.all_gather_object(values, value)
    return values


@contextlib.contextmanager
def _peers() -> Iterator[None]:
    """Convert the various errors of a lost connection to PeerError."""
    try:
        yield
    except RuntimeError as error:
        raise PeerError(f"another process ended first; see its output for the reason ({str(error)[:200]})") from error
