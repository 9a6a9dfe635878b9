"""Docstrings of public functions: one entry a line, real names, a shape for every tensor, and the errors they raise."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path for top in ("linkgan_plugin", "training_loops") for path in (ROOT / top).rglob("*.py"))
SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields|Example|Examples):$")
ENTRY = re.compile(r"^(\*{0,2}\w+): \S")
SHAPE = re.compile(r"\[[^\]]*\]|scalar|shape|same as|like ")
TENSOR = re.compile(r"\bTensor\b|\bndarray\b|\bNDArray\b|\bPixels\b|\bArray\b")
ERRORS = {"LinkGANError", "InputError", "SnapshotError", "DatasetError", "OptionError", "PickleError"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def public(tree: ast.Module) -> Iterator[tuple[str, Function | ast.ClassDef, bool]]:
    """Yield name, node and whether it is a method, of all public functions, methods and classes."""

    def walk(body: list[ast.stmt], prefix: str, method: bool) -> Iterator[tuple[str, Function | ast.ClassDef, bool]]:
        for node in body:
            if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
                continue
            yield prefix + node.name, node, method
            if isinstance(node, ast.ClassDef):
                yield from walk(node.body, f"{node.name}.", True)

    yield from walk(tree.body, "", False)


def sections(text: str) -> dict[str, list[str]]:
    """Return the lines of every section, without the indentation that all of a section's lines share."""
    found: dict[str, list[str]] = {}
    here: list[str] | None = None
    for line in text.splitlines():
        if match := SECTION.match(line):
            here = found.setdefault(match[1], [])
        elif here is not None and line.startswith("    "):
            here.append(line[4:])
        elif line.strip():
            here = None
    return found


def parameters(node: Function) -> list[ast.arg]:
    """Return a function's parameters, self and cls left out."""
    given = node.args
    both = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, [given.vararg, given.kwarg])]
    return [argument for argument in both if argument.arg not in ("self", "cls")]


def field_names(node: ast.ClassDef) -> set[str]:
    """Return the names that a class gives its fields, properties and constructor's parameters."""
    names = {
        item.target.id for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }
    for item in ast.walk(node):
        if isinstance(item, ast.Attribute) and isinstance(item.value, ast.Name) and item.value.id == "self":
            names.add(item.attr)
        if isinstance(item, ast.FunctionDef):
            names |= {argument.arg for argument in parameters(item)} | {item.name}
        if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store):
            names.add(item.id)
    return names


def entries(lines: list[str], known: set[str], where: str) -> Iterator[str]:
    """Yield what is wrong with the entries of a section."""
    for line in lines:
        if not line or line.startswith(" "):
            continue
        match = ENTRY.match(line)
        if not match:
            yield f"{where}: {line!r} is no entry 'name: what it is'"
            continue
        if match[1].lstrip("*") not in known:
            yield f"{where}: there is no {match[1]!r}"
        second = next((name for name in known if re.search(rf"[.;] {re.escape(name)}: ", line)), None)
        if second:
            yield f"{where}: {second!r} needs a line of its own"


def raised(node: Function) -> set[str]:
    """Return the errors of ours that a function raises itself."""
    names = set()
    for item in ast.walk(node):
        if isinstance(item, ast.Raise) and isinstance(item.exc, ast.Call) and isinstance(item.exc.func, ast.Name):
            names.add(item.exc.func.id)
    return names & ERRORS


def faults(path: Path) -> list[str]:
    """Return all that is wrong with the docstrings of a file."""
    found: list[str] = []
    for name, node, method in public(ast.parse(path.read_text())):
        text = ast.get_docstring(node)
        where = f"{path.relative_to(ROOT)}:{node.lineno} {name}"
        if text is None:
            if not method:
                found.append(f"{where}: has no docstring")
            continue
        parts = sections(text)
        if isinstance(node, ast.ClassDef):
            known = field_names(node)
            for section in ("Args", "Attributes"):
                found += entries(parts.get(section, []), known, where)
            continue
        known = {argument.arg for argument in parameters(node)}
        found += entries(parts.get("Args", []), known, where)
        for argument in parameters(node):
            kind = ast.unparse(argument.annotation) if argument.annotation else ""
            if re.search(r"\b(Tensor|ndarray)\b", kind) and "Callable" not in kind and not SHAPE.search(text):
                found.append(f"{where}: says no shape of {argument.arg}")
        result = ast.unparse(node.returns) if node.returns else ""
        if TENSOR.search(result) and "Callable" not in result and not SHAPE.search(text):
            found.append(f"{where}: says no shape of what it returns")
        if raised(node) and "raises" not in text.lower() and not any(error in text for error in ERRORS):
            found.append(f"{where}: does not say that it raises")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_say_what_people_need(path: Path) -> None:
    assert faults(path) == []
