"""Code that only works with CUDA or NCCL is where a device was asked for first, or is named here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("linkgan_plugin", "training_loops")
# What torch.cuda has that answers on any machine.
ANYWHERE = {"is_available", "device_count"}
# A condition with one of these asks for the device.
CHECKS = ("'cuda'", "is_available", "on_gpu")
NCCL = "the backend 'nccl'"  # chosen in one place
# Place -> why it needs no check of its own.
ALLOWED = {
    "training_loops/processes.py: joined: the backend 'nccl'": "the place that chooses, by the device",
    "linkgan_plugin/hosts/cpu.py: _emulate_distribution.init_process_group: the backend 'nccl'": "a host's choice",
    "linkgan_plugin/hosts/cpu.py: _on_cpu: the device 'cuda'": "recognises the device that a host asks for",
    "linkgan_plugin/selftest/custom_ops.py: compared: the device 'cuda'": "the name of a host's implementation",
    **{
        f"linkgan_plugin/selftest/machine.py: _gpu: torch.cuda.{name}": "called for a GPU"
        for name in ("get_arch_list", "get_device_properties", "is_bf16_supported", "mem_get_info")
    },
}


def occurrences(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield (function, assumption) of code that assumes CUDA or NCCL and asks for no device before."""
    yield from _in(tree, "", [])


def _in(node: ast.AST, where: str, checked: list[int]) -> Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        name, lines = where, checked
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{where}.{child.name}".lstrip(".")
            lines = [] if isinstance(child, ast.ClassDef) else _checks(child)
        found = _assumption(child)
        if found is not None and (found == NCCL or not any(line <= child.lineno for line in lines)):
            yield name, found
        yield from _in(child, name, lines)


def _checks(function: ast.AST) -> list[int]:
    """Return the lines of a function whose conditions ask for the device."""
    return [
        node.test.lineno
        for node in ast.walk(function)
        if isinstance(node, ast.If | ast.IfExp) and any(check in ast.unparse(node.test) for check in CHECKS)
    ]


def _assumption(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "torch.cuda" and node.attr not in ANYWHERE:
        return f"torch.cuda.{node.attr}"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("cuda", "pin_memory"):
        return f".{node.func.attr}()"
    if isinstance(node, ast.Call):
        literal = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "device")]
        names = [str(value.value) for value in literal if isinstance(value, ast.Constant)]
        if any(name.partition(":")[0] == "cuda" for name in names):
            return "the device 'cuda'"
    if isinstance(node, ast.Constant) and node.value == "nccl":
        return NCCL
    return None


def test_code_for_cuda_alone_asks_for_the_device_first() -> None:
    found = {
        f"{path.relative_to(ROOT).as_posix()}: {where}: {what}"
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        for where, what in occurrences(ast.parse(path.read_text()))
    }
    assert found == ALLOWED.keys()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def f(x):\n    return x.cuda()", ".cuda()"),
        ("def f(x):\n    torch.cuda.synchronize()", "torch.cuda.synchronize"),
        ("def f():\n    init_process_group('nccl')", "the backend 'nccl'"),
        ("def f():\n    init_process_group(backend='nccl')", "the backend 'nccl'"),
        ("def f():\n    return torch.zeros(3, device='cuda:1')", "the device 'cuda'"),
        ("x = torch.device('cuda')", "the device 'cuda'"),
        ("def f(d):\n    torch.cuda.synchronize()\n    if d.type == 'cuda':\n        pass", "torch.cuda.synchronize"),
        (
            "def f(d):\n    if d.type == 'cuda':\n        pass\ndef g():\n    torch.cuda.empty_cache()",
            "torch.cuda.empty_cache",
        ),
        ("def f(d):\n    if d.type != 'cuda':\n        return\n    torch.cuda.synchronize()", None),
        ("def f(d):\n    init_process_group('nccl' if d.type == 'cuda' else 'gloo')", "the backend 'nccl'"),
        ("def f():\n    return torch.cuda.device_count()", None),
    ],
)
def test_what_counts_as_an_assumption(code: str, expected: str | None) -> None:
    assert [what for _, what in occurrences(ast.parse(code))] == ([] if expected is None else [expected])
