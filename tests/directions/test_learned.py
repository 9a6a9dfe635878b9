"""What learned directions share: the optimiser, and the field that a walk becomes."""

from __future__ import annotations

import torch

from linkgan_plugin.directions.learned import Coordinates, VectorAdam, Walk
from linkgan_plugin.directions.task import Task

from .blobs import BlobGenerator
from .planted import opened


def test_the_optimiser_keeps_to_the_span_of_the_gradients():
    vector = torch.zeros(1, 4, requires_grad=True)
    gradient = torch.tensor([[0.1, 1.0, 0.0, 10.0]])
    optimizer = VectorAdam([vector], 0.5)
    optimizer.step([gradient])
    torch.testing.assert_close(vector.detach(), -0.5 * gradient / gradient.norm())
    optimizer.step([gradient], 0.0)
    torch.testing.assert_close(vector.detach(), -0.5 * gradient / gradient.norm())


def test_a_field_moves_latents_as_the_walk_that_it_was_learned_by():
    linked = opened(BlobGenerator())
    linked.generator.mapping.weight.data = torch.diag(torch.linspace(0.5, 2, 12))
    task = Task(linked)
    random = torch.Generator().manual_seed(0)
    walk = Walk(Coordinates(task), 2, torch.randn([2, 5, 12], generator=random))
    for part in walk.parameters:
        part.data = torch.randn(part.shape, generator=random)
    found = walk.found(task, ["a", "b"])
    latents = linked.draw(range(6))
    amount = 1e-3
    walked = (walk.moved(latents, amount * torch.eye(2)[[1] * 6]) - latents)[:, 0].detach() / amount
    tangent = found.bend.tangent(1, latents[:, 0])
    ratio = tangent.norm(dim=1) / walked.norm(dim=1)
    torch.testing.assert_close(ratio, ratio[:1].expand(6), rtol=1e-2, atol=0)
    torch.testing.assert_close(tangent, walked * ratio[:, None], rtol=1e-2, atol=1e-2)
