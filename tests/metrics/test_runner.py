"""Region metrics as a host's metric runner calls them, with the options that hosts hand over."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.hosts.metric_names import is_link_metric
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.metrics import runner
from linkgan_plugin.metrics.evaluate import evaluate
from tests.toys import ToyGenerator, linked_weight

SPEC = LinkSpec.parse(["left=0:4@box(0,0,0.5,1)"], dim=8)


class Monitor:
    """Keeps what a host's progress monitor is told."""

    def __init__(self) -> None:
        self.told: list[int] = []

    def sub(self, *, tag: str, num_items: int) -> Monitor:
        self.tag, self.items = tag, num_items
        return self

    def update(self, done: int) -> None:
        self.told.append(done)


def network(weight: torch.Tensor) -> ToyGenerator:
    generator = ToyGenerator(weight, 8).train()
    generator.link_spec = SPEC.to_json()  # type: ignore[assignment]
    return generator


def options(generator: torch.nn.Module, **more: object) -> SimpleNamespace:
    return SimpleNamespace(G=generator, device=torch.device("cpu"), dataset_kwargs={}, rank=0, num_gpus=1, **more)


def test_a_hosts_numbers_are_those_of_an_evaluation() -> None:
    weight = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
    generator = network(weight)
    found = runner.measure(options(generator), "link2k", 100)
    expected = evaluate(LinkedGenerator(ToyGenerator(weight, 8), SPEC), pairs=100)["left"].values()
    assert found == {f"link2k_left_{key}": pytest.approx(value, rel=1e-6) for key, value in expected.items()}
    assert generator.training, "the host's own network is left as it is"


def test_what_could_not_be_measured_is_left_out() -> None:
    found = runner.measure(options(network(torch.zeros(64, 8))), "link2k", 8)
    assert set(found) == {f"link2k_left_{key}" for key in ("effect_in", "effect_out", "leak_in", "leak_out")}
    broken = network(torch.full((64, 8), torch.nan))
    assert runner.measure(options(broken), "link2k", 8) == {}


def test_progress_counts_all_pairs() -> None:
    monitor = Monitor()
    weight = linked_weight([range(4), range(4, 8)], 8, 8)
    runner.measure(options(network(weight), progress=monitor), "link2k", 150)
    assert (monitor.tag, monitor.items) == ("link2k", 150)
    assert monitor.told == [64, 128, 150]


@pytest.mark.parametrize(("side", "images"), [(32, 64), (128, 64), (256, 16), (512, 4), (1024, 4)])
def test_a_batch_holds_as_many_pixels_at_every_resolution(side: int, images: int) -> None:
    assert runner._batch(SimpleNamespace(img_resolution=side)) == images


def test_metrics_are_registered_under_their_names() -> None:
    kept = {}
    runner.register(lambda metric: kept.setdefault(metric.__name__, metric))
    assert set(kept) == {"link2k", "link10k"}
    assert all(map(is_link_metric, kept))
    assert not is_link_metric("fid50k")
