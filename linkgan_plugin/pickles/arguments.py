"""Constructor arguments, arranged as a host's generator takes those of its synthesis network.

stylegan2-ada-pytorch takes them as one dict, `synthesis_kwargs`; stylegan3 takes the same ones by keyword.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

NESTED = "synthesis_kwargs"


def flattened(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with those in `synthesis_kwargs` by keyword."""
    flat = {**kwargs, **kwargs.get(NESTED, {})}
    flat.pop(NESTED, None)
    return flat


def arranged(kwargs: Mapping[str, Any], network: type) -> dict[str, Any]:
    """Return the arguments as the constructor of `network` takes them; those that it does not know are left to it.

    Args:
        kwargs: of a network of either form.
        network: a class of a host's code.
    """
    parameters = _parameters(network)
    known = {name for name, parameter in parameters.items() if parameter.kind is not inspect.Parameter.VAR_KEYWORD}
    takes_any = len(known) < len(parameters)
    if NESTED not in known:
        return flattened(kwargs) if takes_any else dict(kwargs)
    others = {name: value for name, value in kwargs.items() if name not in known}
    if takes_any or not others:
        return dict(kwargs)
    own = {name: value for name, value in kwargs.items() if name in known}
    return {**own, NESTED: {**own.get(NESTED, {}), **others}}


def _parameters(network: type) -> Mapping[str, inspect.Parameter]:
    """Return the constructor's parameters; hosts wrap their classes in one that takes anything and passes it on."""
    for base in network.__mro__:
        if "__init__" in vars(base):
            parameters = dict(inspect.signature(vars(base)["__init__"]).parameters)
            if set(parameters) != {"self", "args", "kwargs"}:
                return parameters
    return {}
