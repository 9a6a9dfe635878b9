"""Whole runs of the training loop on an accelerator: the weights of the CPU, exact resume, and no wait in a step."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from linkgan_plugin.cli.train import FAMILIES
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.recipes import make_recipe
from tests.devices.pretend import DEVICE, Accelerator
from tests.training_loops.runs import options_of, train
from training_loops import training_loop
from training_loops.formats.folder import write_dataset
from training_loops.snapshots import load_snapshot

STEPS = 4


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("data") / "data.zip"
    random = np.random.default_rng(0)
    write_dataset(path, iter(random.integers(0, 255, (32, 16, 16, 3), dtype=np.uint8)))
    return str(path)


def linked(data: str, cfg: str, space: str, dim: int, steps: int = STEPS, **asked: Any) -> dict[str, Any]:
    """Options of a run with a link, in two microbatches a step."""
    kimg = steps * 8 / 1000
    made = options_of(data=data, cfg=cfg, kimg=kimg, batch=8, batch_gpu=4, cbase=64, cmax=8, **asked)
    base = made["loss_kwargs"]
    made["loss_kwargs"] = {
        "class_name": "linkgan_plugin.losses.LinkGANLoss",
        "link_spec": LinkSpec.parse(["left=0:4@box(0,0,.5,1)"], dim=dim, space=space).to_json(),
        "recipe": make_recipe(interval=1).to_json(),
        "base_class_name": base.pop("class_name"),
        "base_kwargs": base,
    }
    for name in "GD":
        if made.get(f"{name}_opt_kwargs"):
            made[f"{name}_opt_kwargs"]["foreach"] = False  # the fused optimizer knows its devices by name
    return made


@pytest.fixture(scope="module")
def options(data: str) -> dict[str, Any]:
    return linked(data, "tiny", "w", 64)


@pytest.fixture(autouse=True)
def _alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random numbers must not follow the memory layout, which may differ."""
    monkeypatch.setattr(torch, "randn_like", lambda x: torch.randn(x.shape, device=x.device))


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_snapshot(max(run.glob("network-snapshot-*.pt"))).G_ema.state_dict()


def assert_same(run: Path, other: Path, **tolerance: float) -> None:
    expected = weights(other)
    for name, value in weights(run).items():
        torch.testing.assert_close(value, expected[name], **tolerance, msg=lambda m, n=name: f"{n}: {m}")


class Waits:
    """Counts where each step waits for the accelerator."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, accelerator: Accelerator) -> None:
        self.of_steps: list[dict[str, int]] = []
        step = training_loop._step

        def counted(*args: Any) -> None:
            before = Counter(accelerator.places)
            step(*args)
            self.of_steps.append(dict(accelerator.places - before))

        monkeypatch.setattr(training_loop, "_step", counted)


def test_a_run_gives_the_weights_of_the_cpu_and_waits_only_at_ticks(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path / "cpu", options, device="cpu")
    with Accelerator() as accelerator:
        waits = Waits(monkeypatch, accelerator).of_steps
        train(tmp_path / "there", options, device=DEVICE)
    assert_same(tmp_path / "there", tmp_path / "cpu", rtol=1e-3, atol=1e-4)
    assert len(waits) == STEPS
    assert waits[0] != {}, "constants are brought to the accelerator once"
    assert waits[1:] == [{}] * (STEPS - 1)


@pytest.mark.parametrize("cfg", FAMILIES)
def test_families_give_the_weights_of_the_cpu_and_wait_only_at_ticks(
    data: str, cfg: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = linked(data, cfg, "z", 12, steps=2, z_dim=12)
    train(tmp_path / "cpu", options, device="cpu")
    with Accelerator() as accelerator:
        waits = Waits(monkeypatch, accelerator).of_steps
        train(tmp_path / "there", options, device=DEVICE)
    assert waits[1:] == [{}]
    assert_same(tmp_path / "there", tmp_path / "cpu", rtol=1e-3, atol=1e-4)


def test_a_stopped_run_continues_to_the_same_weights(options: dict[str, Any], tmp_path: Path) -> None:
    with Accelerator():
        train(tmp_path / "whole", options, device=DEVICE)
    seen: list[int] = []
    with Accelerator():
        train(
            tmp_path / "parts",
            options,
            device=DEVICE,
            progress_fn=lambda done, total: seen.append(done),
            abort_fn=lambda: len(seen) >= 2,
        )
    assert seen == [8, 16]
    with Accelerator():
        train(tmp_path / "parts", options, device=DEVICE, restart=True)
    assert_same(tmp_path / "parts", tmp_path / "whole", rtol=0, atol=0)
