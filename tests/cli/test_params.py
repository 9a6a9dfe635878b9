"""What commands share: seeds, finite numbers, and the command line as it was typed."""

from __future__ import annotations

import sys

import click
import pytest

from linkgan_plugin.cli.params import MOST_SEEDS, SEEDS, FiniteRange, command_line, typed_flags


@pytest.mark.parametrize("program", ["/usr/bin/linkgan", "/site/linkgan_plugin/__main__.py"])
def test_the_recorded_command_can_be_typed_however_it_was_started(program, monkeypatch):
    monkeypatch.setattr(sys, "argv", [program, "edit", "a b.pt"])
    assert command_line() == "linkgan edit 'a b.pt'"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0-99999999999", f"more than {MOST_SEEDS} seeds"),
        (f"5,1-{MOST_SEEDS}", f"more than {MOST_SEEDS} seeds"),
        ("1" * 5000, "expected e.g. 0-7"),
    ],
)
def test_seeds_beyond_reason_are_refused(text, message):
    with pytest.raises(click.BadParameter, match=message):
        SEEDS.convert(text, None, None)


def test_as_many_seeds_as_allowed_are_read():
    assert len(SEEDS.convert(f"5,2-{MOST_SEEDS}", None, None)) == MOST_SEEDS


@pytest.mark.parametrize("text", ["nan", "inf", "1e400"])
def test_a_finite_number_is_neither_nan_nor_inf(text):
    with pytest.raises(click.BadParameter, match="not a finite number"):
        FiniteRange(0).convert(text, None, None)


def test_what_was_typed_is_told_by_its_own_flag():
    @click.command()
    @click.argument("file")
    @click.option("--link", "links", multiple=True)
    @click.option("--noise/--no-noise", default=True)
    @click.option("--seed", default=0)
    def command(**values):
        return typed_flags()

    found = command.main(["a.pt", "--no-noise", "--link", "x"], standalone_mode=False)
    assert found == {"file": "file", "links": "--link", "noise": "--no-noise"}
