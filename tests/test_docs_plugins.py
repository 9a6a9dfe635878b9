"""The plugins that docs/plugins.md shows work as printed."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch

from linkgan_plugin import registry
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.metrics.base import PairBatch
from tests.doc_blocks import ROOT, Block, blocks


def plugin_code(containing: str) -> Block:
    (found,) = [block for block in blocks(ROOT / "docs" / "plugins.md") if containing in block.text]
    return found


def test_the_region_plugin_works_as_printed(fake_distribution) -> None:
    entry_points = plugin_code("linkgan-stripes").text.split("[project.entry-points.")[1].replace('"', "")
    site = fake_distribution("linkgan-stripes", "1.0", "[" + entry_points.replace(" = ", "="))
    code = plugin_code("class Stripes").text
    (site / "stripes.py").write_text(code)
    importlib.invalidate_caches()
    region = LinkSpec.parse(["bars=8@stripes(3)"], dim=64).links[0].region
    assert region.coverage(6, 2)[:, 0].tolist() == [1, 0, 1, 0, 1, 0]
    assert len(code.splitlines()) <= 24


def test_the_metric_plugin_works_as_printed(fake_distribution) -> None:
    site = fake_distribution("linkgan-largest", "1.0", "[linkgan.metrics]\nlargest_leak=largest:LargestLeak\n")
    (site / "largest.py").write_text(plugin_code("class LargestLeak").text)
    importlib.invalidate_caches()
    metric = registry.load("metrics", "largest_leak")()
    image, linked, mask = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4), torch.zeros(2, 1, 4, 4)
    mask[..., :2] = 1
    linked[:, 0, 0, 0], linked[0, 1, 0, 3], linked[1, 2, 3, 3] = 1.0, -0.5, 0.25  # inside, outside, outside
    metric.update(PairBatch(image, image, linked, image, mask))
    assert metric.result().value == pytest.approx((0.5 + 0.25) / 2)


def test_the_perturbation_works_as_printed() -> None:
    names: dict[str, Any] = {}
    exec(plugin_code("def shrink").text, names)
    ws = torch.tensor([[[0.0, 2.0]], [[4.0, 6.0]]])
    assert names["shrink"](ws, ws, 0.5, None).tolist() == [[[1.0, 3.0]], [[3.0, 5.0]]]


def test_the_host_adapter_says_what_differs() -> None:
    names: dict[str, Any] = {}
    exec(plugin_code("class MyHost").text, names)
    adapter = names["MyHost"]
    own = {name for name in vars(adapter) if not name.startswith("_")}
    assert own - {"matches"} <= set(dir(adapter.__mro__[1]))  # what it overrides is there to be overridden
    assert not adapter.matches(object(), {})
    assert adapter.is_generator_phase("gen", "main")
    assert not adapter.is_generator_phase("dis", "main")
