"""The overhead loss: links take turns with the bare host, and each step's time goes to the right side."""

from __future__ import annotations

from linkgan_plugin.bench import overhead
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.recipes import make_recipe
from tests import toy_hosts
from tests.toys import ToyGenerator, linked_weight


def test_blocks_with_and_without_links_take_turns(monkeypatch):
    ticks = iter(range(10**6))
    monkeypatch.setattr(overhead.time, "process_time", lambda: float(next(ticks)))
    spec = LinkSpec.parse(["left=0:4@box(0,0,0.5,1)"], dim=8)
    loss = overhead.OverheadLoss(
        "cpu",
        link_spec=spec.to_json(),
        recipe=make_recipe("default", interval=1).to_json(),
        base_class_name="tests.toy_hosts.ToyLoss",
        G=ToyGenerator(linked_weight([range(4), range(4, 8)], 8, 8), 8),
    )
    linked, times = [], []
    monkeypatch.setattr(loss, "_report", lambda result: linked.append(loss.clock.step("Gmain")))
    monkeypatch.setattr(
        loss.host, "report", lambda name, value: times.append((name.rpartition("/")[2], value.tolist()))
    )
    for step in range(96):
        for phase in ("Gmain", "Dmain"):
            for microbatch in range(2):
                loss.accumulate_gradients(**toy_hosts.call(phase, nimg=8 * step, seed=microbatch))
    blocks = [range(start, start + 16) for start in (0, 32, 64)]
    assert sorted(set(linked)) == [step for block in blocks for step in block]
    assert [kind for kind, _ in times] == (["with"] * 16 + ["without"] * 16) * 2 + ["with"] * 16 + ["without"] * 15
    warm = [value for _, value in times[32:]]
    assert all(value == [] for _, value in times[:32])
    # By the fake clock every call takes one second, and a step is two phases of two microbatches.
    assert warm == [[4.0]] * len(warm)
