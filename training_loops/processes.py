"""Several processes that train together, as torchrun starts them: who they are, and what they tell each other."""

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


class PeerError(RuntimeError):
    """Another process ended while this one waited for it; that one's message tells why."""


@dataclass(frozen=True)
class Place:
    """This process among `count`: its number, and the device it works on."""

    rank: int
    count: int
    device: torch.device

    def decided(self, decide: Callable[[], T]) -> T:
        """What rank 0 decides, on all ranks; only rank 0 calls `decide`, so its errors are told once."""
        box = [decide() if self.rank == 0 else None]
        if self.count > 1:
            with _peers():
                torch.distributed.broadcast_object_list(box, src=0, device=self.device)
        return box[0]  # type: ignore[return-value]


def default_device(rank: int = 0) -> torch.device:
    """CUDA device `rank` if there is one, else the CPU."""
    return torch.device("cuda", rank) if torch.cuda.is_available() else torch.device("cpu")


@contextlib.contextmanager
def joined(device: str | None = None) -> Iterator[Place]:
    """Join the processes that torchrun started beside this one (alone without it) while the block runs.

    They talk by NCCL on GPUs, each of which has one process, and by Gloo on CPUs.
    Raises OptionError for a `device` that not all can have.
    """
    if not torch.distributed.is_torchelastic_launched() or int(os.environ["WORLD_SIZE"]) == 1:
        yield Place(0, 1, device_named(device))
        return
    rank, count, local = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    place = Place(rank, count, _local_device(device, local))
    if place.device.type == "cuda":
        torch.cuda.set_device(place.device)
    import_before_joining()
    with _peers():
        torch.distributed.init_process_group("nccl" if place.device.type == "cuda" else "gloo")
    yield place
    # Not after a failure: the others may never answer, and torchrun ends them as soon as this process is gone.
    with _peers():
        torch.distributed.barrier()  # nobody hangs up on one that still reads
    torch.distributed.destroy_process_group()


def import_before_joining() -> None:
    """Import what would keep the process group alive for ever if it were imported while there is one.

    Functions of this module take ``group.WORLD`` of that moment as the default of an argument, and the first step of
    an optimizer imports it. Such a group outlives destroy_process_group with its threads, and Gloo's abort a process
    that ends among them ("terminate called without an active exception"): now and then, after all the work is done.
    """
    importlib.import_module("torch.distributed.nn.functional")


def device_named(name: str | None) -> torch.device:
    """Return the device that `name` is for: cpu, cuda, or cuda: and a number; by default the GPU if there is one.

    Raises:
        OptionError: another name, or a GPU that is not there.
    """
    try:
        found = default_device() if name is None else torch.device(name)
    except RuntimeError:
        found = torch.device("meta")
    if found.type not in ("cpu", "cuda"):
        raise OptionError(f"device={name!r}: expected cpu, cuda, or cuda: and a number")
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise OptionError(f"device={name!r}: {torch.cuda.device_count()} GPU(s) here; try --device cpu")
    return found


def _local_device(device: str | None, local: int) -> torch.device:
    found = device_named(device)
    if found.type == "cpu":
        return found
    if device is not None and found.index is not None:
        raise OptionError(f"device={device!r}: several processes cannot share it; expected 'cpu' or 'cuda'")
    if local >= torch.cuda.device_count():
        raise OptionError(f"process {local} of this machine has no GPU: {torch.cuda.device_count()} here")
    return torch.device(found.type, local)


def check_count(num_gpus: int) -> None:
    """Raise OptionError unless this process is one of `num_gpus`."""
    count = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
    if count != num_gpus:
        raise OptionError(
            f"num_gpus={num_gpus}, but {count} process(es) run; start with torchrun --nproc_per_node={num_gpus}"
        )


def add_up(tensor: Tensor) -> None:
    """Replace `tensor`, of the same shape everywhere, by its sum over all processes."""
    with _peers():
        torch.distributed.all_reduce(tensor)


def copy_from_first(tensor: Tensor) -> None:
    """Replace `tensor` by that of rank 0, of the same shape."""
    with _peers():
        torch.distributed.broadcast(tensor, src=0)


def gathered(value: T, num_gpus: int) -> list[T]:
    """The `value` of every rank, by rank."""
    if num_gpus == 1:
        return [value]
    values: list[Any] = [None] * num_gpus
    with _peers():
        torch.distributed.all_gather_object(values, value)
    return values


@contextlib.contextmanager
def _peers() -> Iterator[None]:
    """Turn a lost connection, which torch reports as any of several errors, into one that says what to look for."""
    try:
        yield
    except RuntimeError as error:
        raise PeerError(f"another process ended first; its message tells why ({str(error)[:200]})") from error
