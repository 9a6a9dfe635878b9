"""The pickle instructions that snapshots use, by opcode; other opcodes are rejected."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from training_loops.formats.pickles.source import Source
from training_loops.formats.pickles.values import MARK, Blob, Buildable, Ordered

if TYPE_CHECKING:
    from training_loops.formats.pickles.machine import Machine

Instruction = Callable[["Machine"], None]
INSTRUCTIONS: dict[int, Instruction] = {}

_LONGEST_INTEGER = 64
_LARGEST_KEY = 2**48  # before PyTorch 1.5, optimizer states used memory addresses as parameter names
_PROTOCOLS = range(2, 6)


def _op(*codes: bytes) -> Callable[[Instruction], Instruction]:
    def register(instruction: Instruction) -> Instruction:
        for code in codes:
            INSTRUCTIONS[code[0]] = instruction
        return instruction

    return register


def _pushes(code: bytes, make: Callable[[Source], Any]) -> None:
    INSTRUCTIONS[code[0]] = lambda m: m.stack.append(make(m.source))


def _integer(source: Source, size: int) -> int:
    if size > _LONGEST_INTEGER:
        raise ValueError(f"an integer of {size} bytes")
    return int.from_bytes(source.read(size), "little", signed=True)


_pushes(pickle.NONE, lambda s: None)
_pushes(pickle.NEWTRUE, lambda s: True)
_pushes(pickle.NEWFALSE, lambda s: False)
_pushes(pickle.BININT, lambda s: _integer(s, 4))
_pushes(pickle.BININT1, lambda s: s.number(1))
_pushes(pickle.BININT2, lambda s: s.number(2))
_pushes(pickle.LONG1, lambda s: _integer(s, s.number(1)))
_pushes(pickle.LONG4, lambda s: _integer(s, s.number(4)))
_pushes(pickle.BINFLOAT, lambda s: struct.unpack(">d", s.read(8))[0])
_pushes(pickle.EMPTY_LIST, lambda s: [])
_pushes(pickle.EMPTY_TUPLE, lambda s: ())
_pushes(pickle.EMPTY_DICT, lambda s: {})
_pushes(pickle.EMPTY_SET, lambda s: set())
_pushes(pickle.MARK, lambda s: MARK)


def _pushes_bytes(code: bytes, size_bytes: int) -> None:
    def instruction(m: Machine) -> None:
        m.stack.append(Blob(m.source.part(m.source.number(size_bytes)), m.budget))

    INSTRUCTIONS[code[0]] = instruction


def _pushes_text(code: bytes, size_bytes: int) -> None:
    def instruction(m: Machine) -> None:
        size = m.source.number(size_bytes)
        m.source.check(size)
        m.budget.charge(bytes=size)
        m.stack.append(m.source.read(size).decode("utf-8", "surrogatepass"))

    INSTRUCTIONS[code[0]] = instruction


for _code, _width in ((pickle.SHORT_BINUNICODE, 1), (pickle.BINUNICODE, 4), (pickle.BINUNICODE8, 8)):
    _pushes_text(_code, _width)

for _code, _width in ((pickle.SHORT_BINBYTES, 1), (pickle.BINBYTES, 4), (pickle.BINBYTES8, 8), (pickle.BYTEARRAY8, 8)):
    _pushes_bytes(_code, _width)


@_op(pickle.PROTO)
def _protocol(m: Machine) -> None:
    version = m.source.number(1)
    if version not in _PROTOCOLS:
        raise ValueError(f"pickle protocol {version}")


@_op(pickle.FRAME)
def _frame(m: Machine) -> None:
    m.source.read(8)  # a hint for buffered readers


@_op(pickle.POP)
def _pop(m: Machine) -> None:
    m.stack.pop()


@_op(pickle.POP_MARK)
def _pop_mark(m: Machine) -> None:
    m.pop_to_mark()


@_op(pickle.TUPLE)
def _tuple(m: Machine) -> None:
    m.stack.append(tuple(m.pop_to_mark()))


def _short_tuple(size: int) -> Instruction:
    def instruction(m: Machine) -> None:
        values = [m.pop() for _ in range(size)]
        m.stack.append(tuple(reversed(values)))

    return instruction


for _size, _code in enumerate((pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3), 1):
    _op(_code)(_short_tuple(_size))


@_op(pickle.APPEND)
def _append(m: Machine) -> None:
    value = m.pop()
    m.top(list).append(value)


@_op(pickle.APPENDS)
def _appends(m: Machine) -> None:
    values = m.pop_to_mark()
    m.top(list).extend(values)


def check_key(key: Any) -> None:
    """Raise ValueError for a type of key that snapshots do not use: others could hash slowly or recurse too deeply."""
    if not (key is None or type(key) in (str, bool) or (type(key) is int and abs(key) < _LARGEST_KEY)):
        raise ValueError(f"a {type(key).__name__} as the key of a dict or the item of a set")


def _set_items(target: dict[Any, Any], keys: list[Any], values: list[Any]) -> None:
    for key, value in zip(keys, values, strict=True):
        check_key(key)
        target[key] = value


@_op(pickle.SETITEM)
def _set_item(m: Machine) -> None:
    value, key = m.pop(), m.pop()
    _set_items(m.top(dict, Ordered), [key], [value])


@_op(pickle.SETITEMS)
def _set_many(m: Machine) -> None:
    values = m.pop_to_mark()
    _set_items(m.top(dict, Ordered), values[::2], values[1::2])


@_op(pickle.ADDITEMS)
def _add_items(m: Machine) -> None:
    values = m.pop_to_mark()
    for value in values:
        check_key(value)
    m.top(set).update(values)


@_op(pickle.GLOBAL)
def _global(m: Machine) -> None:
    module, name = m.source.line(), m.source.line()
    m.find(module, name)


@_op(pickle.STACK_GLOBAL)
def _stack_global(m: Machine) -> None:
    name, module = m.pop(), m.pop()
    m.find(module, name)


@_op(pickle.INST)
def _instance(m: Machine) -> None:
    module, name = m.source.line(), m.source.line()
    raise m.refuse(f"{module}.{name}", m.at)


@_op(pickle.REDUCE)
def _reduce(m: Machine) -> None:
    args = m.pop()
    allowed = m.allowed(m.pop())
    if allowed.call is None or type(args) is not tuple:
        raise ValueError(f"{allowed.name} cannot be called")
    m.stack.append(m.call(allowed.call, args))


@_op(pickle.NEWOBJ)
def _new(m: Machine) -> None:
    args = m.pop()
    allowed = m.allowed(m.pop())
    if allowed.new is None or args != ():
        raise ValueError(f"{allowed.name} cannot be made from these arguments")
    m.stack.append(allowed.new())


@_op(pickle.BUILD)
def _build(m: Machine) -> None:
    state = m.pop()
    target = m.stack[-1]
    if not isinstance(target, Buildable):
        raise ValueError(f"state for a {type(target).__name__}")
    target.build(state)


@_op(pickle.BINPERSID)
def _persistent(m: Machine) -> None:
    if m.persistent is None:
        raise ValueError("a persistent id")
    m.stack.append(m.persistent(m.pop()))


def _put(m: Machine, index: int) -> None:
    if m.stack[-1] is MARK:
        raise ValueError("a mark where a value should be")
    m.memo[index] = m.stack[-1]


@_op(pickle.BINPUT)
def _short_put(m: Machine) -> None:
    _put(m, m.source.number(1))


@_op(pickle.LONG_BINPUT)
def _long_put(m: Machine) -> None:
    _put(m, m.source.number(4))


@_op(pickle.MEMOIZE)
def _memoize(m: Machine) -> None:
    _put(m, len(m.memo))


@_op(pickle.BINGET)
def _short_get(m: Machine) -> None:
    m.stack.append(m.memo[m.source.number(1)])


@_op(pickle.LONG_BINGET)
def _long_get(m: Machine) -> None:
    m.stack.append(m.memo[m.source.number(4)])
