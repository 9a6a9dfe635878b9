"""Runs of the installed command, alone and under torchrun: killed, continued, and compared to the bit."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from linkgan_plugin.cli import main
from linkgan_plugin.cli.train import failures_named
from tests.training_loops.states import assert_same_end, leaves, tensors
from training_loops import maintenance, processes, training_loop
from training_loops.data.face_files import write_faces
from training_loops.errors import OptionError
from training_loops.presets import build_options
from training_loops.request import TrainingRequest
from training_loops.snapshots import load_snapshot

ROOT = Path(__file__).parents[2]
FAILING = Path(__file__).with_name("failing_train.py")
TORCHRUN = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
FOUR = ["--nproc_per_node=4" if word.startswith("--nproc") else word for word in TORCHRUN]
SMALL = [
    *("--cbase", "64", "--cmax", "8", "--w-dim", "16", "--z-dim", "16", "--batch", "8", "--batch-gpu", "4"),
    *("--device", "cpu", "--threads", "1", "--quiet"),
]
# Axes are moved in what G and D see, too; a tick is 2 steps, so a state is saved every 4; links start with the fourth.
LINKED = [
    *("--link", "eyes=4@eyes", "--link", "mouth=2@mouth"),
    *("--link-interval", "2", "--link-mixing", "0.5", "--link-start", "0.25"),
]
RUN = [
    *SMALL,
    *("--kimg", "0.096", "--tick", "0.016", "--snap", "2", "--noise", "--style-mixing", "0.9", "--pl-weight", "1"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    path = tmp_path_factory.mktemp("data") / "faces.zip"
    write_faces(path, 48, 16, seed=0)
    return ["--data", str(path)]


def python(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def train(*arguments: object) -> None:
    result = CliRunner().invoke(main, ["train", *map(str, arguments)])
    assert result.exit_code == 0, result.output


def train_together(*arguments: object, launcher: Sequence[str] = TORCHRUN) -> str:
    done = python(*launcher, "-m", "linkgan_plugin", "train", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def whole(data: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linked run of twelve steps that nothing happened to."""
    run = tmp_path_factory.mktemp("whole") / "run"
    train(*data, *RUN, *LINKED, "--run-dir", run)
    return run


def test_a_run_killed_at_any_step_continues_bit_for_bit(data: list[str], whole: Path, tmp_path: Path) -> None:
    step, run = random.randrange(12), tmp_path / "run"  # another one at each run of this test
    killed = python(FAILING, 0, step, *data, *RUN, *LINKED, "--run-dir", run)
    assert killed.returncode == -9, killed.stderr
    train("--continue", run, "--quiet", "--device", "cpu")
    assert_same_end(whole, run)
    assert leaves(run)["/ranks/0/loss/steps/Gmain"] == 11


@pytest.mark.parametrize("damage", ["truncated", "foreign", "lost"])
def test_the_state_before_continues_where_the_last_is_damaged(whole: Path, tmp_path: Path, damage: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    path = run / "training-state.pt"
    if damage == "truncated":
        os.truncate(path, path.stat().st_size - 1)
    elif damage == "foreign":
        torch.save({"format": "another program's"}, path)
    if damage != "lost":
        refused = CliRunner().invoke(main, ["train", "--continue", str(run), "--device", "cpu"])
        assert refused.exit_code == 2
        assert f"{path}: " in refused.output
        assert f"delete it to resume from the previous state, {run / 'training-state-previous.pt'}" in refused.output
    path.unlink()
    train("--continue", run, "--quiet", "--device", "cpu")
    assert_same_end(whole, run)


def test_a_full_disk_is_told_in_one_line_and_the_run_continues(
    data: list[str], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, step, limit = tmp_path / "run", training_loop._step, resource.getrlimit(resource.RLIMIT_FSIZE)

    def step_on_a_disk_that_fills(state: Any, total_nimg: int) -> None:
        step(state, total_nimg)
        if state.progress.step == 7:  # the next state is due after step 9
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))

    monkeypatch.setattr(training_loop, "_step", step_on_a_disk_that_fills)
    try:
        result = CliRunner().invoke(main, ["train", *data, *RUN, *LINKED, "--run-dir", str(run)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    monkeypatch.undo()
    assert result.exit_code == 1
    (error,) = (line for line in result.output.splitlines() if line.startswith("Error: "))
    assert re.search(rf"File too large: '{run}/[\w.-]+'; the run's files are intact, resume with --continue", error)
    assert not [path for path in run.iterdir() if path.name.startswith(".")]
    assert leaves(run)["/progress/step"] == 5
    load_snapshot(run / "network-snapshot-000000.pt")
    train("--continue", run, "--quiet", "--device", "cpu")
    assert_same_end(whole, run)


def test_a_truncated_snapshot_is_refused_and_the_one_before_starts_a_run(data: list[str], tmp_path: Path) -> None:
    run = [*data, *SMALL[:-5], "--device", "cpu", "--quiet"]
    run[run.index("--batch") + 1] = run[run.index("--batch-gpu") + 1] = "256"
    train(*run, "--kimg", "1.2", "--tick", "0.6", "--snap", "1", "--run-dir", tmp_path / "run")
    before, last = sorted((tmp_path / "run").glob("network-snapshot-*.pt"))
    os.truncate(last, last.stat().st_size // 2)
    start = [*run, "--kimg", "0.2", "--run-dir", tmp_path / "next", "--resume"]
    refused = CliRunner().invoke(main, ["train", *map(str, start), str(last)])
    assert refused.exit_code == 2
    assert f"{last}: not a readable training_loops.snapshot file" in refused.output
    train(*start, before)


# Every perturbation takes place on every rank; a quarter of the batch at a time, as four ranks take it.
EQUAL = [*SMALL, "--batch-gpu", "2", "--kimg", "0.08", "--tick", "0.04"]
EQUAL += ["--link", "eyes=4@eyes", "--link-weight", "0", "--link-batch", "1"]


@pytest.fixture(scope="module")
def alone(data: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of ten steps by one process."""
    run = tmp_path_factory.mktemp("alone") / "run"
    train(*data, *EQUAL, "--run-dir", run)
    return run


def test_four_processes_give_what_one_gives(data: list[str], alone: Path, tmp_path: Path) -> None:
    assert train_together(*data, *EQUAL, "--run-dir", tmp_path / "four", launcher=FOUR).count("wrote ") == 1
    assert_close(alone, tmp_path / "four")


def test_two_machines_give_what_one_process_gives(data: list[str], alone: Path, tmp_path: Path) -> None:
    port = free_port()
    launcher = ["-m", "torch.distributed.run", "--nnodes=2", "--nproc_per_node=1", "--local-addr=localhost"]
    launcher += ["--rdzv-backend=c10d", f"--rdzv-endpoint=localhost:{port}", "--rdzv-id=a-test"]
    command = [*launcher, "-m", "linkgan_plugin", "train", *data, *EQUAL, "--run-dir", tmp_path / "run"]
    with ThreadPoolExecutor(2) as machines:
        outputs = list(machines.map(lambda _: python(*command), range(2)))
    assert [done.returncode for done in outputs] == [0, 0], [done.stderr for done in outputs]
    # LOCAL_RANK is 0 on both machines, but RANK on one: it alone writes.
    assert sorted("wrote " in done.stdout for done in outputs) == [False, True]
    assert_close(alone, tmp_path / "run")


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("localhost", 0))
        return int(server.getsockname()[1])


def assert_close(alone: Path, together: Path) -> None:
    """Check that two runs of ten steps end with the same weights and statistics up to rounding."""
    one, several = tensors(alone), tensors(together)
    weights = [key for key in one if key.startswith("/networks/")]
    # Ten steps of Adam move a weight by up to 0.03; rounding was seen to move it by 2e-6.
    assert len(weights) > 60
    for key in weights:
        torch.testing.assert_close(
            several[key], one[key], rtol=1e-4, atol=1e-4, msg=lambda text, key=key: f"{key}: {text}"
        )
    for a, b in zip(_statistics(alone), _statistics(together), strict=True):
        assert a.keys() == b.keys()
        for name in ("Loss/G/loss", "Loss/D/loss", "Loss/scores/real"):
            assert a[name]["num"] == b[name]["num"]
            assert a[name]["mean"] == pytest.approx(b[name]["mean"], rel=1e-4)


def _statistics(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]


def test_a_killed_rank_ends_all_and_the_run_continues_bit_for_bit(data: list[str], tmp_path: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    train_together(*data, *RUN, *LINKED, "--run-dir", whole)
    killed = python(*TORCHRUN, FAILING, 1, 6, *data, *RUN, *LINKED, "--run-dir", run)
    assert killed.returncode != 0, "torchrun ends when all ranks have ended"
    assert re.search(r"exitcode +: -9 ", killed.stderr), killed.stderr
    assert leaves(run)["/progress/step"] == 5
    train_together("--continue", run, "--quiet", "--device", "cpu")
    assert_same_end(whole, run)
    state = leaves(run)
    phases = [path.rpartition("/")[2] for path in state if path.startswith("/ranks/0/loss/steps/")]
    assert {"Gmain", "Greg", "Dmain", "Dreg"} == set(phases)
    for phase in phases:
        assert state[f"/ranks/0/loss/steps/{phase}"] == state[f"/ranks/1/loss/steps/{phase}"]
    assert state["/ranks/0/loss/seed"] != state["/ranks/1/loss/seed"], "each rank moves other axes"
    assert not torch.equal(state["/ranks/0/loss/base/pl_mean"], state["/ranks/1/loss/base/pl_mean"])


def test_a_rank_that_fails_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    place = processes.Place(1, 2, torch.device("cpu"))
    with pytest.raises(RuntimeError), failures_named(place):
        raise RuntimeError("the disk of this rank burns")
    assert "rank 1 of 2 failed: RuntimeError: the disk of this rank burns" in capsys.readouterr().err


JOINED = """
import os
import torch
from training_loops.processes import joined

with joined("cpu") as place:
    weight = torch.nn.Parameter(torch.ones(3))
    weight.sum().backward()
    torch.distributed.all_reduce(weight.grad)
    torch.optim.Adam([weight]).step()  # imports much of torch, while there is a process group
threads = [open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")]
print(f"rank {place.rank} has left, with threads of Gloo: {[name for name in threads if 'gloo' in name]}", flush=True)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads have names on Linux")
def test_no_thread_of_the_group_outlives_it_and_aborts_the_process(tmp_path: Path) -> None:
    script = tmp_path / "joined.py"
    script.write_text(JOINED)
    done = python(*TORCHRUN, script)
    assert done.returncode == 0, done.stderr
    assert sorted(re.findall(r"rank \d has left, with threads of Gloo: \[\]", done.stdout)) == [
        f"rank {rank} has left, with threads of Gloo: []" for rank in range(2)
    ]


def test_a_run_of_two_is_not_continued_by_one(data: list[str], tmp_path: Path) -> None:
    options = json.loads(CliRunner().invoke(main, ["train", *data, *RUN, "--dry-run"]).output)
    (tmp_path / "training_options.json").write_text(json.dumps({**options, "num_gpus": 2}))
    result = CliRunner().invoke(main, ["train", "--continue", str(tmp_path), "--device", "cpu"])
    assert result.exit_code == 2
    assert "start with torchrun --nproc_per_node=2" in result.output


def test_networks_that_come_apart_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = [torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)]
    ranks[1].load_state_dict(ranks[0].state_dict())
    gathered: list[Any] = []

    def collect(own: Any, num_gpus: int) -> list[Any]:
        gathered.append(own)
        return gathered if len(gathered) == num_gpus else [own] * num_gpus

    monkeypatch.setattr(processes, "gathered", collect)
    maintenance.check_alike({"G": ranks[0]}, 2)
    ranks[1].bias.data[0] += 1e-6
    with pytest.raises(RuntimeError, match=r"ranks 0 and 1 differ in 1 tensors: G\.bias"):
        maintenance.check_alike({"G": ranks[1]}, 2)


def launched(monkeypatch: pytest.MonkeyPatch, gpus: int, **environment: int | str) -> None:
    """Let this process be one of several on a machine with `gpus`."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    for name, value in {"MASTER_ADDR": "localhost", **environment}.items():
        monkeypatch.setenv(name, str(value))


@pytest.mark.parametrize(("device", "message"), [("cuda:0", "cannot share it"), ("cuda", "no GPU for process")])
def test_processes_get_a_device_each_or_are_told(device: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    launched(monkeypatch, gpus=1, RANK=1, WORLD_SIZE=2, LOCAL_RANK=1)
    with pytest.raises(OptionError, match=message), processes.joined(device):
        pass


def test_the_number_on_its_machine_chooses_a_processs_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    launched(monkeypatch, gpus=4, RANK=6, WORLD_SIZE=8, LOCAL_RANK=2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    chosen: list[object] = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    for name in ("init_process_group", "barrier", "destroy_process_group"):
        monkeypatch.setattr(torch.distributed, name, lambda *backend: chosen.extend(backend))
    with processes.joined() as place:
        assert (place.rank, place.count, place.device) == (6, 8, torch.device("cuda:2"))
    assert chosen == [torch.device("cuda:2"), "nccl"]
    assert processes.default_device(processes.local_rank(place.rank)) == torch.device("cuda:2")


def test_a_batch_that_four_processes_cannot_share_is_refused(data: list[str], tmp_path: Path) -> None:
    request = TrainingRequest(cfg="tiny", data=Path(data[1]), batch=10, gpus=4)
    with pytest.raises(OptionError, match=r"batch_size=10: expected a multiple of num_gpus=4 times batch_gpu=2"):
        build_options(request).check()


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("gpu", "device='gpu': expected cpu, cuda"),
        ("cuda:99", r"device='cuda:99': this machine has \d+ GPU\(s\); try --device cpu"),
    ],
)
def test_a_device_that_is_not_there_is_named(device: str, message: str) -> None:
    with pytest.raises(OptionError, match=message), processes.joined(device):
        pass
