"""GANalyze: directions along which attributes of a known gradient grow."""

from __future__ import annotations

import pytest
import torch

from linkgan_plugin.directions.find import find_directions
from linkgan_plugin.directions.task import Task
from linkgan_plugin.errors import LinkGANError

from .blobs import attributed
from .planted import angle, opened

QUICK = {"steps": 60, "batch": 8}


def test_ganalyze_finds_the_gradients_of_the_attributes():
    generator, reader, gradients = attributed()
    found = find_directions(opened(generator), "ganalyze", reader=reader, **QUICK)
    assert found.names == ("smile", "age")
    for vector, gradient in zip(found.vectors, gradients, strict=True):
        assert angle(vector, gradient) < 5
        assert float(vector[0] @ gradient) > 0
    assert all(parameter.grad is None for parameter in generator.parameters())


@pytest.mark.parametrize("space", ["w", "z"])
def test_ganalyze_moves_along_the_covariance_of_latents_and_attribute(space):
    generator, reader, gradients = attributed()
    generator.mapping.weight.data = torch.diag(torch.linspace(0.5, 2, 12))
    found = find_directions(opened(generator, space), "ganalyze", reader=reader, **QUICK)
    stretched = gradients @ generator.mapping.weight.detach()  # the gradient by z
    wanted = stretched if space == "z" else stretched @ generator.mapping.weight.detach()
    assert angle(found.vectors[0], wanted[0]) < 5


def test_a_step_renders_no_more_than_a_batch_at_a_time(monkeypatch):
    generator, reader, _ = attributed()
    sizes = []
    forward = generator.synthesis.forward
    monkeypatch.setattr(generator.synthesis, "forward", lambda ws, **k: sizes.append(len(ws)) or forward(ws, **k))
    whole = find_directions(opened(generator), "ganalyze", reader=reader, steps=2, batch=8, attributes=["age"])
    monkeypatch.setattr(Task, "batch", 3)
    sizes.clear()
    parts = find_directions(opened(generator), "ganalyze", reader=reader, steps=2, batch=8, attributes=["age"])
    assert max(sizes) == 3
    assert whole.vectors.shape == parts.vectors.shape


@pytest.mark.parametrize(("name", "value"), [("steps", 0), ("batch", -1), ("rate", 0.0), ("reach", float("nan"))])
def test_settings_are_positive(name, value):
    generator, reader, _ = attributed()
    with pytest.raises(LinkGANError, match=f"{name} is {value:g}; expected a number above 0"):
        find_directions(opened(generator), "ganalyze", reader=reader, **{name: value})
