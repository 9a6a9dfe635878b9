"""Ownership: correlations of readings against loops, and readings of a linear generator with known correlations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.metrics.base import AttributeReadings
from linkgan_plugin.metrics.ownership import CorrelationMetric, OtherKept, RestKeeps, Transfer
from tests.metrics.planted import measured, random_pairs

METRICS: list[type[CorrelationMetric]] = [Transfer, OtherKept, RestKeeps]


def correlation_by_loops(first: np.ndarray, second: np.ndarray) -> float:
    n = len(first)
    x, y = sum(first) / n, sum(second) / n
    xy = sum((a - x) * (b - y) for a, b in zip(first, second, strict=True))
    xx, yy = sum((a - x) ** 2 for a in first), sum((b - y) ** 2 for b in second)
    return xy / math.sqrt(xx * yy)


@pytest.mark.parametrize(("metric", "edited", "source", "attributes"), [
    (Transfer, "linked", "donor", (0, 2)),
    (OtherKept, "linked", "original", (1, 3)),
    (RestKeeps, "others", "original", (0, 2)),
])  # fmt: skip
def test_it_is_the_mean_correlation_over_its_attributes(
    metric: type[CorrelationMetric], edited: str, source: str, attributes: tuple[int, ...]
) -> None:
    batch = random_pairs(30)  # the region owns attributes 0 and 2
    first, second = getattr(batch.readings, edited), getattr(batch.readings, source)
    expected = [correlation_by_loops(first[:, k], second[:, k]) for k in attributes]
    found = measured(metric, batch)
    assert found.value == pytest.approx(sum(expected) / len(expected), rel=1e-12)
    assert found.n == 30


def planted(share: float, noise: float, count: int, seed: int) -> AttributeReadings:
    """Readings where `share` of an edit is the donor's, 1 - share the original's, and the classifier adds noise.

    linked = s donor + (1 - s) original + sigma e, donor' = donor + sigma e', all normal of variance 1, so
        transfer   = s / sqrt((s^2 + (1 - s)^2 + sigma^2) (1 + sigma^2))
        other_kept = (1 - s) / the same.
    """
    random = np.random.default_rng(seed)
    original, donor = random.normal(size=(2, count, 2))
    linked, others = share * donor + (1 - share) * original, (1 - share) * donor + share * original
    read = [values + noise * random.normal(size=values.shape) for values in (original, linked, others, donor)]
    return AttributeReadings(*read, owned=np.array([True, False]))


@pytest.mark.parametrize(("share", "noise"), [(1.0, 0.0), (1.0, 0.5), (0.5, 0.3), (0.0, 0.3)])
def test_edits_that_take_a_share_from_the_donor_correlate_by_the_formula(share: float, noise: float) -> None:
    count = 20_000
    batch = random_pairs(count, size=(1, 1))
    batch = type(batch)(batch.original, batch.donor, batch.linked, batch.others, batch.mask,
                        readings=planted(share, noise, count, 1))  # fmt: skip
    scale = math.sqrt((share**2 + (1 - share) ** 2 + noise**2) * (1 + noise**2))
    for metric, part in ((Transfer, share), (OtherKept, 1 - share), (RestKeeps, share)):
        expected = part / scale
        found = measured(metric, batch)
        error = (1 - expected**2) / math.sqrt(count)  # Fisher's, for normal readings
        assert abs(found.value - expected) <= 4 * error + 1e-12, metric.key
        assert found.stderr == pytest.approx(error, rel=0.05, abs=1e-12), metric.key


@pytest.mark.parametrize("metric", METRICS)
def test_the_scale_of_a_reader_does_not_matter(metric: type[CorrelationMetric]) -> None:
    batch = random_pairs(30)
    reading = batch.readings
    assert reading is not None
    units = AttributeReadings(
        *(9 * getattr(reading, n) - 4 for n in ("original", "linked", "others", "donor")), reading.owned
    )
    other = type(batch)(batch.original, batch.donor, batch.linked, batch.others, batch.mask, units)
    assert measured(metric, other).value == pytest.approx(measured(metric, batch).value, rel=1e-10)


@pytest.mark.parametrize(
    ("owned", "without"), [([False] * 4, {"transfer", "rest_keeps"}), ([True] * 4, {"other_kept"})]
)
def test_a_region_that_owns_nothing_or_everything_leaves_the_rest_unmeasured(
    owned: list[bool], without: set[str]
) -> None:
    batch = random_pairs(30)
    reading = batch.readings
    assert reading is not None
    reading = AttributeReadings(reading.original, reading.linked, reading.others, reading.donor, np.array(owned))
    batch = type(batch)(batch.original, batch.donor, batch.linked, batch.others, batch.mask, reading)
    assert {metric.key for metric in METRICS if measured(metric, batch).value is None} == without


@pytest.mark.parametrize("metric", METRICS)
def test_one_reading_that_is_not_a_number_leaves_no_correlation(metric: type[CorrelationMetric]) -> None:
    batch = random_pairs(30)
    assert batch.readings is not None
    batch.readings.original[3] = batch.readings.donor[3] = np.nan
    assert (measured(metric, batch).value, measured(metric, batch).n) == (None, 30)


@pytest.mark.parametrize("metric", METRICS)
def test_pairs_without_readings_are_refused(metric: type[CorrelationMetric]) -> None:
    batch = random_pairs(3)
    bare = type(batch)(batch.original, batch.donor, batch.linked, batch.others, batch.mask)
    with pytest.raises(LinkGANError, match=f"{metric.key} needs data with an attribute classifier"):
        measured(metric, bare)
