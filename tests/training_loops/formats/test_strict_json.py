"""JSON without NaN: what is not finite becomes null."""

from __future__ import annotations

import json
import math

from linkgan_plugin.report.curves import read_stats, series
from linkgan_plugin.runs import last_stat
from training_loops.formats import strict_json
from training_loops.metrics import report_metric


def refused(text):
    raise AssertionError(f"{text} is no JSON")


def test_numbers_that_are_not_finite_become_null():
    data = {"a": [math.nan, 1.5, (math.inf, "x")], "b": {"c": -math.inf, "d": None, "e": True, "f": 2}}
    found = json.loads(strict_json.dumps(data), parse_constant=refused)
    assert found == {"a": [None, 1.5, [None, "x"]], "b": {"c": None, "d": None, "e": True, "f": 2}}


def test_a_metric_line_is_json_whatever_was_measured(tmp_path):
    line = report_metric({"metric": "x", "results": {"x": math.nan}}, tmp_path)
    assert json.loads(line, parse_constant=refused)["results"] == {"x": None}


def test_curves_and_figures_take_null_for_what_was_not_finite(tmp_path):
    records = [
        {"Progress/kimg": {"num": 1, "mean": k}, "Loss": {"num": 1, "mean": m}} for k, m in ((1, 0.5), (2, None))
    ]
    (tmp_path / "stats.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    x, y = series(read_stats(tmp_path), "Loss")
    assert x == [1, 2]
    assert y[0] == 0.5
    assert math.isnan(y[1])
    assert last_stat(tmp_path, "Loss", 7.0) == 0.5
