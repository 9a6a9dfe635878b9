"""Sliders of sets of directions, and drawing a region to find them, in a real browser."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from selenium.webdriver import ActionChains, Keys

from linkgan_plugin.directions.directions import Directions
from linkgan_plugin.web import searches
from tests.directions.planted import StyledGenerator, opened
from tests.web.browser.browsing import Page, Running
from tests.web.conftest import session_of

STYLES = Directions(torch.randn(2, 1, 15, generator=torch.Generator().manual_seed(7)), "s", names=("smile", ""))


@pytest.fixture
def bare(driver, tmp_path, monkeypatch):
    """The page of a network without links, with one set of directions."""
    monkeypatch.setattr(searches, "DEFAULT", "sefa")
    session = session_of(opened(StyledGenerator()), tmp_path / "kept")
    session.sets.add("styles", STYLES)
    running = Running(session)
    driver.get("about:blank")
    driver.get_log("browser")
    made = Page(driver).open(running.address)
    made.wait("document.querySelectorAll('.sets input').length === 2")
    yield made
    wrong = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    running.stop()
    assert wrong == []


def test_sliders_of_a_set_move_the_image_and_follow_undo(bare):
    before = bare.pixels()
    slider = bare.find(".sets input")
    assert slider.get_attribute("aria-label") == "styles, smile"
    slider.send_keys(*[Keys.ARROW_RIGHT] * 12)
    bare.says("Moved the image along direction 1.")
    bare.wait("document.querySelector('.sets output').textContent === '1.2'")
    assert not np.array_equal(bare.pixels(), before)
    bare.find("#undo").click()
    bare.says("Undid the last step")
    bare.driver.execute_script("document.activeElement.blur()")
    while not np.array_equal(bare.pixels(), before):
        bare.find("#undo").click()
        bare.says("Undid the last step")
    bare.wait("document.querySelector('.sets output').textContent === '0.0'")


def test_a_drawn_box_is_searched_and_its_sliders_appear(bare):
    before = bare.pixels()
    bare.find("#search .draw").click()
    canvas = bare.find("#image canvas")
    width, height = canvas.size["width"], canvas.size["height"]
    drag = ActionChains(bare.driver).move_to_element_with_offset(canvas, -width // 4, -height // 4)
    drag.click_and_hold().move_by_offset(width // 2, height // 4).release().perform()
    text = bare.find("#search input").get_property("value")
    corners = [float(number) for number in text.removeprefix("box(").removesuffix(")").split(",")]
    assert corners == pytest.approx([0.25, 0.25, 0.75, 0.5], abs=0.02)
    assert np.array_equal(bare.pixels(), before), "a drag draws, it does not redraw"
    bare.find("#search .find").click()
    bare.wait("document.querySelectorAll('.sets details').length === 2")
    assert bare.find("#search .hint").text == "Found. Move the sliders below."
    assert bare.find(".sets details:last-child summary").text == text
    sliders = bare.driver.find_elements("css selector", ".sets details:last-child input")
    assert len(sliders) == searches.COUNT
    sliders[0].send_keys(*[Keys.ARROW_LEFT] * 5)
    bare.says("Moved the image along direction 1.")
    assert not np.array_equal(bare.pixels(), before)


def test_a_region_that_cannot_be_read_is_said(bare):
    bare.find("#search input").send_keys("box(0,0", Keys.ENTER)
    bare.wait("!document.getElementById('alert').hidden")
    assert "box(0,0" in bare.complaint
    bare.driver.get_log("browser")  # the refused request
