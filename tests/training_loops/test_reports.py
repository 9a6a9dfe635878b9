"""Statistics, metrics, images and options."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from tests.training_loops.runs import options_of
from training_loops import grids, metrics, processes, training_stats, util
from training_loops.formats.folder import ImageFolderDataset
from training_loops.logs import RunLog
from training_loops.presets import preset


def test_a_collector_averages_what_was_reported_between_two_updates() -> None:
    training_stats.report("Test/a", [100.0])
    collector = training_stats.Collector("Test/.*")
    given = torch.tensor([[1.0, 2.0], [3.0, 6.0]], requires_grad=True)
    assert training_stats.report("Test/a", given) is given
    training_stats.report("Test/a", 8)
    training_stats.report0("Test/b", np.array([2.5]))
    training_stats.report("Other/c", 1.0)
    collector.update()
    values = [1.0, 2, 3, 6, 8]
    assert collector.as_dict()["Test/a"] == {
        "num": 5,
        "mean": pytest.approx(4.0),
        "std": pytest.approx(float(np.std(values))),
    }
    assert collector.as_dict()["Test/b"] == {"num": 1, "mean": 2.5, "std": 0.0}
    assert "Other/c" not in collector.names()
    assert collector["Test/a"] == pytest.approx(4)


def test_numbers_are_reported_to_their_last_digit() -> None:
    collector = training_stats.Collector("Test/kimg")
    training_stats.report("Test/kimg", 20.8)
    collector.update()
    assert collector["Test/kimg"] == 20.8


def test_two_collectors_do_not_take_from_each_other() -> None:
    first, second = training_stats.Collector("Test/x"), training_stats.Collector("Test/x", keep_previous=False)
    training_stats.report("Test/x", [1.0, 3.0])
    first.update()
    second.update()
    assert first["Test/x"] == second["Test/x"] == 2
    first.update()
    second.update()
    assert first["Test/x"] == 2
    assert math.isnan(second["Test/x"])
    assert second.num("Test/x") == 0


def test_a_name_reported_without_scalars_has_no_average() -> None:
    collector = training_stats.Collector("Test/empty")
    training_stats.report("Test/empty", [])
    collector.update()
    assert collector.names() == ["Test/empty"]
    assert math.isnan(collector.mean("Test/empty"))
    assert math.isnan(collector.std("Test/empty"))


def test_what_only_another_process_reports_is_known_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums are exchanged by the order of names, so names of one rank alone would mix up the statistics."""
    sums: list[torch.Tensor] = []

    def add_up(rows: torch.Tensor) -> None:
        sums.append(rows.clone())
        rows.mul_(2)

    training_stats.report("Test/mine", [])
    monkeypatch.setattr(training_stats, "_sync_device", torch.device("cpu"))
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(processes, "gathered", lambda names, count: [["Test/theirs", "Test/first"], names])
    monkeypatch.setattr(processes, "add_up", add_up)
    collector = training_stats.Collector("Test/(mine|theirs|first)")
    training_stats.report("Test/mine", [1.0, 3.0])
    collector.update()
    assert collector.names() == ["Test/mine", "Test/theirs", "Test/first"]
    assert [row[0].item() for row in sums[-1]] == [0, 0, 2], "the order of names is the first rank's"
    assert (collector.num("Test/mine"), collector["Test/mine"], collector.num("Test/theirs")) == (4, 2, 0)


def test_metrics_get_the_hosts_options_and_write_the_hosts_lines(tmp_path: Path) -> None:
    seen: list[Any] = []

    @metrics.register_metric
    def metric_of_a_test(opts: Any) -> dict[str, float]:
        seen.append(opts)
        return {"answer": 42.0}

    assert metrics.is_valid_metric("metric_of_a_test")
    assert "metric_of_a_test" in metrics.list_valid_metrics()
    result = metrics.calc_metric("metric_of_a_test", G="net", dataset_kwargs={"path": "x"}, num_gpus=1, rank=0)
    (opts,) = seen
    assert (opts.G, opts.G_kwargs, opts.dataset_kwargs, opts.num_gpus, opts.rank) == ("net", {}, {"path": "x"}, 1, 0)
    assert (opts.progress, opts.cache, opts.device.type) == (None, True, "cpu")
    assert result["results"] == {"answer": 42.0}
    metrics.report_metric(result, run_dir=tmp_path, snapshot_pkl=tmp_path / "net.pt", extra={"link_spec": None})
    (line,) = (tmp_path / "metric-metric_of_a_test.jsonl").read_text().splitlines()
    expected = {
        "results",
        "metric",
        "total_time",
        "total_time_str",
        "num_gpus",
        "snapshot_pkl",
        "timestamp",
        "link_spec",
    }
    assert set(json.loads(line)) == expected
    assert json.loads(line)["snapshot_pkl"] == "net.pt"
    with pytest.raises(metrics.UnknownMetricError, match=r"metric 'fid' is not known; known: .*metric_of_a_test"):
        metrics.calc_metric("fid")


def test_a_continued_log_forgets_what_will_be_done_again(tmp_path: Path) -> None:
    stats, metric = tmp_path / "stats.jsonl", tmp_path / "metric-link2k.jsonl"
    stats.write_text("".join(f'{{"Progress/kimg": {{"mean": {kimg}}}}}\n' for kimg in (1.0, 2.0, 3.0)) + '{"Progr')
    names = ["network-snapshot-000001.pt", "network-snapshot-000003.pt", None, "other.pt"]
    metric.write_text("".join(json.dumps({"snapshot_pkl": name}) + "\n" for name in names))
    RunLog(tmp_path, rank=0, verbose=False, tensorboard=False, continued=True, cur_nimg=2000)
    assert [json.loads(line)["Progress/kimg"]["mean"] for line in stats.read_text().splitlines()] == [1, 2]
    left = [json.loads(line)["snapshot_pkl"] for line in metric.read_text().splitlines()]
    assert left == ["network-snapshot-000001.pt", None, "other.pt"]


def test_a_grid_shows_images_row_by_row(tmp_path: Path) -> None:
    values = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0, 3.0])
    grids.save_grid(values.view(6, 1, 1, 1).expand(6, 3, 2, 2), tmp_path / "grid.png", (3, 2))
    pixels = np.asarray(PIL.Image.open(tmp_path / "grid.png"))
    assert pixels.shape == (4, 6, 3)
    assert pixels[::2, ::2, 0].tolist() == [[0, 64, 128], [191, 255, 255]]


def test_a_grid_of_labelled_data_has_one_class_per_row(tiny_data: Path) -> None:
    dataset = ImageFolderDataset(tiny_data, use_labels=True)
    picked = grids.choose_images(dataset, (4, 5)).reshape(5, 4)
    classes = np.array([[dataset.get_label(i).argmax() for i in row] for row in picked])
    assert (classes == classes[:, :1]).all()
    assert classes[:, 0].tolist() == [0, 1, 2, 0, 1]
    assert len(set(picked[0]) | set(picked[3])) == 8


def test_grids_have_the_hosts_sizes() -> None:
    assert grids.grid_shape(32) == (32, 32)
    assert grids.grid_shape(1024) == (7, 4)
    assert grids.grid_shape(256) == (30, 16)


def test_options_describe_the_data_and_take_every_choice(tiny_data: Path) -> None:
    options = options_of(cfg="tiny", data=tiny_data, cond=True, mirror=True, seed=5, kimg=3, glr=0.1, dlr=0.2, gamma=7)
    data = options["training_set_kwargs"]
    assert (data["resolution"], data["max_size"], data["use_labels"], data["xflip"]) == (8, 30, True, True)
    assert (options["random_seed"], options["total_kimg"]) == (5, 3)
    assert (options["G_opt_kwargs"]["lr"], options["D_opt_kwargs"]["lr"]) == (0.1, 0.2)
    assert options["loss_kwargs"]["r1_gamma"] == 7
    assert options["G_reg_interval"] is None
    assert json.loads(json.dumps(options)) == options


def test_path_length_switches_lazy_regularization_on(tiny_data: Path) -> None:
    assert options_of(cfg="tiny", data=tiny_data, pl_weight=2)["G_reg_interval"] == 4
    assert options_of(cfg="small", data=tiny_data, pl_weight=0)["G_reg_interval"] is None


@pytest.mark.parametrize(
    ("resolution", "gpus", "batch", "gamma", "lr", "ema_kimg"),
    [(256, 8, 64, 0.2048, 0.0025, 20), (1024, 8, 32, 6.5536, 0.002, 10), (256, 1, 16, 0.8192, 0.0025, 5)],
)
def test_the_public_defaults_follow_the_resolution(
    resolution: int, gpus: int, batch: int, gamma: float, lr: float, ema_kimg: float
) -> None:
    base = preset("stylegan2", resolution, gpus)
    assert (base.batch, base.lr) == (batch, lr)
    assert base.gamma == pytest.approx(gamma)
    assert base.ema_kimg == pytest.approx(ema_kimg)


def test_wrong_choices_are_named(tiny_data: Path) -> None:
    with pytest.raises(ValueError, match="cfg 'huge': known are tiny, small, stylegan2"):
        options_of(cfg="huge", data=tiny_data)
    with pytest.raises(ValueError, match="mbstd_group=3: expected a divisor of the 8 images"):
        options_of(cfg="tiny", data=tiny_data, batch=8, mbstd_group=3)
    with pytest.raises(ValueError, match="cbase=4: expected at least 8, for a feature map at 8 pixels"):
        options_of(cfg="tiny", data=tiny_data, cbase=4)


def test_objects_are_found_by_dotted_name() -> None:
    assert util.get_object_by_name("torch.optim.Adam") is torch.optim.Adam
    assert util.construct_class_by_name(3, class_name="fractions.Fraction", denominator=4) == 0.75
    with pytest.raises(ValueError, match=r"class_name 'torch\.optim\.Adan'.*has no 'Adan'"):
        util.get_object_by_name("torch.optim.Adan")
    with pytest.raises(ValueError, match="class_name 'Adam': expected a dotted name"):
        util.get_object_by_name("Adam")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (59, "59s"), (184, "3m 04s"), (3723, "1h 02m 03s"), (183840, "2d 03h 04m")]
)
def test_durations_are_readable(seconds: float, text: str) -> None:
    assert util.format_time(seconds) == text
