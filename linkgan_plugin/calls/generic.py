"""The generic host adapter: works with any training loop that calls its loss as StyleGAN does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

from torch import Tensor, nn

from ..errors import LinkGANError
from .generator import GeneratorCalls
from .part import GeneratorPart


class GenericHost:
    """The host interface of the link loss, detected from the arguments that the host's loop passes to its own loss.

    Dialects differ in what they pass: ``G_mapping``/``G_synthesis`` with a ``sync`` flag
    (stylegan2-ada-pytorch, modules under DDP) or one ``G`` with ``cur_nimg`` (stylegan3, eg3d and our own loops; in
    R3GAN an inserted line passes it).

    Args:
        loss: the host's own loss object.
        networks: the keyword arguments that the loss was built with.
    Raises:
        LinkGANError: they contain no generator.
    """

    def __init__(self, loss: Any, networks: Mapping[str, Any]) -> None:
        self.loss = loss
        if "G_mapping" in networks and "G_synthesis" in networks:
            self.calls = GeneratorCalls(GeneratorPart(networks["G_mapping"]), GeneratorPart(networks["G_synthesis"]))
        elif isinstance(networks.get("G"), nn.Module):
            self.calls = GeneratorCalls.of(networks["G"])
        else:
            raise LinkGANError(
                f"the host builds its loss with {', '.join(sorted(networks)) or 'nothing'}; expected G, "
                "or G_mapping and G_synthesis"
            )
        self._report = self._find_reporter()

    def _find_reporter(self) -> Callable[[str, Any], Any]:
        """Find ``training_stats.report`` in the globals of the modules of the host's loss and its base classes."""
        for kind in type(self.loss).__mro__:
            stats = getattr(sys.modules.get(kind.__module__), "training_stats", None)
            if (report := getattr(stats, "report", None)) is not None:
                return report
        return lambda name, value: value

    def report(self, name: str, value: Tensor | float) -> None:
        """Report a statistic, of any shape, to the host's own collector (stats.jsonl, TensorBoard, console)."""
        self._report(name, value)

    @staticmethod
    def is_generator_phase(phase: str, kind: str) -> bool:
        """Return whether `phase` trains G and is of `kind`: `main`, or `reg` (``Gboth`` and ``G`` serve as both)."""
        return phase in (f"G{kind}", "Gboth", "G")

    def step_key(self, phase: str, call: Mapping[str, Any]) -> Any:
        """Return a value that changes exactly when the phase starts a new optimizer step, or None if unknown.

        In the stylegan3 dialect all microbatches of a step have the same ``cur_nimg``.
        """
        return (phase, call["cur_nimg"]) if "cur_nimg" in call else None

    @staticmethod
    def ends_step(call: Mapping[str, Any]) -> bool:
        """Return whether this microbatch is the step's last; True for hosts without `sync`."""
        return bool(call.get("sync", True))

    def gradient_sync(self, call: Mapping[str, Any]) -> AbstractContextManager[Any]:
        """Return the context in which a backward pass obeys the host's ``sync`` flag under DDP."""
        if call.get("sync", True):
            return nullcontext()
        stack = ExitStack()
        for part in (self.calls.mapping, self.calls.synthesis):
            if isinstance(part.owner, nn.parallel.DistributedDataParallel):
                stack.enter_context(part.owner.no_sync())
        return stack
