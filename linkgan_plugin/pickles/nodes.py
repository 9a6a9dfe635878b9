"""Inert stand-ins for the objects in a snapshot: what they were called, what they were made with, what they held."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from torch import Tensor

from training_loops.formats.budget import PICKLE, Budget
from training_loops.formats.pickles.source import PickleError
from training_loops.formats.pickles.stored import StoredTensor
from training_loops.formats.pickles.values import Allowed, Buildable, Ordered

_DEEPEST = 64
_SCALARS = (str, bool, int, float, type(None))


class Node(Buildable):
    """An object of a host's or of PyTorch's class.

    Attributes:
        class_name: bare name of a class whose source lies in the pickle; else the dotted name it was referred to by.
        state: the object's attributes; change them by `put`.
        source: the source of the class, as text that nobody runs; None without one.
        budget: of the file that it comes from.
    """

    def __init__(
        self, class_name: str, state: dict[str, Any], source: str | None = None, budget: Budget | None = None
    ) -> None:
        self.class_name, self.state, self.source = class_name, state, source
        self.budget = budget or Budget(class_name, PICKLE)

    def build(self, state: Any) -> None:
        """Take the attributes."""
        if type(state) is not dict or self.state:
            raise ValueError(f"state of {self.class_name} that is not a set of attributes")
        self.state = state

    def put(self, name: str, value: Any) -> None:
        """Set a plain attribute."""
        self.state[name] = value
        self.__dict__.pop("attributes", None)

    @cached_property
    def source_digest(self) -> str | None:
        """SHA-256 of the source, None without one."""
        return None if self.source is None else digest(self.source)

    def __repr__(self) -> str:
        return f"<{self.class_name} in a pickle>"

    @property
    def by_reference(self) -> bool:
        """Whether the pickle only names the class, and holds neither its source nor what it was made with (R3GAN)."""
        return self.source_digest is None and "." in self.class_name

    @property
    def init_args(self) -> tuple[Any, ...]:
        """What the constructor was given by position, plain data."""
        args: tuple[Any, ...] = self._plain(self._typed("_init_args", tuple, ()), f"arguments of {self.class_name}")
        return args

    @property
    def init_kwargs(self) -> dict[str, Any]:
        """What the constructor was given by keyword, plain data."""
        kwargs: dict[str, Any] = self._plain(self._typed("_init_kwargs", dict, {}), f"arguments of {self.class_name}")
        return kwargs

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """The public attributes that are plain data, such as z_dim or link_spec; a type of tensors by its name."""
        found = {}
        for key, value in self.state.items():
            if type(key) is str and not key.startswith("_"):
                if type(value) is Allowed:
                    found[key] = value.name
                    continue
                try:
                    found[key] = self._plain(value, key)
                except PickleError:
                    continue
        return found

    @property
    def parameters(self) -> dict[str, StoredTensor]:
        """The object's own parameters, without those of the modules in it."""
        return {key: value for key, value in self._typed("_parameters", dict, {}).items() if value is not None}

    @property
    def buffers(self) -> dict[str, StoredTensor]:
        """The object's own buffers that are part of its state, without those of the modules in it."""
        hidden = self._typed("_non_persistent_buffers_set", set, set())
        buffers = self._typed("_buffers", dict, {})
        return {key: value for key, value in buffers.items() if key not in hidden and value is not None}

    def tensors(self) -> dict[str, StoredTensor]:
        """Return the tensors by dotted name, in the order and under the names of ``torch.nn.Module.state_dict``.

        Raises:
            PickleError: something else lies where tensors or modules should, modules lie in themselves, or the tensors
                are more than twice as large together as the numbers they show.
        """
        found = dict(self._tensors("", 0))
        held = sum(dict(tensor.place for tensor in found.values()).values())
        if sum(tensor.nbytes for tensor in found.values()) > 2 * held:
            raise PickleError(f"{self.class_name}: many tensors of the same numbers")
        return found

    def state_dict(self) -> dict[str, Tensor]:
        """Read all tensors, names and shapes as in ``torch.nn.Module.state_dict``; raises PickleError."""
        return dict(self.stream())

    def stream(self, wanted: Callable[[StoredTensor], bool] = lambda tensor: True) -> Iterator[tuple[str, Tensor]]:
        """Yield name and tensor, in its own shape, of those that are `wanted`. Raises PickleError as `tensors` does."""
        tensors = {name: tensor for name, tensor in self.tensors().items() if wanted(tensor)}
        users = Counter(tensor.place[0] for tensor in tensors.values())
        rows: dict[object, Tensor] = {}
        for name, tensor in tensors.items():
            row = tensor.place[0]
            value = tensor.read(rows)
            users[row] -= 1
            if not users[row]:
                rows.pop(row, None)
            yield name, value

    def modules(self) -> Iterator[tuple[str, Node]]:
        """Yield the direct submodules by name. Raises PickleError where one is no module."""
        for name, module in self._typed("_modules", dict, {}).items():
            if isinstance(module, Node):
                yield name, module
            elif module is not None:
                raise PickleError(f"{self.class_name} has a {type(module).__name__} where a module should be")

    def tree(self, path: str = "") -> Iterator[tuple[str, Node]]:
        """Yield this module and all in it by dotted name, its own being ''. Raises PickleError as `tensors` does."""
        if not path:
            self.tensors()
        yield path, self
        for name, module in self.modules():
            yield from module.tree(f"{path}.{name}" if path else name)

    def _tensors(self, prefix: str, depth: int) -> Iterator[tuple[str, StoredTensor]]:
        if depth > _DEEPEST:
            raise PickleError(f"{self.class_name}: data without end")
        own = (*self.parameters.items(), *self.buffers.items())
        self.budget.charge(items=1 + len(own), bytes=len(prefix) * (1 + len(own)))
        for name, value in own:
            if not isinstance(value, StoredTensor) or type(name) is not str:
                raise PickleError(f"{self.class_name} has a {type(value).__name__} where a tensor should be")
            yield prefix + name, value
        for name, module in self.modules():
            yield from module._tensors(f"{prefix}{name}.", depth + 1)

    def _plain(self, value: Any, what: str) -> Any:
        with self.budget:
            return plain(value, what, self.budget)

    def _typed(self, key: str, kind: type, default: Any) -> Any:
        value = self.state.get(key, default)
        if type(value) is not kind and not (kind is dict and type(value) is Ordered):
            raise PickleError(f"{self.class_name}: {key} is a {type(value).__name__}, expected a {kind.__name__}")
        return value


def persistent(meta: Any, *, budget: Budget) -> Node:
    """Return the node for an object that was stored with its class's source."""
    if type(meta) is not dict or meta.get("type") != "class" or type(meta.get("state")) is not dict:
        raise ValueError("a persistent object that is not whole")
    name, source = meta.get("class_name"), meta.get("module_src")
    if type(name) is not str or type(source) is not str or not name.isidentifier():
        raise ValueError("a persistent object without a class")
    return Node(name, meta["state"], source, budget)


def digest(source: str) -> str:
    """Return the SHA-256 of source text, whatever its line ends; the last line has one (`inspect` adds it)."""
    text = source.replace("\r\n", "\n")
    return hashlib.sha256((text if text.endswith("\n") else text + "\n").encode("utf-8", "surrogatepass")).hexdigest()


def plain(value: Any, what: str, budget: Budget) -> Any:
    """Return a copy of plain data: numbers, text, None, and lists, tuples and dicts of them.

    Args:
        value: the data.
        what: its name, for messages.
        budget: pays for every value of the copy.
    Raises:
        PickleError: something else in it, or deeper than any snapshot is; names `what`.
        BudgetError: more than any snapshot has.
    """
    return _plain(value, what, 0, budget)


def _plain(value: Any, what: str, depth: int, budget: Budget) -> Any:
    if depth > _DEEPEST:
        raise PickleError(f"{what}: data without end")
    budget.charge(items=1)
    if type(value) in _SCALARS:
        return value
    if type(value) is dict:
        return {key: _plain(item, what, depth + 1, budget) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_plain(item, what, depth + 1, budget) for item in value)
    raise PickleError(f"{what}: a {type(value).__name__}, expected plain data")
