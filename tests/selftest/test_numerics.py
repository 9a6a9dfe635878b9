"""The comparison with float64: the same random numbers everywhere, and a network that is wrong is found."""

from __future__ import annotations

import time

import pytest
import torch

from linkgan_plugin.selftest import numerics
from linkgan_plugin.selftest.context import Context
from linkgan_plugin.selftest.drawn_here import DrawnHere
from linkgan_plugin.selftest.families import FAMILIES
from linkgan_plugin.selftest.rows import FAILED, OK, SKIPPED, Row

CPU = torch.device("cpu")


def draws(dtype: torch.dtype) -> list[torch.Tensor]:
    own = torch.Generator().manual_seed(torch.initial_seed() % 2**31)
    like = torch.empty([2, 3], dtype=dtype)
    return [
        torch.rand([4], dtype=dtype),
        torch.randn(2, 2, dtype=dtype, generator=own),
        torch.rand_like(like),
        torch.randn_like(like),
        torch.randint(1, 9, [5], generator=own),
        torch.randperm(6),
    ]


def test_random_numbers_depend_on_the_seed_alone() -> None:
    with DrawnHere(3):
        single = draws(torch.float32)
    torch.manual_seed(99)
    with DrawnHere(3):
        double = draws(torch.float64)
    with DrawnHere(4):
        others = draws(torch.float32)
    for one, two, other in zip(single, double, others, strict=True):
        assert torch.equal(one.double(), two.double())
        assert not torch.equal(one, other)
    assert [value.dtype for value in double[:4]] == [torch.float64] * 4
    assert single[4].dtype == torch.int64


def test_the_worst_tensor_is_named() -> None:
    reference = {"large": torch.tensor([30.0, 40.0]), "small": torch.tensor([0.003, 0.004]), "alone": torch.tensor(1.0)}
    off = {"large": torch.tensor([30.0, 40.5]), "small": torch.tensor([0.003, 0.504]), "alone": torch.tensor(1.5)}
    error, name = numerics.worst(off, reference)
    # The largest norm is 50. A tensor below a tenth of it is compared to 5, a scalar to 50.
    assert (error, name) == (pytest.approx(0.5 / 5), "small")
    error, name = numerics.worst({**off, "large": torch.tensor([float("nan"), 40.0])}, reference)
    assert (error, name) == (float("inf"), "large")


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    return {row.name: row for row in numerics.rows(Context(CPU, True, time.monotonic() + 60))}


def test_single_precision_on_the_cpu_is_far_below_its_tolerance(rows: dict[str, Row]) -> None:
    for name in FAMILIES:
        assert 0 < rows[f"{name} fp32, image"].value < numerics.PIXEL["fp32"] / 5
        assert 0 < rows[f"{name} fp32, gradient"].value < numerics.GRADIENT["fp32"] / 5
    for name in ("StyleGAN2", "EG3D"):
        step = rows[f"{name}, step with links fp32, gradient"]
        assert (step.verdict, 0 < step.value < 1e-4) == (OK, True)


def test_bfloat16_is_computed_in_bfloat16(rows: dict[str, Row]) -> None:
    for name in ("StyleGAN2", "EG3D"):
        assert rows[f"{name} bf16, image"].value > 100 * rows[f"{name} fp32, image"].value
        assert rows[f"{name} bf16, image"].verdict == OK


def test_what_a_cpu_does_not_have_is_skipped_with_its_reason(rows: dict[str, Row]) -> None:
    for name in FAMILIES:
        assert rows[f"{name} TF32"].verdict == rows[f"{name} fp16"].verdict == SKIPPED
        assert "compute capability 8.0" in rows[f"{name} TF32"].why
        reason = "single precision" if "float16" in FAMILIES[name].halves else "this family has no float16"
        assert reason in rows[f"{name} fp16"].why
    assert rows["StyleGAN3 bf16"].why == "this family has no bfloat16"


def test_wrong_images_and_gradients_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    image_of = numerics.image_of

    def wrong(generator: torch.nn.Module, *inputs: torch.Tensor) -> torch.Tensor:
        image = image_of(generator, *inputs)
        return image if image.dtype == torch.float64 else image * 1.01

    monkeypatch.setattr(numerics, "image_of", wrong)
    context = Context(CPU, True, time.monotonic() + 60)
    image, gradient = list(numerics._family(context, "x", FAMILIES["StyleGAN2"], 8))[:2]
    assert (image.verdict, gradient.verdict) == (FAILED, FAILED)
    assert "at most 0.02" in image.why
    assert gradient.value == pytest.approx(0.01, rel=0.01)
