"""Training beside a real stylegan3: the same configuration in its words, whole steps alternating, failures by name."""

from __future__ import annotations

import multiprocessing
import os
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from linkgan_plugin.errors import LinkGANError
from tests.benchmarks import interleaved
from tests.benchmarks.beside_stylegan3 import Comparison, compare, main
from tests.benchmarks.configurations import TERMS, embedded_options, host_options
from training_loops.data.face_files import write_faces

REAL = Path(os.environ.get("LINKGAN_HOSTS", "")) / "stylegan3"
SIZES = {"cbase": 16, "cmax": 4}


class CountingLoss:
    """A host's own loss that notes its calls."""

    calls: list[str] = []  # noqa: RUF012

    def __init__(self, device, gamma, G):
        self.gamma = gamma

    def accumulate_gradients(self, phase, cur_nimg, real_img):
        self.calls.append(phase)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "faces.zip"
    write_faces(path, 8, 8, seed=0)
    return path


@pytest.mark.parametrize("terms", TERMS)
def test_both_train_with_the_same_options(data, terms):
    ours = embedded_options(data, terms, "tiny", batch=4, **SIZES)
    theirs = host_options(ours)
    wanted = TERMS[terms]
    for options in (ours, theirs):
        base = options["loss_kwargs"]["base_kwargs"]
        assert (base["pl_weight"], base["style_mixing_prob"]) == (wanted["pl_weight"], wanted["style_mixing"])
        assert options["G_kwargs"]["use_noise"] is wanted["noise"]
        assert options["batch_size"] == 4
        assert options["G_reg_interval"] == (4 if wanted["pl_weight"] else None)
    assert ours["loss_kwargs"]["base_kwargs"] == theirs["loss_kwargs"]["base_kwargs"]
    for key in ("G_kwargs", "D_kwargs"):
        names = {*ours[key], *theirs[key]} - {"class_name", "fused_modconv_default"}
        assert all(ours[key][name] == theirs[key][name] for name in names)
    assert all(isinstance(beta, float) for beta in theirs["G_opt_kwargs"]["betas"])


def test_blocks_are_whole_steps_and_the_base_loss_is_unchanged(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(interleaved.time, "perf_counter", lambda: float(next(clock)))
    ours, theirs = multiprocessing.Pipe()
    monkeypatch.setattr(interleaved, "connection", theirs)
    monkeypatch.setattr(CountingLoss, "calls", [])
    name = f"{__name__}.CountingLoss"
    loss = interleaved.InterleavedLoss("cpu", base_class_name=name, base_kwargs={"gamma": 3}, block=2, G=None)
    assert loss.gamma == 3

    def steps() -> None:
        for step in range(100):
            for phase in ("Gmain", "Dmain", "Dmain"):
                loss.accumulate_gradients(phase=phase, cur_nimg=8 * step, real_img=None)

    def train() -> None:
        with pytest.raises(interleaved.Done):
            steps()

    thread = threading.Thread(target=train, daemon=True)
    thread.start()
    assert ours.recv() is None
    assert CountingLoss.calls == []
    for _ in range(2):
        ours.send(True)
        assert ours.recv() == 1.0
    assert CountingLoss.calls == ["Gmain", "Dmain", "Dmain"] * 4
    ours.send(False)
    thread.join(timeout=10)
    assert not thread.is_alive()


def test_a_checkout_that_does_not_run_is_reported_with_its_message(tmp_path):
    host = tmp_path / "host"
    for folder in ("training", "torch_utils"):
        (host / folder).mkdir(parents=True)
    (host / "training" / "networks_stylegan2.py").touch()
    (host / "dnnlib.py").write_text("raise RuntimeError('half a checkout')\n")
    with pytest.raises(LinkGANError, match=r"(?s)training the host failed with status 1:.*half a checkout"):
        compare(Comparison(host, resolution=8, sizes=SIZES, batch=4), "tiny")


@pytest.mark.skipif(not REAL.is_dir(), reason="LINKGAN_HOSTS does not lead to a stylegan3")
def test_a_real_stylegan3_alternates_with_the_embedded_host():
    row = compare(Comparison(REAL, resolution=16, rounds=2, sizes=SIZES, batch=4), "stylegan2")
    assert row["rounds"] == 2
    assert row["batch"] == 4
    assert row["speed_ratio"] > 0
    assert row["images_per_second_embedded"] > 0
    assert row["images_per_second_host"] > 0


def test_a_checkout_is_needed(tmp_path, monkeypatch):
    monkeypatch.delenv("LINKGAN_HOST", raising=False)
    assert "--host is needed" in CliRunner().invoke(main).output
    result = CliRunner().invoke(main, ["--host", str(tmp_path)])
    assert result.exit_code == 2
    assert "not a stylegan3 checkout" in result.output


def test_a_gpu_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    result = CliRunner().invoke(main, ["--host", str(tmp_path), "--device", "cuda"])
    assert (result.exit_code, result.output) == (
        2,
        "Error: device='cuda': this machine has 0 GPU(s); try --device cpu\n",
    )
