"""Presets for aligned faces: places, sides and that they can be linked together."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from linkgan_plugin.links import LinkSpec, parse_region
from linkgan_plugin.regions.base import FINE
from linkgan_plugin.regions.presets import PRESETS

NESTED = {"left_eye", "right_eye"}


def centre(name: str) -> tuple[float, float]:
    """Return the centre of mass (x, y) as fractions."""
    coverage = parse_region(name).coverage(FINE, FINE).astype(np.float64)
    at = (np.arange(FINE) + 0.5) / FINE
    return float(coverage.sum(0) @ at / coverage.sum()), float(coverage.sum(1) @ at / coverage.sum())


def test_all_presets_but_the_single_eyes_can_be_linked_together():
    names = [name for name in PRESETS if name not in NESTED]
    spec = LinkSpec.parse([f"{name}=auto@{name}" for name in names], dim=512)
    assert spec.names == tuple(names)


def test_the_single_eyes_can_be_linked_with_everything_but_the_pair():
    names = [name for name in PRESETS if name != "eyes"]
    assert len(LinkSpec.parse([f"{name}=4@{name}" for name in names], dim=64).links) == len(names)


def test_sides_are_the_viewers_and_mirror_images():
    for part in ("eye", "cheek"):
        left, right = parse_region(f"left_{part}"), parse_region(f"right_{part}")
        assert centre(f"left_{part}")[0] < 0.45
        np.testing.assert_allclose(left.coverage(64, 64)[:, ::-1], right.coverage(64, 64), atol=1e-6)


def test_parts_lie_in_the_order_of_a_face():
    order = ["hair_top", "forehead", "eyebrows", "eyes", "nose", "mouth", "chin"]
    heights = [centre(name)[1] for name in order]
    assert heights == sorted(heights)
    assert all(centre(name)[0] == pytest.approx(0.5, abs=1e-3) for name in order)


def test_the_pair_of_eyes_holds_both():
    pair = parse_region("eyes").coverage(128, 128)
    for side in NESTED:
        assert (pair >= parse_region(side).coverage(128, 128) - 1e-6).all()
    assert not any(parse_region(a) == parse_region(b) for a, b in combinations(PRESETS, 2))
