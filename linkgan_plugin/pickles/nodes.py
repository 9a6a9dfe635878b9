"""Inert representations of the objects in a snapshot: class names, constructor arguments and attributes."""

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
        class_name: name of a class whose source is in the pickle; else the dotted name by which the file refers to it.
        state: the object's attributes; change them by `put`.
        source: the source of the class, as text that is never run; None without one.
        budget: of its file.
    """

    def __init__(
        self, class_name: str, state: dict[str, Any], source: str | None = None, budget: Budget | None = None
    ) -> None:
        self.class_name, self.state, self.source = class_name, state, source
        self.budget = budget or Budget(class_name, PICKLE)

    def build(self, state: Any) -> None:
        """Set the attributes."""
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
        """Whether the pickle contains only the name of the class, not its source or arguments (R3GAN)."""
        return self.source_digest is None and "." in self.class_name

    @property
    def init_args(self) -> tuple[Any, ...]:
        """The positional arguments of the constructor, as plain data."""
        args: tuple[Any, ...] = self._plain(self._typed("_init_args", tuple, ()), f"arguments of {self.class_name}")
        return args

    @property
    def init_kwargs(self) -> dict[str, Any]:
        """The keyword arguments of the constructor, as plain data."""
        kwargs: dict[str, Any] = self._plain(self._typed("_init_kwargs", dict, {}), f"arguments of {self.class_name}")
        return kwargs

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """The public attributes that are plain data, such as z_dim or link_spec; dtypes by name."""
        found = {}
        with self.budget:
            for key, value in self.state.items():
                if type(key) is str and not key.startswith("_"):
                    if type(value) is Allowed:
                        found[key] = value.name
                        continue
                    try:
                        found[key] = plain(value, key, self.budget)
                    except PickleError:
                        continue
        return found

    @property
    def parameters(self) -> dict[str, StoredTensor]:
        """The object's own parameters, without those of submodules."""
        return {key: value for key, value in self._typed("_parameters", dict, {}).items() if value is not None}

    @property
    def buffers(self) -> dict[str, StoredTensor]:
        """The object's own persistent buffers, without those of submodules."""
        hidden = self._typed("_non_persistent_buffers_set", set, set())
        buffers = self._typed("_buffers", dict, {})
        return {key: value for key, value in buffers.items() if key not in hidden and value is not None}

    def tensors(self) -> dict[str, StoredTensor]:
        """Return the tensors by dotted name, in the order and under the names of ``torch.nn.Module.state_dict``.

        Raises:
            PickleError: other objects in place of tensors or modules, modules that contain themselves, or tensors that
                together are more than twice as large as their storages.
        """
        found = dict(self._tensors("", 0))
        held = sum(dict(tensor.place for tensor in found.values()).values())
        if sum(tensor.nbytes for tensor in found.values()) > 2 * held:
            raise PickleError(f"{self.class_name}: too many tensors share the same numbers")
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
        """Yield the direct submodules by name. Raises PickleError where one is not a module."""
        for name, module in self._typed("_modules", dict, {}).items():
            if isinstance(module, Node):
                yield name, module
            elif module is not None:
                raise PickleError(f"{self.class_name} has a {type(module).__name__} where a module should be")

    def tree(self, path: str = "") -> Iterator[tuple[str, Node]]:
        """Yield this module (named '') and all submodules by dotted name. Raises PickleError as `tensors` does."""
        if not path:
            self.tensors()
        yield path, self
        for name, module in self.modules():
            yield from module.tree(f"{path}.{name}" if path else name)

    def _tensors(self, prefix: str, depth: int) -> Iterator[tuple[str, StoredTensor]]:
        if depth > _DEEPEST:
            raise PickleError(f"{self.class_name}: modules are nested too deeply")
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
    """Return the node of an object that is stored with the source of its class."""
    if type(meta) is not dict or meta.get("type") != "class" or type(meta.get("state")) is not dict:
        raise ValueError("an incomplete persistent object")
    name, source = meta.get("class_name"), meta.get("module_src")
    if type(name) is not str or type(source) is not str or not name.isidentifier():
        raise ValueError("a persistent object without a class")
    return Node(name, meta["state"], source, budget)


def digest(source: str) -> str:
    """Return the SHA-256 of source text, independent of its line ends; the last line has one (`inspect` adds it)."""
    text = source.replace("\r\n", "\n")
    return hashlib.sha256((text if text.endswith("\n") else text + "\n").encode("utf-8", "surrogatepass")).hexdigest()


def plain(value: Any, what: str, budget: Budget) -> Any:
    """Return a copy of plain data: numbers, text, None, and lists, tuples and dicts of them.

    Args:
        value: the data.
        what: its name, for messages.
        budget: is charged for every value of the copy.
    Raises:
        PickleError: other objects in it, or nested too deeply; names `what`.
        BudgetError: it exceeds the budget.
    """
    return _plain(value, what, 0, budget)


def _plain(value: Any, what: str, depth: int, budget: Budget) -> Any:
    if depth > _DEEPEST:
        raise PickleError(f"{what}: data is nested too deeply")
    budget.charge(items=1)
    if type(value) in _SCALARS:
        return value
    if type(value) is dict:
        return {key: _plain(item, what, depth + 1, budget) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_plain(item, what, depth + 1, budget) for item in value)
    raise PickleError(f"{what}: a {type(value).__name__}, expected plain data")
