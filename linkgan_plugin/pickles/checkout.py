"""Rebuilds a network of a host's snapshot with the classes of the user's checkout, never with code from the file."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from training_loops.formats.text import printable

from ..errors import LinkGANError
from ..hosts import compat
from .arguments import arranged
from .assemble import assemble
from .fitting import add_buffers, copy_tensors, differences, first_line, set_attributes
from .nodes import Node, digest

_CODE = "training"
_PACKAGES = ("dnnlib", "torch_utils", _CODE, "R3GAN")
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


def rebuild(node: Node, host: Path) -> nn.Module:
    """Return the network that `node` describes, in eval mode and without gradients.

    Args:
        node: of a snapshot.
        host: the checkout's folder with train.py. Its code is imported and run.
    Raises:
        LinkGANError: the code is missing or cannot be imported, or no class accepts the snapshot's arguments and has
            tensors with the snapshot's names, shapes and dtypes; names the differences of each class.
    """
    host = host.resolve()
    if node.by_reference:
        with importing(host):
            return assemble(node, lambda name: _named_class(name, host)).eval().requires_grad_(False)
    tensors, kwargs = node.tensors(), node.init_kwargs
    with importing(host):
        _check_class_names([*node.init_args, kwargs], host)
        fitting, misfits = {}, []
        for name in _candidates(node, host):
            try:
                network_class = getattr(_imported(name, host), node.class_name)
                network = network_class(*node.init_args, **arranged(kwargs, network_class))
            except LinkGANError:
                raise
            except Exception as error:  # host code may raise any error for arguments of another class
                misfits.append(f"{name} does not accept its arguments ({type(error).__name__}: {first_line(error)})")
                continue
            add_buffers(network, node)
            problems = differences(network.state_dict(), tensors)
            if problems:
                misfits.append(f"{name} has other tensors ({problems})")
            else:
                fitting[name] = network
    if len(fitting) != 1:
        raise LinkGANError(printable(_no_single_class(node, host, list(fitting), misfits)))
    (network,) = fitting.values()
    copy_tensors(node, network)
    set_attributes(network, node)
    network.eval().requires_grad_(False)
    return network


@contextmanager
def importing(host: Path) -> Iterator[None]:
    """Let the block import the checkout's modules, with the compatibility fixes applied.

    Raises:
        LinkGANError: `host` is not a checkout, or modules with these names were imported from another folder.
    """
    if not (host / _CODE).is_dir() or not (host / "torch_utils").is_dir():
        raise LinkGANError(
            f"{host} is not a host's code: expected the folder with train.py, training/ and torch_utils/"
        )
    for name in _PACKAGES:
        module = sys.modules.get(name)
        if module is not None and not _lies_in(module, host):
            raise LinkGANError(
                f"this program has already imported '{name}' from {_folder(module)}; "
                f"open a network of {host} in another process"
            )
    sys.path.insert(0, str(host))
    try:
        with compat.temporarily_applied():
            yield
    finally:
        sys.path.remove(str(host))


def _candidates(node: Node, host: Path) -> list[str]:
    """Return the modules that define a class with the node's name; only the one with the same source, if it exists."""
    found = {}
    for path in sorted((host / _CODE).rglob("*.py")):
        source = path.read_text(encoding="utf-8", errors="replace")
        if _defines(source, node.class_name):
            found[".".join(path.relative_to(host).with_suffix("").parts)] = digest(source)
    if not found:
        raise LinkGANError(
            f"no class {node.class_name} in {host / _CODE}; give the code that the network was trained with"
        )
    same = [name for name, sha in found.items() if sha == node.source_digest]
    return same[:1] or list(found)


def _named_class(dotted: str, host: Path) -> type[nn.Module]:
    """Return a class that a file refers to by name: a class of PyTorch, or one defined in the checkout."""
    name, _, class_name = dotted.rpartition(".")
    if not _DOTTED.fullmatch(dotted):
        raise LinkGANError(printable(f"{dotted!r:.100} is not a class name"))
    if not dotted.startswith("torch.nn.modules."):
        path = host.joinpath(*name.split(".")).with_suffix(".py")
        if not path.is_file() or not _defines(path.read_text("utf-8", "replace"), class_name):
            raise LinkGANError(
                printable(f"no class {dotted} in {host}; give the code that the network was trained with")
            )
    module = importlib.import_module(name) if dotted.startswith("torch.nn.modules.") else _imported(name, host)
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise LinkGANError(printable(f"{dotted}, a part of the network in the file, is not a torch.nn.Module"))
    return found


def _imported(name: str, host: Path) -> ModuleType:
    try:
        module = importlib.import_module(name)
    except Exception as error:  # host code may raise any error
        missing = f"; install {error.name}" if isinstance(error, ModuleNotFoundError) and error.name else ""
        raise LinkGANError(f"{name} of {host} cannot be imported ({type(error).__name__}: {error}{missing})") from error
    if not _lies_in(module, host):
        raise LinkGANError(f"{name} was imported from {_folder(module)}, not from {host}")
    return module


def _check_class_names(data: Any, host: Path) -> None:
    """Raise LinkGANError for a dotted name in `data` that is not a class of the checkout.

    Hosts build some parts by names in their arguments; a name from a file could refer to any function on the machine.
    """
    if isinstance(data, str) and _DOTTED.fullmatch(data):
        *parts, name = data.split(".")
        path = host.joinpath(*parts).with_suffix(".py")
        if parts[0] != _CODE or not path.is_file() or not _defines(path.read_text("utf-8", "replace"), name):
            raise LinkGANError(f"the file names {data!r} as a class to build, which is not in {host / _CODE}")
    for item in data.values() if isinstance(data, dict) else data if isinstance(data, (list, tuple)) else ():
        _check_class_names(item, host)


def _no_single_class(node: Node, host: Path, fitting: list[str], misfits: list[str]) -> str:
    if fitting:
        rivals = " and ".join(fitting)
        return f"{node.class_name} matches {rivals} in {host}; keep only the one it was trained with"
    return (
        f"{node.class_name} in {host} does not match the file: {'; '.join(misfits)}; "
        "give the code that the network was trained with"
    )


def _defines(source: str, class_name: str) -> bool:
    return re.search(rf"^class {re.escape(class_name)}\b", source, re.MULTILINE) is not None


def _lies_in(module: ModuleType, host: Path) -> bool:
    return _folder(module).is_relative_to(host)


def _folder(module: ModuleType) -> Path:
    paths = [module.__file__] if getattr(module, "__file__", None) else list(getattr(module, "__path__", []))
    return Path(str(paths[0])).resolve().parent if paths else Path("?")
