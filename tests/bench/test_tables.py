"""Markdown tables."""

from __future__ import annotations

from linkgan_plugin.bench.tables import markdown


def test_columns_line_up_and_bars_in_cells_are_escaped():
    assert markdown(["row", "locality"], [["a|b", "0.9"], ["default", "0.95 ± 0.01"]]).splitlines() == [
        "| row     |    locality |",
        "| ------- | ----------: |",
        "| a\\|b    |         0.9 |",
        "| default | 0.95 ± 0.01 |",
    ]
