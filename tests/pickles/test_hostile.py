"""Files made to run code, to fill the memory or to hang: each is refused in one message, and nothing runs."""

from __future__ import annotations

import io
import os
import pickle
import random
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from linkgan_plugin.pickles import reader
from linkgan_plugin.pickles.reader import read_pickle
from training_loops.formats.budget import BudgetError, Limits
from training_loops.formats.pickles.source import PickleError

HEAD = b"\x80\x04"


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def name(module: str, attribute: str) -> bytes:
    return text(module) + text(attribute) + b"\x93"


def blob(data: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(data)) + data


def call(target: bytes, *args: bytes) -> bytes:
    return target + b"(" + b"".join(args) + b"tR"


def network(*state: bytes, source: str = "") -> bytes:
    """A dict with one persistent object as G, whose state has the given items."""
    meta = [text("type"), text("class"), text("module_src"), text(source), text("class_name"), text("Generator")]
    meta += [text("state"), b"}(" + b"".join(state) + b"u"]
    return b"}" + text("G") + call(RECONSTRUCT, b"}(" + b"".join(meta) + b"u") + b"s"


RECONSTRUCT = name("torch_utils.persistence", "_reconstruct_persistent_obj")
LOAD = name("torch.storage", "_load_from_bytes")
ORDERED = name("collections", "OrderedDict")
MODULE = name("torch.nn.modules.container", "Sequential")


class Evil:
    """Pickles into a call of `function` with `args`."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


def storage(numbers: torch.Tensor) -> bytes:
    """The numbers as torch.save's old format has them, the one that tensors in pickles use."""
    _, (data,) = torch.storage.TypedStorage(
        wrap_storage=numbers.untyped_storage(), dtype=numbers.dtype, _internal=True
    ).__reduce__()
    return data


def storage_with(extra: Any) -> bytes:
    """A storage with `extra` where its list of keys should be."""
    data = storage(torch.zeros(2))
    start = data.rindex(b"\x80\x02]")
    return data[:start] + pickle.dumps(extra, 2) + data[data.index(b".", start) + 1 :]


def attacks(command: str) -> dict[str, bytes]:
    """Return files that would run `command` in pickle.load, torch.load or a careless reader."""
    evil = Evil(os.system, command)
    code = f"import os; os.system({command!r})"
    system = call(name("posix", "system"), text(command))
    nested = io.BytesIO()
    torch.save(evil, nested, _use_new_zipfile_serialization=False)
    zipped = io.BytesIO()
    torch.save(evil, zipped)
    return {
        "os.system": pickle.dumps(evil, 4),
        "os.system by GLOBAL": pickle.dumps(evil, 2),
        "os.system in text": pickle.dumps(evil, 0),
        "os.system in a network": HEAD + network(text("x"), system) + b".",
        "builtins.eval": pickle.dumps(Evil(eval, code), 4),
        "builtins.exec": pickle.dumps(Evil(exec, code), 4),
        "builtins.getattr": pickle.dumps(Evil(getattr, Evil(__import__, "os"), "system"), 4),
        "a dotted name": HEAD + call(name("torch", "serialization.os.system"), text(command)) + b".",
        "a name through an allowed module": HEAD + call(name("training.x", "os.system"), text(command)) + b".",
        "an allowed name, other module": HEAD + call(name("os", "OrderedDict"), text(command)) + b".",
        "a name with spaces": HEAD + call(name("collections ", "OrderedDict")) + b".",
        "INST": HEAD + b"(" + text(command) + b"iposix\nsystem\n.",
        "OBJ": HEAD + b"(" + ORDERED + text(command) + b"o.",
        "EXT1": HEAD + b"\x82\x01.",
        "persistent id": HEAD + text(command) + b"Q.",
        "NEWOBJ with arguments": HEAD + MODULE + b"(" + text(command) + b"t\x81.",
        "NEWOBJ_EX": HEAD + MODULE + b")}\x92.",
        "a call of a module class": HEAD + call(MODULE, text(command)) + b".",
        "a call of a result": HEAD + call(call(ORDERED), text(command)) + b".",
        "a call of text": HEAD + call(text("os.system"), text(command)) + b".",
        "a call with a list": HEAD + ORDERED + b"]R.",
        "BUILD of a function": HEAD + ORDERED + b"}" + text("__call__") + ORDERED + b"sb.",
        "BUILD of a dict": HEAD + b"}}" + text("__class__") + MODULE + b"sb.",
        "BUILD of a tensor": HEAD + call(LOAD, blob(storage(torch.zeros(2)))) + b"}b.",
        "BUILD with slots": HEAD + MODULE + b")\x81N}" + text("__setstate__") + ORDERED + b"s\x86b.",
        "BUILD twice": HEAD + MODULE + b")\x81}" + text("a") + b"Ks}" + text("b") + b"K\x01sb.",
        "nested blob": HEAD + call(LOAD, blob(nested.getvalue())) + b".",
        "nested zip": HEAD + call(LOAD, blob(zipped.getvalue())) + b".",
        "nested in the keys": HEAD + call(LOAD, blob(storage_with(evil))) + b".",
        "module_src": HEAD + network(source=code) + b".",
        "module_src of an odd class": HEAD + call(RECONSTRUCT, b"}" + text("module_src") + text(code) + b"s") + b".",
        "hooks on a parameter": HEAD
        + call(name("torch._utils", "_rebuild_parameter"), b"N\x88", b"}" + text("x") + ORDERED + b"s")
        + b".",
        "an array of objects": pickle.dumps(np.array([evil], dtype=object), 4),
    }


@pytest.mark.parametrize("kind", attacks(""))
def test_nothing_runs(kind, tmp_path):
    marker = tmp_path / "ran"
    data = attacks(f"touch {marker}")[kind]
    if kind == "module_src":  # well formed: the source in it is data that nobody runs
        assert read_pickle(io.BytesIO(data)).generator.state_dict() == {}
    else:
        with pytest.raises(PickleError) as caught:
            read_pickle(io.BytesIO(data))
        assert len(str(caught.value).splitlines()) == 1
    assert not marker.exists()


def test_the_attacks_are_real(tmp_path):
    marker = tmp_path / "ran"
    for kind in ("os.system", "os.system by GLOBAL", "os.system in text", "builtins.exec"):
        pickle.loads(attacks(f"touch {marker}")[kind])
        assert marker.exists(), kind
        marker.unlink()
    nested = attacks(f"touch {marker}")["nested blob"]
    start = nested.index(b"B") + 5
    torch.load(io.BytesIO(nested[start:]), weights_only=False)
    assert marker.exists()


@pytest.mark.parametrize("kind", ["os.system", "os.system by GLOBAL", "os.system in a network", "nested in the keys"])
def test_a_refusal_names_the_global_and_its_byte(kind):
    data = attacks("true")[kind]
    with pytest.raises(PickleError, match=r"refers to posix.system at byte \d+") as caught:
        read_pickle(io.BytesIO(data))
    assert caught.value.reference == "posix.system"
    offset = caught.value.offset
    assert data[offset : offset + 1] in (b"\x93", b"c")
    assert abs(offset - data.index(b"posix")) < 40


def test_a_name_in_a_file_cannot_steer_the_terminal():
    with pytest.raises(PickleError) as caught:
        read_pickle(io.BytesIO(HEAD + name("os\n\x1b[2J", "\u202esystem") + b"."))
    assert str(caught.value).isprintable()


TENSOR = name("torch._utils", "_rebuild_tensor_v2")


def tensor(offset: bytes, size: bytes, stride: bytes) -> bytes:
    return call(TENSOR, call(LOAD, blob(storage(torch.arange(4.0)))), offset, size, stride, b"\x89", b"N")


BIG = b"J\xff\xff\xff\x7f"
OVERSIZED = {
    "bytes": (b"\x8e" + struct.pack("<Q", 2**62), "truncated"),
    "bytearray": (b"\x96" + struct.pack("<Q", 2**63), "truncated"),
    "text": (b"\x8d" + struct.pack("<Q", 2**40), "truncated"),
    "an integer": (b"\x8b" + struct.pack("<I", 2**31 - 1), "an integer of"),
    "a tensor beyond its storage": (tensor(b"K\x02", b"K\x04\x85", b"K\x01\x85"), r"shape \[4\] in a storage of"),
    "a tensor of one number": (tensor(b"K\x00", BIG + b"\x85", b"K\x00\x85"), "in a storage of"),
    "a negative offset": (tensor(b"J\xff\xff\xff\xff", b"K\x01\x85", b"K\x01\x85"), "incomplete tensor"),
    "a negative stride": (tensor(b"K\x03", b"K\x02\x85", b"J\xff\xff\xff\xff\x85"), "incomplete tensor"),
    "an array": (
        call(
            name("numpy._core.numeric", "_frombuffer"),
            blob(b"abcd"),
            call(name("numpy", "dtype"), text("f4")),
            BIG + BIG + b"\x86",
            text("C"),
        ),
        "4 bytes for an array",
    ),
    "a long name": (b"c" + b"a" * 5000 + b"\n", "no end of line"),
    "a deep key": (b"}" + b"N" + b"\x85" * 100_000 + b"Ns", "a tuple as the key"),
    "keys that collide": (b"}\x8a\x09" + (2**61 - 1).to_bytes(9, "little") + b"Ns", "a int as the key"),
}


@pytest.mark.parametrize("kind", OVERSIZED)
def test_claims_beyond_the_file_are_refused_at_once(kind):
    body, message = OVERSIZED[kind]
    with pytest.raises(PickleError, match=message):
        read_pickle(io.BytesIO(HEAD + body + b"."))


def test_a_file_of_very_many_values_is_bounded(monkeypatch):
    monkeypatch.setattr(reader, "PICKLE", Limits(bytes=1 << 20, items=10_000, seconds=5))
    with pytest.raises(BudgetError, match="more than 10000 values"):
        read_pickle(io.BytesIO(HEAD + b"}" * 20_000 + b"."))


def test_values_nested_very_deep_are_refused():
    data = HEAD + network(text("_init_args"), b")", text("x"), b"]" * 200_000 + b"a" * 199_999) + b"."
    assert "x" not in read_pickle(io.BytesIO(data)).generator.attributes


def test_values_that_multiply_are_refused():
    halves = b"".join(
        b"]\x94(h" + bytes([k]) + b"h" + bytes([k]) + b"e" for k in range(40)
    )  # each holds the last twice
    data = HEAD + b"]\x94" + halves + b"0" * 41 + network(text("x"), b"h\x28") + b"."
    with pytest.raises(BudgetError, match=r"more than 1000000 values|more than 2 s to read"):
        _ = read_pickle(io.BytesIO(data)).generator.attributes


def test_a_module_that_lies_in_itself_is_refused():
    inner = MODULE + b")\x81\x94}" + text("_modules") + b"}" + text("again") + b"h\x00ssb"
    data = HEAD + inner + b"0" + network(text("_modules"), b"}" + text("m") + b"h\x00s") + b"."
    with pytest.raises(PickleError, match="nested too deeply"):
        read_pickle(io.BytesIO(data)).generator.state_dict()


def test_a_file_cut_off_anywhere_is_refused(made):
    data, _ = made
    for end in range(0, len(data), 17):
        with pytest.raises(PickleError):
            read_pickle(io.BytesIO(data[:end]))


def test_damaged_files_are_read_or_refused_but_never_crash(made):
    data, _ = made
    generator = random.Random(0)
    outcomes = {True: 0, False: 0}
    for _ in range(400):
        damaged = bytearray(data)
        for _ in range(generator.choice((1, 1, 4, 30))):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        message = failure(bytes(damaged))
        outcomes[message is None] += 1
        assert message is None or len(message.splitlines()) == 1
    assert min(outcomes.values()) > 20


def failure(data: bytes) -> str | None:
    """Return why a file cannot be read to the end, None where it can."""
    try:
        node = read_pickle(io.BytesIO(data)).generator
        _ = node.state_dict(), node.attributes, node.init_kwargs
    except PickleError as error:
        return str(error)
    return None


def copies(function: bytes, argument: bytes, times: int) -> bytes:
    """A file that calls `function` many times on one argument, which is in it once."""
    memo = function + b"\x940" + argument + b"\x940"
    return HEAD + memo + b"](" + b"h\x00h\x01\x85R" * times + b"e0" + network() + b"."


PAIRS = b"](" + b"".join(b"J" + struct.pack("<i", k) + b"N\x86" for k in range(50_000)) + b"e"
LATIN = text("a" * (1 << 20))
MULTIPLIED = {
    "copies of a dict": copies(ORDERED, PAIRS, 20_000),
    "copies of a set": copies(name("builtins", "set"), b"](" + b"N" * 50_000 + b"e", 20_000),
    "copies of bytes": copies(name("_codecs", "encode"), LATIN, 1)
    .replace(b"h\x00h\x01\x85R", b"h\x00(h\x01" + text("latin1") + b"tR" * 1)
    .replace(b"](", b"](" + (b"h\x00(h\x01" + text("latin1") + b"tR") * 20_000, 1),
}


@pytest.mark.parametrize("kind", MULTIPLIED)
def test_calls_that_copy_are_charged(kind):
    with pytest.raises(BudgetError, match=r"(too many|too large|too long) for a file of this kind"):
        read_pickle(io.BytesIO(MULTIPLIED[kind]))


def test_modules_that_share_attributes_are_charged_together():
    attributes = b"](" + b"N" * 50_000 + b"e\x940"
    module = MODULE + b")\x81}" + text("x") + b"h\x00sb"
    modules = b"}(" + b"".join(text(f"m{k}") + module for k in range(100)) + b"u"
    data = HEAD + attributes + network(text("_modules"), modules) + b"."
    generator = read_pickle(io.BytesIO(data)).generator
    with pytest.raises(BudgetError, match=r"more than 1000000 values|more than 2 s to read"):
        _ = [module.attributes for _, module in generator.tree()]


def test_what_follows_the_pickle_is_refused():
    whole = HEAD + network() + b"."
    assert read_pickle(io.BytesIO(whole)).generator.class_name == "Generator"
    for more in (b"\0", b"cos\nsystem\n(S'true'\ntR.", whole):
        with pytest.raises(PickleError, match=f"{len(more)} unexpected bytes after the end of the pickle"):
            read_pickle(io.BytesIO(whole + more))


def test_text_is_charged_before_it_is_read():
    data = HEAD + b"X" + struct.pack("<I", 65 << 20) + bytes(65 << 20) + b"0" + network() + b"."
    with pytest.raises(BudgetError, match="expands to more than 64 MB"):
        read_pickle(io.BytesIO(data))
