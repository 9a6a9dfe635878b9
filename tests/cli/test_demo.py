"""The demo, very small: everything it promises is written, and a stopped one goes on."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
import subprocess
import sys
import time

import pytest

from linkgan_plugin import demo
from linkgan_plugin.cli.demo import demo as command
from linkgan_plugin.errors import LinkGANError
from training_loops.training_loop import OPTIONS_FILE, STATE_FILE

TINY = demo.Size(data=64, kimg=0.128, pairs=4, quality_images=60)
KEYS = {
    *("effect_in", "leak_out", "leak_ratio", "leak_in", "effect_out", "locality"),
    *("diversity_kept", "transfer", "other_kept", "rest_keeps"),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A demo that was stopped by Ctrl-C in the middle of training, and then continued."""
    out = tmp_path_factory.mktemp("demo") / "out"
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    states = [out / twin / STATE_FILE for twin in demo.TWINS]

    def interrupted(children, folder, size):
        for twin, child in children.items():
            while not (out / twin / OPTIONS_FILE).exists():
                assert child.poll() is None, (out / f"{twin}.log").read_text()
                time.sleep(0.01)
            child.send_signal(signal.SIGSTOP)  # or the faster twin would be done before both can be interrupted
        for child in children.values():
            child.send_signal(signal.SIGCONT)
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "_follow", interrupted)
    with pytest.raises(demo.Interrupted):
        demo.run_demo(out, seed=3, size=TINY, command="linkgan demo --test")
    monkeypatch.undo()
    stopped = {path: path.stat().st_mtime_ns for path in states}
    report = demo.run_demo(out, seed=3, size=TINY, command="linkgan demo --test")
    assert all(path.stat().st_mtime_ns > stopped[path] for path in states)
    return out, report


def test_the_report_has_every_figure_for_both_twins(finished):
    out, report = finished
    assert report == json.loads((out / "report.json").read_text())
    assert {"command", "spec", "seed", "seconds"} <= set(report)
    for twin in demo.TWINS:
        assert report[twin]["images"] == 128
        assert report[twin]["quality"] > 0
        assert report[twin]["training_seconds"] > 0
        assert {link: set(metrics) for link, metrics in report[twin]["metrics"].items()} == {
            "eyes": KEYS,
            "mouth": KEYS,
        }


def test_the_twins_differ_in_the_link_weight_alone(finished):
    out, _ = finished
    linked, unlinked = (json.loads((out / twin / "training_options.json").read_text()) for twin in demo.TWINS)
    assert unlinked["loss_kwargs"]["recipe"].pop("weight") == 0
    assert linked["loss_kwargs"]["recipe"].pop("weight") > 0
    assert linked == unlinked


def test_the_renderer_itself_is_perfectly_local(finished):
    _, report = finished
    for metrics in report["oracle"]["metrics"].values():
        assert metrics["locality"] > 0.999
        assert metrics["leak_ratio"] < 1e-3


def test_the_page_needs_no_other_file(finished):
    out, _ = finished
    page = (out / "report.html").read_text()
    assert "linkgan demo --test" in page
    assert page.count("data:image/png;base64,") == 1
    assert page.count("data:video/mp4;base64,") == 1
    assert "<svg" in page
    sources = re.findall(r'(?:src|href)="([^"]{0,40})', page)
    assert all(source.startswith(("data:", "#")) for source in sources), sources


def test_the_video_plays(finished):
    import imageio_ffmpeg

    out, _ = finished
    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(out / "resample.mp4"))
    assert frames > 100
    assert seconds == pytest.approx(frames / 24, rel=0.02)


def test_a_folder_with_another_demo_is_refused(finished):
    out, _ = finished
    with pytest.raises(LinkGANError, match="choose another --out"):
        demo.run_demo(out, seed=4, size=TINY, command="")
    with pytest.raises(LinkGANError, match="choose another --out"):
        demo.run_demo(out, seed=3, size=dataclasses.replace(TINY, kimg=9), command="")


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(LinkGANError, match="holds no demo"):
        demo.run_demo(tmp_path, seed=0, size=TINY, command="")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_finished_demo_is_not_overwritten(finished, cli):
    out, _ = finished
    result = cli("demo", "--out", out)
    assert result.exit_code == 2
    assert "finished demo" in result.output
    assert command.help.startswith("Train a linked generator")


def test_a_failing_twin_ends_the_demo_with_its_message(tmp_path, monkeypatch):
    broken = [sys.executable, "-c", "import time; print('the disk is full'); time.sleep(1); raise SystemExit(3)"]
    child = subprocess.Popen(broken, stdout=open(tmp_path / "linked.log", "wb"))  # noqa: SIM115
    with pytest.raises(LinkGANError, match=r"linked twin failed with status 3:\nthe disk is full"):
        demo._follow({"linked": child}, tmp_path, TINY)
