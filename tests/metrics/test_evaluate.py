"""Region metrics against generators whose right answers are known, and against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from linkgan_plugin.bench.memory import PeakMemory
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.metrics import estimate
from linkgan_plugin.metrics.evaluate import DONOR_OFFSET, evaluate, shared
from linkgan_plugin.metrics.locality import Locality
from linkgan_plugin.regions.base import Region
from tests.toys import ToyGenerator, linked_weight

SIZE, DIM = 8, 8
SPEC = LinkSpec.parse(["left=0:4@box(0,0,0.5,1)"], dim=DIM)
PIXELS = ["effect_in", "leak_out", "leak_ratio", "leak_in", "effect_out", "locality", "diversity_kept"]


class HalfReader:
    """Reads the mean of the left and of the right half as two attributes."""

    def attributes(self, images):
        return torch.stack([images[..., : SIZE // 2].mean(dim=[1, 2, 3]), images[..., SIZE // 2 :].mean([1, 2, 3])], 1)

    def owned(self, scene, mask):
        left, right = mask[:, 0, 0, 0].mean(), mask[:, 0, 0, -1].mean()
        return np.array([bool(left > 0.2), bool(right > 0.2)])


def linked(spec=SPEC):
    return LinkedGenerator(ToyGenerator(linked_weight([range(4), range(4, 8)], SIZE, DIM), SIZE, noise=1.0), spec)


def entangled(spec=SPEC):
    weight = torch.randn(SIZE * SIZE, DIM, generator=torch.Generator().manual_seed(1))
    return LinkedGenerator(ToyGenerator(weight, SIZE), spec)


@pytest.mark.parametrize("links", [["left=0:4@box(0,0,0.5,1)"], ["a=0:2@box(0,0,0.5,1)", "b=2:4@box(0.5,0,1,1)"]])
def test_the_memory_of_an_evaluation_does_not_grow_with_the_number_of_pairs(links):
    side, memory = 64, PeakMemory(torch.device("cpu"))
    weight = torch.randn(side * side, DIM, generator=torch.Generator().manual_seed(1))
    generator = LinkedGenerator(ToyGenerator(weight, side), LinkSpec.parse(links, dim=DIM))
    peaks = []
    for pairs in (4, 4, 32):  # the first makes what is cached
        memory.start()
        evaluate(generator, pairs=pairs, batch=4, metrics=PIXELS)
        peaks.append(memory.stop())
    image = 4 * side * side
    assert abs(peaks[2] - peaks[1]) < image


def test_a_perfectly_linked_generator_scores_perfectly():
    values = evaluate(linked(), pairs=400, batch=64, classifier=HalfReader())["left"].values()
    assert (values["leak_out"], values["leak_in"], values["leak_ratio"]) == (0, 0, 0)
    assert (values["locality"], values["diversity_kept"]) == (1, 1)
    assert values["effect_in"] > 0.1
    assert values["transfer"] == pytest.approx(1)
    assert values["rest_keeps"] == pytest.approx(1)
    assert values["other_kept"] == pytest.approx(1)


def test_every_figure_agrees_with_a_brute_force_loop():
    generator, pairs = entangled(), 5
    values = evaluate(generator, pairs=pairs, batch=2, seed=40, metrics=PIXELS)["left"].values()
    sums = dict.fromkeys(["in", "out", "others_in", "others_out", "full_in"], 0.0)
    for seed in range(40, 40 + pairs):
        w, donor = generator.draw([seed])[0, 0].numpy(), generator.draw([seed + DONOR_OFFSET])[0, 0].numpy()
        weight = generator.generator.synthesis.weight.detach().numpy().astype(np.float64)
        images = {}
        for name, axes in (("none", []), ("own", range(4)), ("others", range(4, 8)), ("all", range(8))):
            moved = w.copy()
            moved[list(axes)] = donor[list(axes)]
            images[name] = (weight @ moved).reshape(SIZE, SIZE)
        for y in range(SIZE):
            for x in range(SIZE):
                own, others, full = ((images[k][y, x] - images["none"][y, x]) ** 2 for k in ("own", "others", "all"))
                inside = x < SIZE // 2
                sums["in" if inside else "out"] += own
                sums["others_in" if inside else "others_out"] += others
                sums["full_in"] += full if inside else 0
    count = pairs * SIZE * SIZE / 2
    expected = {
        "effect_in": sums["in"] / count,
        "leak_out": sums["out"] / count,
        "leak_ratio": sums["out"] / sums["in"],
        "leak_in": sums["others_in"] / count,
        "effect_out": sums["others_out"] / count,
        "locality": sums["in"] / (sums["in"] + sums["out"]),
        "diversity_kept": sums["in"] / sums["full_in"],
    }
    assert values == pytest.approx(expected, rel=1e-5)


def test_results_do_not_depend_on_the_batch_size():
    tables = [evaluate(entangled(), pairs=23, batch=batch, classifier=HalfReader())["left"] for batch in (1, 5, 23)]
    for table in tables[1:]:
        for key, value in table.estimates.items():
            assert value.value == pytest.approx(tables[0].estimates[key].value, rel=1e-6), key
            assert value.stderr == pytest.approx(tables[0].estimates[key].stderr, rel=1e-4), key


def test_standard_errors_cover_the_truth():
    """Of 30 independent evaluations, about 95 % lie within two standard errors of a much larger one."""
    truth = evaluate(entangled(), pairs=8000, batch=2000, metrics=["locality", "effect_in"])["left"].values()
    hits = {"locality": 0, "effect_in": 0}
    for trial in range(30):
        table = evaluate(entangled(), pairs=100, batch=100, seed=50_000 + 100 * trial, metrics=list(hits))["left"]
        for key, found in table.estimates.items():
            hits[key] += abs(found.value - truth[key]) < 2 * found.stderr
    assert all(25 <= count <= 30 for count in hits.values()), hits


class SometimesAbsent(Region):
    """The left half, in images whose first pixel is positive; absent from the others."""

    static = False

    def mask(self, scene):
        mask = torch.zeros_like(scene.images[:, :1])
        mask[..., : SIZE // 2] = (scene.images[:, :1, :1, :1] > 0).float()
        return mask

    def __str__(self):
        return "absent()"


def test_images_without_the_region_are_counted_and_skipped():
    from linkgan_plugin.links import Link

    spec = LinkSpec(links=(Link("left", tuple(range(4)), SometimesAbsent()),), dim=DIM)
    result = evaluate(linked(spec), pairs=100, batch=8, classifier=HalfReader())["left"]
    assert 30 < result.skipped < 70
    assert {estimate.n for estimate in result.estimates.values()} == {100 - result.skipped}
    assert result.values()["locality"] == 1


def test_a_region_that_never_appears_gives_no_number_instead_of_nan():
    from linkgan_plugin.links import Link

    class Never(SometimesAbsent):
        def mask(self, scene):
            return torch.zeros_like(scene.images[:, :1])

    spec = LinkSpec(links=(Link("left", tuple(range(4)), Never()),), dim=DIM)
    result = evaluate(linked(spec), pairs=10, classifier=HalfReader())["left"]
    assert result.skipped == 10
    assert set(result.values().values()) == {None}


def test_metrics_that_read_attributes_need_data_with_a_reader():
    assert "transfer" not in evaluate(linked(), pairs=4)["left"].estimates
    with pytest.raises(LinkGANError, match="'transfer' needs attributes"):
        evaluate(linked(), pairs=4, metrics=["transfer"])


def test_an_unknown_metric_is_named_with_the_nearest():
    with pytest.raises(LinkGANError, match="did you mean 'locality'"):
        evaluate(linked(), pairs=4, metrics=["localty"])


def test_ratio_errors_follow_the_delta_method():
    random = np.random.default_rng(0)
    draws = random.normal([4.0, 2.0], [1.0, 0.3], size=(20_000, 50, 2))
    ratios = draws[..., 0].mean(1) / draws[..., 1].mean(1)
    predicted = np.mean([estimate.ratio(d[:, 0], d[:, 1]).stderr for d in draws[:300]])
    assert predicted == pytest.approx(ratios.std(), rel=0.05)


def test_correlation_is_pearsons_averaged_over_columns():
    random = np.random.default_rng(0)
    first = random.normal(size=(500, 2))
    second = first * [1, 0] + random.normal(size=(500, 2))
    found = estimate.correlation(first, second)
    columns = [np.corrcoef(first[:, k], second[:, k])[0, 1] for k in range(2)]
    assert found.value == pytest.approx(np.mean(columns), rel=1e-12)
    assert math.isfinite(found.stderr or math.nan)


def test_an_attribute_that_never_varies_correlates_with_nothing():
    assert estimate.correlation(np.ones([10, 1]), np.arange(10.0)[:, None]).value == 0


def test_processes_that_share_the_pairs_give_the_result_of_one():
    whole = evaluate(entangled(), pairs=23, batch=4, classifier=HalfReader())["left"]
    parts = []
    for rank in range(3):
        evaluate(
            entangled(),
            pairs=23,
            batch=4,
            classifier=HalfReader(),
            share=(rank, 3),
            joined=lambda tally: parts.append(tally) or tally,
        )
    assert [part.pairs for part in parts] == [8, 8, 7]
    first, *others = parts
    for other in others:
        first.join(other)
    assert first.results()["left"] == whole


@pytest.mark.parametrize(
    ("pairs", "batch", "processes"), [(23, 4, 3), (16, 64, 2), (2000, 64, 8), (5, 1, 7), (7, 7, 1)]
)
def test_shares_are_whole_batches_and_all_of_the_pairs(pairs, batch, processes):
    shares = [shared(pairs, batch, (rank, processes)) for rank in range(processes)]
    assert [pair for share in shares for pair in share] == list(range(pairs))
    assert all(share.start % batch == 0 for share in shares if len(share))


def test_a_metric_that_cannot_be_joined_says_what_to_do():
    class Counting(Locality):
        def __init__(self):
            super().__init__()
            self.count = 0

    with pytest.raises(TypeError, match=r"Counting\.count is not a list; override join\(\)"):
        Counting().join(Counting())
