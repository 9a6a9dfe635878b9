"""Demos of every kind: everything they promise is written, and a stopped one goes on."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest

from linkgan_plugin.demos import training
from linkgan_plugin.demos.job import run_demo
from linkgan_plugin.demos.kind import Kind
from linkgan_plugin.errors import LinkGANError
from tests.demos.conftest import COMMAND, KINDS, STOPPED, Finished
from training_loops.training_loop import STATE_FILE

FLAT = {
    *("effect_in", "leak_out", "leak_ratio", "leak_in", "effect_out", "locality"),
    *("diversity_kept", "transfer", "other_kept", "rest_keeps"),
}
SOLID = {"depth_effect", "depth_leak", "depth_locality", "view_error", "view_depth_error"}
LINKS = {"faces": {"eyes", "mouth"}, "semantic": {"hair", "background"}, "3d": {"mouth", "nose"}}


def kind_of(demo: Finished) -> str:
    return str(demo.report.get("kind", "faces"))


def options(kind: Kind, network: str) -> dict[str, Any]:
    """Return the training options of a network, apart from its link weight."""
    found: dict[str, Any] = json.loads((kind.run_dir(network) / "training_options.json").read_text())
    return found


def test_the_stopped_trainings_went_on(finished: Finished) -> None:
    assert bool(finished.stopped) is (kind_of(finished) == STOPPED)
    for network, before in finished.stopped.items():
        assert (finished.kind.run_dir(network) / STATE_FILE).stat().st_mtime_ns > before


def test_the_report_has_every_figure_for_all_columns(finished: Finished) -> None:
    kind, report = finished.kind, finished.report
    assert report == json.loads((kind.out / "report.json").read_text())
    assert {"command", "spec", "seed", "seconds", "recipe", "versions", "quality_kind"} <= set(report)
    keys = FLAT | (SOLID if kind_of(finished) == "3d" else set())
    for name in kind.columns:
        assert report[name]["quality"] > 0
        found = report[name]["metrics"]
        assert {link: set(metrics) for link, metrics in found.items()} == dict.fromkeys(LINKS[kind_of(finished)], keys)
    for network in kind.networks:
        assert report[network]["images"] == round(1000 * sum(kind.kimg(run) for run in kind.training_chain(network)))
        assert report[network]["training_seconds"] > 0
        assert (kind.out / report[network]["snapshot"]).exists()


def test_the_twins_differ_in_the_link_weight_alone(finished: Finished) -> None:
    linked, unlinked = (options(finished.kind, network) for network in ("linked", "unlinked"))
    assert unlinked["loss_kwargs"]["recipe"].pop("weight") == 0
    assert linked["loss_kwargs"]["recipe"].pop("weight") > 0
    assert linked == unlinked


def test_the_renderer_itself_is_the_most_local(finished: Finished) -> None:
    least = {"faces": 0.999, "semantic": 0.85, "3d": 0.6}[kind_of(finished)]
    for link, metrics in finished.report["oracle"]["metrics"].items():
        assert metrics["locality"] > least
        for network in finished.kind.networks:
            assert metrics["locality"] > finished.report[network]["metrics"][link]["locality"]


def test_the_page_needs_no_other_file(finished: Finished) -> None:
    page = (finished.kind.out / "report.html").read_text()
    assert COMMAND in page
    assert page.count("data:image/png;base64,") == 1
    assert page.count("data:video/mp4;base64,") == 1
    assert "<svg" in page
    sources = re.findall(r'(?:src|href)="([^"]{0,40})', page)
    assert all(source.startswith(("data:", "#")) for source in sources), sources


def test_the_page_has_a_row_for_every_figure(finished: Finished) -> None:
    page = (finished.kind.out / "report.html").read_text()
    keys = FLAT | (SOLID if kind_of(finished) == "3d" else set())
    for key in keys:
        assert page.count(f"<td>{key}</td>") >= 2, key
    for heading in finished.kind.columns.values():
        assert f"<th>{heading}</th>" in page


def test_the_video_plays(finished: Finished) -> None:
    name = "turntable.mp4" if kind_of(finished) == "3d" else "resample.mp4"
    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(finished.kind.out / name))
    assert frames == 3 * 4 * (2 if kind_of(finished) == "3d" else 4)  # regions, changes, frames of each
    assert seconds == pytest.approx(frames / 24, rel=0.05)


def test_a_folder_with_another_demo_is_refused(finished: Finished) -> None:
    kind = finished.kind
    for other in (
        dataclasses.replace(kind, seed=4),
        dataclasses.replace(kind, size=dataclasses.replace(kind.size, kimg=9)),
        next(make(kind.out) for name, make in KINDS.items() if name != kind_of(finished)),
    ):
        with pytest.raises(LinkGANError, match="choose another --out"):
            run_demo(other, command="")


@pytest.mark.parametrize("finished", ["semantic"], indirect=True)
def test_classes_are_measured_by_three_kinds_of_masks(finished: Finished) -> None:
    report = finished.report
    assert min(report["painted_on_real_faces"].values()) > 0.9
    assert set(report["segmenter_on_real_faces"]) == set(report["painted_on_real_faces"])
    areas = {name: (x1 - x0) * (y1 - y0) for name, (x0, y0, x1, y1) in report["boxes"].items()}
    assert 0.1 < areas["hair"] < 0.25 < areas["background"] < 0.55
    for name in finished.kind.columns:
        assert set(report[name]["by_segmenter"]["metrics"]) == {"hair", "background"}
        assert 0 <= report[name]["agreement"]["background"] <= 1
    spec = options(finished.kind, "box")["G_kwargs"]["link_spec"]
    assert [link["region"].split("(")[0] for link in spec["links"]] == ["box", "box"]
    assert [link["axes"] for link in spec["links"]] == [link["axes"] for link in report["spec"]["links"]]


@pytest.mark.parametrize("finished", ["3d"], indirect=True)
def test_both_twins_of_heads_start_from_one_network(finished: Finished) -> None:
    start = str(finished.kind.run_dir("base") / "network-snapshot-000000.pt")
    assert [options(finished.kind, network)["resume"] for network in finished.kind.runs] == [None, start, start]
    assert options(finished.kind, "base")["loss_kwargs"]["recipe"]["weight"] == 0


@pytest.mark.parametrize("finished", ["3d"], indirect=True)
def test_boxes_hold_the_parts_of_heads(finished: Finished) -> None:
    for found in finished.report["coverage"].values():
        assert found["covers"] > 0.9
        assert 0.2 < found["part"] < 1


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    for make in KINDS.values():
        with pytest.raises(LinkGANError, match="contains no demo"):
            run_demo(make(tmp_path), command="")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_failing_network_ends_the_demo_with_its_message(tmp_path: Path) -> None:
    broken = [sys.executable, "-c", "import time; print('the disk is full'); raise SystemExit(3)"]
    with open(tmp_path / "linked.log", "wb") as log:
        child = subprocess.Popen(broken, stdout=log)
    child.wait()
    with pytest.raises(LinkGANError, match=r"linked network failed with status 3:\nthe disk is full"):
        training.follow({"linked": child}, KINDS["faces"](tmp_path))


def test_no_more_networks_than_cores_are_trained_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, most = KINDS["semantic"](tmp_path), []
    monkeypatch.setattr(Kind, "command", lambda self, network: [sys.executable, "-c", "import time; time.sleep(0.3)"])
    follow = training.follow
    monkeypatch.setattr(training, "follow", lambda running, kind: (most.append(len(running)), follow(running, kind)))
    training.train_networks(kind)
    assert max(most) == 2
    assert {path.name for path in tmp_path.glob("*.log")} == {"linked.log", "box.log", "unlinked.log"}


def test_a_network_that_starts_from_one_that_ended_early_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Kind, "command", lambda self, network: [sys.executable, "-c", "pass"])
    with pytest.raises(LinkGANError, match=r"the base network ended at 0 of 0\.016 thousand images; see .*base\.log"):
        training.train_networks(KINDS["3d"](tmp_path))
    assert not (tmp_path / "linked.log").exists()
