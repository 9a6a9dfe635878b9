"""What links cost: real training steps in turns, memory that is counted, and links that tile the image."""

from __future__ import annotations

import gc

import pytest
import torch
from torch._subclasses import FakeTensorMode

from linkgan_plugin.bench import cost, overhead
from linkgan_plugin.bench.memory import PeakMemory, live_bytes
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.recipes import make_recipe
from linkgan_plugin.regions.base import Scene


@pytest.mark.parametrize("count", [1, 2, 4, 6, 8])
def test_links_tile_the_image(count):
    spec = LinkSpec.parse(cost.boxes(count), dim=64)
    masks = spec.region_masks(Scene(torch.zeros(1, 3, 24, 24)))[:count]
    assert len(spec.names) == count
    covered = torch.ones_like(masks[0])
    if count == 1:
        covered[..., 12:, :] = 0  # a link needs pixels outside its region
    torch.testing.assert_close(masks.sum(dim=0), covered)


def test_three_boxes_are_refused():
    with pytest.raises(LinkGANError, match="3 links do not tile"):
        cost.boxes(3)


def test_peak_memory_is_what_tensors_take_at_most():
    gc.collect()
    kept = torch.ones(250_000)
    before = live_bytes()
    assert before >= 1_000_000
    meter = PeakMemory(torch.device("cpu"))
    meter.start()
    parts = [torch.ones(500_000) for _ in range(3)]
    parts.pop()
    parts.append(torch.ones(250_000))
    del parts
    assert meter.stop() - before == pytest.approx(6_000_000, rel=0.01)
    assert len(kept) == 250_000


def test_tensors_without_memory_count_nothing():
    gc.collect()
    before = live_bytes()
    stand_in = FakeTensorMode().from_tensor(torch.ones(1_000_000))
    gc.collect()
    assert live_bytes() - before < 4_000_000
    assert stand_in.shape == (1_000_000,)


def test_a_meter_times_the_middle_blocks_and_measures_the_last_two(monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr(cost.time, "perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr(PeakMemory, "start", lambda self: None)
    monkeypatch.setattr(PeakMemory, "stop", lambda self: 7)
    calls = []
    meter = cost.Meter(2, torch.device("cpu"), lambda: calls.append(1))
    for step in range(meter.steps):
        meter(8 * (step + 1), 8 * meter.steps)
    assert len(calls) == meter.steps == cost.total_steps(1, 2) == 2 * 16 * 4
    assert {kind: len(seconds) for kind, seconds in meter.seconds.items()} == {"with": 2, "without": 2}
    assert meter.peaks == {"with": 7, "without": 7}


def test_links_on_every_sample_cost_memory_and_the_ratios_are_those_of_the_blocks():
    recipe = make_recipe("default", interval=1, per_sample=0, batch=1.0)
    with cost.procedural("tiny", [8]) as data:
        (row,) = cost.measure_cost([cost.boxes(4)], data, recipe, rounds=1, cbase=16, cmax=4, batch=4, device="cpu")
    assert (row["links"], row["resolution"], row["rounds"]) == (4, 8, 1)
    assert row["time_ratio"] == pytest.approx(row["step_seconds_with"][0] / row["step_seconds_without"][0])
    # No ratio: what other tests left in this process counts on both sides.
    assert row["peak_bytes_with"] - row["peak_bytes_without"] > 100_000
    assert row["memory_ratio"] == row["peak_bytes_with"] / row["peak_bytes_without"]
    assert len(row["step_seconds_with"]) == len(row["step_seconds_without"]) == 1


def test_links_of_the_user_on_a_3d_aware_generator_are_measured_too(monkeypatch):
    for module in (cost, overhead):
        monkeypatch.setattr(module, "BLOCK", 2)  # steps
    recipe = make_recipe("default", depth=1.0)
    links = ["nose=4@box3d(-0.04,-0.06,0.13,0.04,0.03,0.36)"]
    with cost.procedural("heads3d", [16], images=16) as data:
        small = {"cbase": 32, "cmax": 4, "batch": 4}
        (row,) = cost.measure_cost([links], data, recipe, cfg="heads3d", rounds=1, device="cpu", **small)
    assert (row["links"], row["resolution"]) == (1, 16)
    assert row["regions"] == [links[0].split("@")[1]]
    assert row["time_ratio"] > 0
