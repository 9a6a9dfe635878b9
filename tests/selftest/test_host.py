"""A host's operations and its own step, in child processes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from linkgan_plugin.hosts.doctor import CustomOps
from linkgan_plugin.selftest import host
from linkgan_plugin.selftest.context import Context
from linkgan_plugin.selftest.rows import FAILED, OK, SKIPPED, WARN
from tests.hosts.kinds import MINIATURES, copy_tree

OPERATION = """
import torch


def _init():
    {init}


def bias_act(x, b, act, impl):
    assert act == "lrelu"
    y = torch.nn.functional.leaky_relu(x + b[:, None, None], 0.2)
    return y * {factor} if impl == "cuda" else y
"""


def context(folder: Path | None) -> Context:
    return Context(torch.device("cpu"), True, time.monotonic() + 120, folder)


def tree(folder: Path, init: str = "return True", factor: float = 1.0) -> Path:
    """Write a host that has one operation and nothing else."""
    ops = folder / "torch_utils" / "ops"
    ops.mkdir(parents=True)
    (ops / "bias_act.py").write_text(OPERATION.format(init=init, factor=factor))
    return folder


def test_an_operation_that_compiles_is_compared_with_plain_pytorch(tmp_path: Path) -> None:
    compiles, gain = host.operation(context(None), tree(tmp_path / "good"), "bias_act")
    assert (compiles.name, compiles.value, compiles.verdict) == ("bias_act compiles", "yes", OK)
    assert (gain.unit, gain.verdict) == ("times", OK)
    assert gain.value > 0


@pytest.mark.parametrize(
    ("init", "reason"),
    [
        ("raise RuntimeError('Error building extension')", "RuntimeError: Error building extension"),
        (
            "import warnings; warnings.warn('Failed to build\\n\\nOSError: no nvcc'); return False",
            "bias_act was not compiled (OSError: no nvcc); the host falls back to plain PyTorch",
        ),
    ],
)
def test_an_operation_that_does_not_compile_says_why(init: str, reason: str, tmp_path: Path) -> None:
    (row,) = host.operation(context(None), tree(tmp_path, init), "bias_act")
    assert (row.verdict, row.why) == (FAILED, reason)


def test_operations_that_need_a_gpu_or_tools_are_not_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without = CustomOps(("bias_act",), None, (), True, "torch is built without CUDA")
    (row,) = host._operations(context(None), tmp_path, without)
    assert (row.verdict, row.why) == (SKIPPED, "torch is built without CUDA")
    on_gpu = Context(torch.device("cuda"), True, time.monotonic() + 60)
    for falls_back, verdict in ((True, WARN), (False, FAILED)):
        lacking = CustomOps(("bias_act",), "a GPU", ("nvcc",), falls_back, "nvcc not found")
        (row,) = host._operations(on_gpu, tmp_path, lacking)
        assert (row.verdict, row.why) == (verdict, "nvcc not found")


def test_links_are_timed_in_the_hosts_own_training(tmp_path: Path) -> None:
    kind = next(kind for kind in MINIATURES if kind.name == "mini-stylegan3-stylegan2")
    rows = list(host.rows(context(copy_tree(kind, tmp_path / "host"))))
    assert [row.verdict for row in rows] == [OK, SKIPPED, OK, OK], rows
    assert rows[0].value == "stylegan3"
    assert rows[1].why == "this host has none"
    assert rows[2].name == "32 px, batch 4, gradients of a step without links"
    assert rows[2].value > 0
    assert rows[3].value > 0


def test_without_a_host_the_section_is_skipped_and_says_how_to_run_it() -> None:
    (row,) = host.rows(context(None))
    assert row.verdict == SKIPPED
    assert "--host DIR" in row.why
