"""A pretend accelerator: its tensors have their values on the CPU and say that they are elsewhere.

They refuse to meet CPU tensors, as an accelerator's do, and what makes a host wait for an accelerator is counted. The
device is called `meta`, the one besides `cpu` that autograd and factories accept in every build of PyTorch::

    with Accelerator() as accelerator:
        moved(module)
        module(torch.randn([2, 8], device=DEVICE)).sum().item()
    accelerator.syncs  # Counter({'item': 1})
"""

from __future__ import annotations

import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("meta")
ROOT = Path(__file__).parents[2]
COPIES = ("copy_", "_to_copy")
# Operations whose result the host needs before it can go on, besides copies to the CPU.
WAITS = {"_local_scalar_dense": "item", "nonzero": "nonzero", "masked_select": "masked_select", "equal": "equal"}


class MixedDevices(RuntimeError):
    """An operation was given tensors of both devices, which a real accelerator refuses."""


class Elsewhere(Tensor):
    """A CPU tensor that says it is on DEVICE."""

    inside: Tensor

    @staticmethod
    def __new__(cls, inside: Tensor, requires_grad: bool = False) -> Elsewhere:
        outside = Tensor._make_wrapper_subclass(
            cls,
            inside.size(),
            strides=inside.stride(),
            storage_offset=inside.storage_offset(),
            dtype=inside.dtype,
            layout=inside.layout,
            device=DEVICE,
            requires_grad=requires_grad,
        )
        outside.inside = inside
        return outside

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {}, None)

    def numpy(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("can't convert an accelerator's tensor to numpy; use Tensor.cpu() first")

    __array__ = numpy

    def new_tensor(self, data: Any, **kwargs: Any) -> Tensor:
        return torch.tensor(data, **{"dtype": self.dtype, "device": DEVICE, **kwargs})

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.inside.__reduce_ex__(protocol)  # files are read on the CPU

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            copy = Elsewhere(self.inside.detach().clone())
            parameter = isinstance(self, nn.Parameter)
            memo[id(self)] = nn.Parameter(copy, self.requires_grad) if parameter else copy
        return memo[id(self)]


class _Generator(torch.Generator):
    """A random generator that knows whether it is the accelerator's.

    Operations get another Python object around the same generator, hence the set of addresses; generators stay alive
    with it, so that no address is used twice.
    """

    elsewhere: ClassVar[dict[int, torch.Generator]] = {}

    def __new__(cls, device: Any = "cpu") -> _Generator:
        there = torch.device(device).type == DEVICE.type
        made: _Generator = super().__new__(cls, "cpu" if there else device)
        if there:
            cls.elsewhere[made._cdata] = made
        return made


class Accelerator(TorchDispatchMode):
    """Within the block, factories that are asked for DEVICE make tensors there.

    Attributes:
        syncs: how often the host waited for a result, by the kind of wait.
        places: the same by the line of this project that waited, ``file:line``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.syncs: Counter[str] = Counter()
        self.places: Counter[str] = Counter()
        self._patches = ExitStack()

    def __enter__(self) -> Accelerator:
        super().__enter__()
        self._patches.enter_context(mock.patch.object(torch, "Generator", _Generator))
        self._patches.enter_context(mock.patch.object(torch, "autocast", _autocast))
        self._patches.enter_context(warnings.catch_warnings())
        # Loading into parameters on `meta` does nothing, PyTorch says; here it does.
        warnings.filterwarnings("ignore", message="for .*: copying from a non-meta parameter")
        for name in ("tensor", "as_tensor"):
            self._patches.enter_context(mock.patch.object(torch, name, _from_data(getattr(torch, name))))
        return self

    def __exit__(self, *error: Any) -> None:
        self._patches.close()
        _Generator.elsewhere.clear()
        super().__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {}, self)

    def waited(self, kind: str) -> None:
        """Count one wait and where it came from."""
        self.syncs[kind] += 1
        frames = [frame for frame in traceback.extract_stack() if _is_ours(frame.filename)]
        if frames:
            self.places[f"{Path(frames[-1].filename).relative_to(ROOT)}:{frames[-1].lineno}"] += 1


def _from_data(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Wrap a factory that takes data, which makes tensors without values on `meta`."""

    def made(data: Any, *, device: Any = None, **kwargs: Any) -> Tensor:
        if device is None or torch.device(device).type != DEVICE.type:
            return make(data, device=device, **kwargs)
        return make(data, **kwargs).to(DEVICE)

    return made


def _autocast(device_type: str, *args: Any, **kwargs: Any) -> torch.amp.autocast_mode.autocast:
    return torch.amp.autocast_mode.autocast("cpu" if device_type == DEVICE.type else device_type, *args, **kwargs)


def _is_ours(file: str) -> bool:
    path = Path(file)
    return path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in ("linkgan_plugin", "training_loops")


def _run(func: Any, args: Any, kwargs: dict[str, Any], accelerator: Accelerator | None) -> Any:
    name = func._schema.name.split("::")[1]
    flat = tree_flatten((args, kwargs))[0]
    there = [x for x in flat if isinstance(x, Elsewhere)]
    here = [x for x in flat if isinstance(x, Tensor) and not isinstance(x, Elsewhere)]
    # As on a GPU: scalars may come from the CPU, and so may indices.
    if there and name not in COPIES and not name.startswith("index") and any(x.dim() for x in here):
        shapes = [tuple(x.shape) for x in here]
        raise MixedDevices(f"{func}: beside the accelerator's, tensors of the CPU of shapes {shapes}")
    device = kwargs.get("device")
    wrap = bool(there) if device is None else torch.device(device).type == DEVICE.type
    if name == "copy_":
        wrap = isinstance(args[0], Elsewhere)
    _check_generators(func, flat, wrap)
    _count(name, args, kwargs, flat, wrap, accelerator)
    if device is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    out = func(*tree_map(_inside, args), **tree_map(_inside, kwargs))
    if func._schema.is_mutable and name.endswith("_"):
        return args[0]
    return tree_map(lambda x: Elsewhere(x) if wrap and isinstance(x, Tensor) else x, out)


def _inside(value: Any) -> Any:
    return value.inside if isinstance(value, Elsewhere) else value


def _check_generators(func: Any, flat: list[Any], wrap: bool) -> None:
    for value in flat:
        if isinstance(value, torch._C.Generator) and (value._cdata in _Generator.elsewhere) != wrap:
            raise MixedDevices(f"{func}: the random generator and the result are on different devices")


def _count(
    name: str, args: Any, kwargs: dict[str, Any], flat: list[Any], wrap: bool, accelerator: Accelerator | None
) -> None:
    if accelerator is None:
        return
    sources = [x for x in (args[1:2] if name == "copy_" else args[:1]) if isinstance(x, Tensor)]
    if name in COPIES:
        # PyTorch waits for the end of a copy between devices unless it is told not to.
        waits = not kwargs.get("non_blocking") and not any(x is True for x in args[2:])
        if waits and any(isinstance(x, Elsewhere) != wrap for x in sources):
            accelerator.waited("copy to the accelerator" if wrap else "copy to the CPU")
    elif name == "index" and isinstance(args[0], Elsewhere) and any(_is_bool(x) for x in args[1]):
        accelerator.waited("nonzero")
    elif name in WAITS and any(isinstance(x, Elsewhere) for x in flat):
        accelerator.waited(WAITS[name])


def _is_bool(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.bool


def elsewhere(value: Any) -> Any:
    """Return a value with all tensors in it on the accelerator."""
    return tree_map(lambda x: Elsewhere(x.detach().clone()) if isinstance(x, Tensor) else x, value)


def here(value: Any) -> Any:
    """Return a value with all tensors in it on the CPU, without counting a wait."""
    return tree_map(lambda x: x.inside if isinstance(x, Elsewhere) else x, value)


def moved(module: nn.Module) -> nn.Module:
    """Move a module's parameters and buffers to the accelerator, in place, and return it."""
    for part in module.modules():
        for name, value in part._parameters.items():
            if value is not None:
                part._parameters[name] = nn.Parameter(Elsewhere(value.detach().clone()), value.requires_grad)
        for name, value in part._buffers.items():
            if value is not None:
                part._buffers[name] = Elsewhere(value.clone())
    return module


@contextmanager
def no_waits(accelerator: Accelerator, most: int = 0) -> Iterator[None]:
    """Within the block, the host may wait for the accelerator `most` times."""
    before = sum(accelerator.syncs.values())
    places = Counter(accelerator.places)
    yield
    found = sum(accelerator.syncs.values()) - before
    assert found <= most, f"the host waited {found} times: {dict(accelerator.places - places)}"


def on_accelerator(call: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a test so that it runs within an `Accelerator`."""

    @wraps(call)
    def run(*args: Any, **kwargs: Any) -> Any:
        with Accelerator():
            return call(*args, **kwargs)

    return run
