"""Runs of the loop: what it leaves behind, and that stopping and continuing changes nothing."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training_loops.runs import train
from tests.training_loops.states import assert_same_end, tensors
from training_loops.metrics import UnknownMetricError, register_metric
from training_loops.snapshots import SnapshotError, load_snapshot
from training_loops.training_loop import lr_fraction, read_options

# Everything random at once: noise inputs, style mixing, path length, labels' order.
RANDOM = {"loss_kwargs": {"class_name": "training_loops.stylegan2.loss.StyleGAN2Loss", "r1_gamma": 1.0}}
RANDOM["loss_kwargs"].update(pl_weight=2.0, style_mixing_prob=0.9)


class StoppedHereError(Exception):
    """Stands for a process that dies."""


def _with_everything_random(options: dict[str, Any]) -> dict[str, Any]:
    noisy = {**options["G_kwargs"], "use_noise": True}
    return {**options, **RANDOM, "G_kwargs": noisy, "G_reg_interval": 4, "D_reg_interval": 3}


def _assert_log_is_continuous(run_dir: Path) -> None:
    lines = [json.loads(line) for line in (run_dir / "stats.jsonl").read_text().splitlines()]
    assert [line["Progress/tick"]["mean"] for line in lines] == list(range(len(lines)))
    kimg = [line["Progress/kimg"]["mean"] for line in lines]
    assert kimg == sorted(set(kimg))
    seconds = [line["Timing/total_sec"]["mean"] for line in lines]
    assert seconds == sorted(seconds)


def _stop_at(nimg: int) -> Any:
    def progress_fn(cur_nimg: int, total_nimg: int) -> None:
        if cur_nimg == nimg:
            raise StoppedHereError

    return progress_fn


def test_a_run_leaves_the_hosts_files(tmp_path: Path, tiny_options: dict[str, Any]) -> None:
    seen: list[tuple[int, int]] = []
    result = train(tmp_path, tiny_options, progress_fn=lambda *a: seen.append(a))
    assert (result.cur_nimg, result.finished) == (80, True)
    assert seen == [(8 * i, 80) for i in range(1, 11)]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "training_options.json",
        "stats.jsonl",
        "log.txt",
        "reals.png",
        "fakes_init.png",
        "fakes000000.png",
        "network-snapshot-000000.pt",
        "training-state.pt",
        "training-state-previous.pt",
    }
    options = json.loads((tmp_path / "training_options.json").read_text())
    assert options["G_kwargs"] == tiny_options["G_kwargs"]
    assert options["batch_size"] == 8
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert sum(line.startswith("tick ") for line in lines) == 6


def test_statistics_lines_have_the_hosts_shape(tmp_path: Path, tiny_options: dict[str, Any]) -> None:
    train(tmp_path, tiny_options)
    lines = [json.loads(line) for line in (tmp_path / "stats.jsonl").read_text().splitlines()]
    assert [line["Progress/tick"]["mean"] for line in lines] == [0, 1, 2, 3, 4, 5]
    for line in lines:
        assert isinstance(line.pop("timestamp"), float)
        assert {"Loss/G/loss", "Loss/D/loss", "Loss/scores/real", "Timing/sec_per_kimg", "Timing/Dmain"} <= line.keys()
        assert all(value.keys() == {"num", "mean", "std"} for value in line.values())
    assert lines[1]["Loss/G/loss"]["num"] == 16  # two steps of eight images
    assert lines[-1]["Progress/kimg"]["mean"] == pytest.approx(0.08)


def test_the_snapshot_holds_the_averaged_generator(tmp_path: Path, tiny_options: dict[str, Any]) -> None:
    result = train(tmp_path, tiny_options)
    assert result.snapshot is not None
    snapshot = load_snapshot(result.snapshot)
    state = torch.load(tmp_path / "training-state.pt", weights_only=True)["networks"]
    for role in ("G", "D", "G_ema"):
        saved = getattr(snapshot, role).state_dict()
        assert all(torch.equal(saved[key], value) for key, value in state[role].items())
    assert snapshot.cur_nimg == 80
    assert snapshot.training_options["random_seed"] == 0
    image = snapshot.G_ema(torch.zeros(1, 8), torch.zeros(1, 0), noise_mode="const")
    assert image.shape == (1, 3, 8, 8)


@pytest.mark.parametrize("died_at", [8, 40, 72])  # at 8 only the state before the first step was saved
def test_a_killed_run_continues_bit_for_bit(tmp_path: Path, tiny_options: dict[str, Any], died_at: int) -> None:
    options = _with_everything_random(tiny_options)
    train(tmp_path / "whole", options)
    with pytest.raises(StoppedHereError):
        train(tmp_path / "broken", options, progress_fn=_stop_at(died_at))
    result = train(tmp_path / "broken", options, restart=True)
    assert result.finished
    assert_same_end(tmp_path / "whole", tmp_path / "broken")
    _assert_log_is_continuous(tmp_path / "broken")


def test_an_aborted_run_continues_from_its_own_options(tmp_path: Path, tiny_options: dict[str, Any]) -> None:
    options = _with_everything_random(tiny_options)
    train(tmp_path / "whole", options)
    calls = iter(range(100))
    first = train(tmp_path / "two", options, abort_fn=lambda: next(calls) == 2)
    assert (first.cur_nimg, first.finished) == (24, False)
    again = train(tmp_path / "two", read_options(tmp_path / "two").to_json(), restart=True)
    assert (again.cur_nimg, again.finished) == (80, True)
    assert_same_end(tmp_path / "whole", tmp_path / "two")
    _assert_log_is_continuous(tmp_path / "two")


def test_ctrl_c_finishes_the_step_and_saves(tmp_path: Path, tiny_options: dict[str, Any]) -> None:
    def interrupt(cur_nimg: int, total_nimg: int) -> None:
        if cur_nimg == 32:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    result = train(tmp_path, tiny_options, progress_fn=interrupt)
    assert (result.cur_nimg, result.finished) == (32, False)
    assert signal.getsignal(signal.SIGINT) is before
    assert "the run can be resumed" in (tmp_path / "log.txt").read_text()
    state = torch.load(tmp_path / "training-state.pt", weights_only=True)
    assert state["progress"]["cur_nimg"] == 32


def test_how_often_a_run_is_looked_at_does_not_change_it(tmp_path: Path, tiny_options: dict[str, Any]) -> None:
    options = _with_everything_random(tiny_options)
    train(tmp_path / "often", options)
    rare = {**options, "kimg_per_tick": 1, "image_snapshot_ticks": None, "network_snapshot_ticks": None}
    train(tmp_path / "rarely", rare)
    first, second = tensors(tmp_path / "often"), tensors(tmp_path / "rarely")
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_another_seed_gives_another_run(tmp_path: Path, tiny_options: dict[str, Any]) -> None:
    for seed in (0, 1):
        train(tmp_path / str(seed), {**tiny_options, "random_seed": seed, "total_kimg": 0.008})
    first, second = tensors(tmp_path / "0"), tensors(tmp_path / "1")
    key = "/networks/G/synthesis.b4.conv1.weight"
    assert not torch.equal(first[key], second[key])


def test_labels_x_flips_and_microbatches_run(tmp_path: Path, tiny_options: dict[str, Any]) -> None:
    data = {**tiny_options["training_set_kwargs"], "use_labels": True, "xflip": True}
    result = train(tmp_path, {**tiny_options, "training_set_kwargs": data, "batch_gpu": 4})
    assert result.snapshot is not None
    snapshot = load_snapshot(result.snapshot)
    assert snapshot.G.c_dim == snapshot.D.c_dim == 3


def test_weights_of_a_snapshot_start_a_new_run(tmp_path: Path, tiny_options: dict[str, Any]) -> None:
    first = train(tmp_path / "first", tiny_options)
    still = {name: {**tiny_options[name], "lr": 0.0} for name in ("G_opt_kwargs", "D_opt_kwargs")}
    second = train(tmp_path / "second", {**tiny_options, **still, "resume": first.snapshot})
    assert first.snapshot is not None
    assert second.snapshot is not None
    a, b = load_snapshot(first.snapshot), load_snapshot(second.snapshot)
    assert all(torch.equal(p, q) for p, q in zip(a.D.parameters(), b.D.parameters(), strict=True))
    assert all(torch.equal(p, q) for p, q in zip(a.G.parameters(), b.G.parameters(), strict=True))


def test_a_snapshot_of_other_networks_is_refused_with_every_difference(
    tmp_path: Path, tiny_options: dict[str, Any]
) -> None:
    first = train(tmp_path / "first", {**tiny_options, "total_kimg": 0.008})
    wider = {**tiny_options["G_kwargs"], "channel_max": 4, "use_noise": True}
    with pytest.raises(SnapshotError) as caught:
        train(tmp_path / "b", {**tiny_options, "G_kwargs": wider, "resume": first.snapshot})
    message = str(caught.value)
    assert str(first.snapshot) in message
    assert "synthesis.b4.conv1.noise_strength is missing" in message
    assert "synthesis.b4.const is float32 [8, 4, 4], expected float32 [4, 4, 4]" in message


def test_a_run_is_not_continued_with_other_options(tmp_path: Path, tiny_options: dict[str, Any]) -> None:
    train(tmp_path, {**tiny_options, "total_kimg": 0.008})
    with pytest.raises(SnapshotError, match="ema_kimg: was 5, is 7"):
        train(tmp_path, {**tiny_options, "ema_kimg": 7}, restart=True)


@pytest.mark.parametrize("damage", ["truncated", "foreign", "flipped"])
def test_a_damaged_state_is_refused_by_name(tmp_path: Path, tiny_options: dict[str, Any], damage: str) -> None:
    options = {**tiny_options, "total_kimg": 0.008}
    train(tmp_path, options)
    path = tmp_path / "training-state.pt"
    data = bytearray(path.read_bytes())
    if damage == "truncated":
        data = data[: len(data) // 2]
    elif damage == "flipped":
        data[len(data) // 2] ^= 1
    path.write_bytes(data)
    if damage == "foreign":
        torch.save({"format": "something else"}, path)
    with pytest.raises(SnapshotError, match=r"training-state\.pt"):
        train(tmp_path, options, restart=True)


def test_metrics_run_at_snapshots_and_are_logged(tmp_path: Path, tiny_options: dict[str, Any]) -> None:
    def mean_of_image(opts: Any) -> dict[str, float]:
        torch.rand(3)  # a metric may draw random numbers without changing the training
        return {"mean_of_image": float(opts.G(torch.zeros(1, 8), torch.zeros(1, 0)).mean())}

    register_metric(mean_of_image)
    train(tmp_path / "with", {**tiny_options, "metrics": ["mean_of_image"]})
    train(tmp_path / "without", tiny_options)
    lines = (tmp_path / "with" / "metric-mean_of_image.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    assert last["metric"] == "mean_of_image"
    assert last["snapshot_pkl"] == "network-snapshot-000000.pt"
    assert set(last["results"]) == {"mean_of_image"}
    assert_same_end(tmp_path / "with", tmp_path / "without")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"batch_gpu": 3}, ValueError, "batch_size=8: expected a multiple of num_gpus=1 times batch_gpu=3"),
        ({"total_kimg": 0}, ValueError, "total_kimg and kimg_per_tick: expected more than 0"),
        ({"metrics": ["fid9"]}, UnknownMetricError, "metric 'fid9' is not known"),
        ({"G_kwargs": {"class_name": "no.such.Net"}}, ValueError, r"class_name 'no\.such\.Net'"),
    ],
)
def test_wrong_options_are_named_before_training(
    tmp_path: Path, tiny_options: dict[str, Any], change: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        train(tmp_path, {**tiny_options, **change})
    assert not (tmp_path / "stats.jsonl").exists()


def test_a_folder_without_a_run_cannot_be_continued(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not the folder of a run"):
        read_options(tmp_path)


def test_the_learning_rate_falls_over_the_last_share_of_the_run() -> None:
    assert [lr_fraction(done, 0.1, 0.25) for done in (0, 0.5, 0.75)] == [1, 1, 1]
    assert lr_fraction(0.875, 0.1, 0.25) == pytest.approx(0.55)
    assert lr_fraction(1.0, 0.1, 0.25) == pytest.approx(0.1)
    assert lr_fraction(1.0, 1.0, 0.25) == 1


def test_the_learning_rate_schedule_reaches_the_optimizers(tmp_path: Path, tiny_options: dict[str, Any]) -> None:
    train(tmp_path, {**tiny_options, "lr_final_fraction": 0.0, "lr_decay_share": 1.0})
    groups = torch.load(tmp_path / "training-state.pt", weights_only=True)["optimizers"]["G"]["param_groups"]
    assert groups[0]["lr"] == pytest.approx(0.1 * groups[0]["initial_lr"])  # the last of ten steps
