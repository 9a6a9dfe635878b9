"""The examples in docstrings of the Python API do what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest

from linkgan_plugin.editing.example import example_generator

MODULES = ["editing.editor", "editing.example"]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    result = doctest.testmod(importlib.import_module(f"linkgan_plugin.{name}"))
    assert result.attempted > 0
    assert result.failed == 0


def test_the_example_generator_is_linked_by_construction():
    generator = example_generator()
    start = generator.sample([0])
    for region, columns in {"left": slice(0, 6), "right": slice(10, 16), "rest": slice(6, 10)}.items():
        change = (generator.resample(start.latents, region, 1).images - start.images).abs()
        assert change[..., columns].mean() > 0.1
        change[..., columns] = 0
        assert change.max() == 0
