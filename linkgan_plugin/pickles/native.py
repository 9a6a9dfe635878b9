"""Builds networks of this program's own classes from a file: without a host, and without code from the file."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from training_loops.errors import InputError
from training_loops.formats.sizes import check_sizes
from training_loops.formats.text import printable
from training_loops.shapes import shapes_only

from ..errors import LinkGANError
from . import r3gan
from .arguments import flattened
from .fitting import add_buffers, as_in_class, copy_tensors, differences, first_line, set_attributes
from .nodes import Node

_SHOWN = 5
_ABSENT = object()


@dataclass(frozen=True)
class NativeClass:
    """One public class and ours for it.

    Attributes:
        class_name: the public name.
        part: a prefix of tensor names that distinguishes classes of the same name.
        target: module and name of this program's class.
        arguments: returns the arguments of its constructor.
        state: attributes that a host changes after it built the network; all others must be equal.
        adversarial: whether it is trained with a discriminator.
    """

    class_name: str
    part: str
    target: str
    arguments: Callable[[Node, dict[str, Any]], dict[str, Any]] = lambda node, kwargs: kwargs
    state: frozenset[str] = frozenset({"training"})
    adversarial: bool = True

    @property
    def name(self) -> str:
        """The family's name, such as stylegan2."""
        return self.target.split(".")[1]

    @property
    def installed(self) -> bool:
        """Whether this version of the program has the class."""
        try:
            return importlib.util.find_spec(self.target.partition(":")[0]) is not None
        except ModuleNotFoundError:  # the package is missing too
            return False

    def load(self) -> Callable[..., nn.Module]:
        """Import this program's class."""
        module, name = self.target.split(":")
        loaded: Callable[..., nn.Module] = getattr(importlib.import_module(module), name)
        return loaded


def _stylegan2_generator(node: Node, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Flatten the arguments of synthesis, and fill in the precision and the decay of w_avg."""
    flat = flattened(kwargs)
    mapping = dict(flat.get("mapping_kwargs") or {})
    _fill(mapping, "w_avg_beta", _recorded(node, "w_avg_beta"))
    return {**_precision(node, flat), "mapping_kwargs": mapping}


def _precision(node: Node, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Fill in arguments left at the host's defaults, which differ between hosts, from attributes of its layers."""
    halves = list(_records(node, "use_fp16"))
    _fill(kwargs, "num_fp16_res", _recorded(node, "num_fp16_res"))
    _fill(kwargs, "num_fp16_res", sum(map(bool, halves)) if halves else _ABSENT)
    _fill(kwargs, "conv_clamp", _recorded(node, "conv_clamp"))
    return kwargs


_EG3D_STATE = frozenset({"training", "neural_rendering_resolution", "rendering_kwargs"})

_R3GAN = "training_loops.r3gan.networks"
_FAMILIES = "training_loops.families"

FAMILIES = (
    NativeClass("Generator", "synthesis.b4.", "training_loops.stylegan2.networks:Generator", _stylegan2_generator),
    NativeClass("Discriminator", "b4.", "training_loops.stylegan2.networks:Discriminator", _precision),
    NativeClass("Generator", "synthesis.input.", "training_loops.stylegan3.networks:Generator"),
    NativeClass("Generator", "synthesis.resizer.", "training_loops.stylemap.networks:Generator"),
    NativeClass("TriPlaneGenerator", "backbone.", "training_loops.eg3d.networks:TriPlaneGenerator", state=_EG3D_STATE),
    NativeClass("VolumeGenerator", "backbone.", "training_loops.eg3d.networks:VolumeGenerator", state=_EG3D_STATE),
    NativeClass("training.networks.Generator", "Model.AggregationLayer.", f"{_R3GAN}:Generator", r3gan.arguments),
    NativeClass(
        "training.networks.Discriminator", "Model.ExtractionLayer.", f"{_R3GAN}:Discriminator", r3gan.arguments
    ),
    NativeClass("DualDiscriminator", "b4.", "training_loops.eg3d.networks:DualDiscriminator", _precision),
    NativeClass("SingleDiscriminator", "b4.", "training_loops.eg3d.networks:SingleDiscriminator", _precision),
    NativeClass("VAEGenerator", "", f"{_FAMILIES}.vae:VAEGenerator", adversarial=False),
    NativeClass("DCGANGenerator", "", f"{_FAMILIES}.dcgan:DCGANGenerator"),
    NativeClass("DCGANDiscriminator", "", f"{_FAMILIES}.dcgan:DCGANDiscriminator"),
    NativeClass("GLOGenerator", "", f"{_FAMILIES}.glo:GLOGenerator", adversarial=False),
    NativeClass("R3Generator", "", f"{_FAMILIES}.r3gan:R3Generator"),
    NativeClass("R3Discriminator", "", f"{_FAMILIES}.r3gan:R3Discriminator"),
    NativeClass("LAPGANGenerator", "", f"{_FAMILIES}.lapgan:LAPGANGenerator"),
    NativeClass("LAPGANDiscriminator", "", f"{_FAMILIES}.lapgan:LAPGANDiscriminator"),
    NativeClass("MSGGANGenerator", "", f"{_FAMILIES}.msg_gan:MSGGANGenerator"),
    NativeClass("MSGGANDiscriminator", "", f"{_FAMILIES}.msg_gan:MSGGANDiscriminator"),
    NativeClass("ProGANGenerator", "", f"{_FAMILIES}.progan:ProGANGenerator"),
    NativeClass("ProGANDiscriminator", "", f"{_FAMILIES}.progan:ProGANDiscriminator"),
)


def build(node: Node) -> nn.Module:
    """Return the network that `node` describes, in eval mode and without gradients; its tensors are not shared.

    Raises:
        LinkGANError: a class that is not among `FAMILIES`, or arguments, tensors or recorded attributes that this
            program's class does not have; names them.
        PickleError: the node is damaged.
    """
    family, make, network = _fitting(node)
    if _is_whole(network):
        network.load_state_dict(as_in_class(node.state_dict(), network.state_dict()), assign=True)
        _restore_layouts(network, make)
    else:  # some tensors are computed in the constructor; the sizes have been checked
        network = make()
        add_buffers(network, node)
        copy_tensors(node, network)
    set_attributes(network, node, lambda name: name in family.state or not hasattr(network, name))
    return network.eval().requires_grad_(False)


def check(node: Node) -> NativeClass:
    """Return the family that `node` belongs to, without reading its numbers. Raises as `build` does."""
    return _fitting(node)[0]


def _fitting(node: Node) -> tuple[NativeClass, Callable[[], nn.Module], nn.Module]:
    """Return the family, a way to make its network, and one made of shapes alone that has been compared with `node`."""
    tensors = node.tensors()
    family = _family(node, list(tensors))
    make = _maker(node, family)
    try:
        with shapes_only():  # the network costs no memory, whatever sizes the file claims
            network = make()
            add_buffers(network, node)
    except Exception as error:  # invalid arguments can raise any error
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise _misfit(node, f"this program's {family.name} does not accept its arguments ({reason})") from error
    problems = differences(network.state_dict(), tensors) or _other_attributes(node, network, family)
    if problems:
        raise _misfit(node, problems)
    return family, make, network


def _family(node: Node, names: list[str]) -> NativeClass:
    for family in FAMILIES:
        if family.class_name == node.class_name and any(name.startswith(family.part) for name in names):
            if family.installed:
                return family
            raise _misfit(node, f"this version of the program has no {family.name}")
    known = ", ".join(dict.fromkeys(family.class_name for family in FAMILIES))
    raise _misfit(node, f"no class with that name and structure is supported (supported: {known})")


def _maker(node: Node, family: NativeClass) -> Callable[[], nn.Module]:
    kwargs = node.init_kwargs
    if node.init_args:
        raise _misfit(node, "its arguments were given by position")
    try:
        check_sizes(kwargs)
    except InputError as error:
        raise _misfit(node, str(error)) from error
    try:
        return partial(family.load(), **family.arguments(node, kwargs))
    except (TypeError, AttributeError, ValueError, LookupError, ArithmeticError) as error:
        raise _misfit(node, f"arguments of other types than {family.name} expects ({first_line(error)})") from error


def _is_whole(network: nn.Module) -> bool:
    """Return whether the network's state dict contains all of its tensors."""
    state = network.state_dict()
    if any(name not in state for name, _ in (*network.named_parameters(), *network.named_buffers())):
        return False
    return not any(isinstance(value, Tensor) for module in network.modules() for value in vars(module).values())


def _restore_layouts(network: nn.Module, make: Callable[[], nn.Module]) -> None:
    """Restore the memory format of weights in the class; a file may have another one."""
    with shapes_only():
        wanted = dict(make().named_parameters())
    for name, parameter in network.named_parameters():
        if name in wanted and wanted[name].stride() != parameter.stride():
            laid_out = torch.empty_like(wanted[name], device=parameter.device, memory_format=torch.preserve_format)
            parameter.data = laid_out.copy_(parameter.data)


def _other_attributes(node: Node, network: nn.Module, family: NativeClass) -> str:
    """Return which plain attributes the file's modules recorded otherwise than ours have them, '' where none.

    This finds options that do not affect tensors, such as clamps, gains and the layers that run in fp16.
    """
    problems = []
    nodes = dict(node.tree())
    for path, module in network.named_modules():
        recorded = nodes[path].attributes if path in nodes else {}
        for name, ours in vars(module).items():
            if name in recorded and name not in family.state and not _same(ours, recorded[name]):
                place = f"{path}.{name}" if path else name
                problems.append(f"{place} is {recorded[name]!r} in the file and {ours!r} here")
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return "; ".join(problems[:_SHOWN]) + more


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, (list, tuple)) and isinstance(theirs, (list, tuple)):
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(_same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, (int, float)) and isinstance(theirs, (int, float)):
        return abs(ours - theirs) <= 1e-6 * abs(ours)
    return not isinstance(ours, (str, int, float, type(None))) or ours == theirs


def _records(node: Node, attribute: str) -> Iterator[Any]:
    """Yield the values of an attribute of the modules of `node`, in their order."""
    for _, module in node.tree():
        attributes = module.attributes
        if attribute in attributes:
            yield attributes[attribute]


def _recorded(node: Node, attribute: str) -> Any:
    return next(_records(node, attribute), _ABSENT)


def _fill(kwargs: dict[str, Any], name: str, value: Any) -> None:
    if value is not _ABSENT:
        kwargs.setdefault(name, value)


def _misfit(node: Node, reason: str) -> LinkGANError:
    return LinkGANError(printable(f"{node.class_name}: {reason}; open it with the code that trained it: --host DIR"))
