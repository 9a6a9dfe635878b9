"""The loss `dark`: the host's own loss, and a term that keeps every linked region dark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from linkgan_plugin.calls.build import build_by_name
from linkgan_plugin.calls.clock import StepClock
from linkgan_plugin.calls.generic import GenericHost
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.regions.base import Scene


class DarkLoss:
    """Wraps the host's loss; adds weight * mean image value inside the regions to G's main phase."""

    def __init__(
        self,
        device: Any,
        *,
        link_spec: Mapping[str, Any],
        recipe: Mapping[str, Any],
        start_nimg: int,
        base_class_name: str,
        base_kwargs: Mapping[str, Any] | None = None,
        **networks: Any,
    ) -> None:
        self.base = build_by_name(base_class_name, device=device, **networks, **(base_kwargs or {}))
        self.host = GenericHost(self.base, networks)
        self.spec = LinkSpec.from_json(link_spec)
        self.weight, self.start_nimg = recipe["weight"], start_nimg
        self.clock = StepClock(self.host)

    def accumulate_gradients(self, phase: str, **call: Any) -> None:
        """Let the host's loss do its part, then add the term."""
        self.base.accumulate_gradients(phase=phase, **call)
        self.clock.tick(phase, call)
        if self.clock.nimg < self.start_nimg or not self.host.is_generator_phase(phase, "main"):
            return
        calls = self.host.calls
        images = calls.render(calls.map(call["gen_z"], call["gen_c"]), call["gen_c"])
        masks = self.spec.region_masks(Scene(images.detach()))[: len(self.spec.links)]
        term = (images * masks.sum(dim=0)).mean()
        self.host.report("Loss/dark", term.detach())
        (self.weight * term * call.get("gain", 1)).backward()
