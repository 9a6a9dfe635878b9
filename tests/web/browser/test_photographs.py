"""Photographs given to the page, in a real browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from linkgan_plugin.inversion.settings import InversionSettings
from tests.inversion.test_encoder import encoder_of
from tests.web.browser.browsing import Page, Running

LEFT = slice(0, 6)
FURTHER = "document.querySelector('#projection[open] progress')?.value > 0"  # a closed one keeps what it showed


def photograph(folder: Path, seed: int = 0) -> np.ndarray:
    """Write an image of noise to `{seed}.png`; its pixels are returned, uint8 [16, 16, 3]."""
    pixels = np.random.default_rng(seed).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / f"{seed}.png")
    return pixels


@pytest.fixture
def endless(running: Running) -> Iterator[Any]:
    """The searches for photographs, which do not end by themselves."""
    searches = running.session.photographs
    usual, searches._settings = searches._settings, replace(searches._settings, steps=1_000_000)
    yield searches
    searches._settings = usual


def test_a_photograph_is_found_and_other_files_are_refused_in_a_sentence(page: Page, tmp_path: Path) -> None:
    (tmp_path / "not.png").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    page.find("#file").send_keys(str(tmp_path / "not.png"))
    page.wait("document.querySelector('#alert p').textContent.includes('choose a PNG, JPEG or WebP')")
    page.driver.get_log("browser")  # Chromium logs every answer of 400
    pixels = photograph(tmp_path)
    page.find("#file").send_keys(str(tmp_path / "0.png"))
    page.wait("!document.querySelector('.feature-paste').hidden")
    assert page.find("#alert").is_displayed() is False
    assert np.array_equal(page.pixels(), pixels)
    page.region("left").click()
    page.says("Redrew left")
    assert np.array_equal(page.pixels()[:, 9:], pixels[:, 9:])
    assert not np.array_equal(page.pixels()[:, LEFT], pixels[:, LEFT])


def test_with_an_encoder_it_is_edited_at_once_and_keeps_its_edits_when_it_is_refined(
    page: Page, running: Running, tmp_path: Path
) -> None:
    searches = running.session.photographs
    generator = running.session.generator
    usual = searches._settings, searches._encoder
    searches._settings, searches._encoder = InversionSettings(method="tune", tune=400), encoder_of(generator.generator)
    try:
        pixels = photograph(tmp_path)
        page.find("#file").send_keys(str(tmp_path / "0.png"))
        page.wait("!document.querySelector('.feature-paste').hidden")
        assert page.find("#projection").is_displayed() is False
        page.region("left").click()
        page.wait("document.querySelector('#projection-chip').hidden && !document.querySelector('#undo').disabled")
    finally:
        searches._settings, searches._encoder = usual
    assert np.array_equal(page.pixels()[:, 9:], pixels[:, 9:])
    assert not np.array_equal(page.pixels()[:, LEFT], pixels[:, LEFT])


def test_a_search_that_is_stopped_ends_without_a_word_and_the_next_is_not_stopped_by_it(
    page: Page, endless: Any, tmp_path: Path
) -> None:
    for seed in range(3):
        photograph(tmp_path, seed)
    page.find("#file").send_keys(str(tmp_path / "0.png"))
    page.wait(FURTHER)
    page.find("#projection-cancel").click()
    page.asks_again()
    assert (page.complaint, page.find("#projection").is_displayed()) == ("", False)
    page.find("#file").send_keys(str(tmp_path / "1.png"))
    page.wait(FURTHER)
    page.find("#projection-cancel").click()
    page.find("#file").send_keys(str(tmp_path / "2.png"))  # while the stopped one pauses
    page.wait("document.querySelector('#projection').open")
    page.asks_again()
    assert (page.complaint, page.find("#projection").is_displayed()) == ("", True)
    page.find("#projection-cancel").click()
    page.wait("!document.querySelector('#projection').open")
    started = list(endless._jobs._jobs.values())[-3:]
    deadline = time.monotonic() + 40
    while not all(job.given_up for job in started):  # the server hears of a stop after the page has closed
        assert time.monotonic() < deadline
        time.sleep(0.02)
