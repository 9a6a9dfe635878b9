"""Addresses, reloads, tabs and new starts of the program, in a real browser."""

from __future__ import annotations

import numpy as np
import pytest
from selenium.webdriver import Keys

from linkgan_plugin.editing.example import example_generator
from linkgan_plugin.web.server import shown
from tests.web.browser.browsing import Page, Running
from tests.web.conftest import session_of


def test_edits_survive_a_reload_and_back_returns_to_the_image_before(page):
    page.region("left").click()
    page.says("Redrew left")
    first, address = page.pixels(), page.driver.current_url
    page.driver.refresh()
    page.ready()
    assert np.array_equal(page.pixels(), first)
    assert page.versions("left") == "2 / 2"
    page.find("#dice").click()
    page.says("This is the image of seed")
    assert page.driver.current_url != address
    page.driver.back()
    page.wait("location.href === arguments[0] && !document.getElementById('undo').disabled", address)
    assert np.array_equal(page.pixels(), first)


def test_two_tabs_have_an_image_each(page, running):
    first, tab = page.pixels(), page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    page.open(running.address.split("#")[0])
    assert not np.array_equal(page.pixels(), first)
    page.region("left").click()
    page.says("Redrew left")
    page.driver.close()
    page.driver.switch_to.window(tab)
    assert np.array_equal(page.pixels(), first)
    assert page.versions("left") == "1 / 1"


def test_the_skip_link_leads_to_the_image_and_leaves_the_address(page):
    address, link = page.driver.current_url, page.find("#skip")
    page.driver.execute_script("arguments[0].focus()", link)
    page.press(Keys.ENTER)
    assert page.driver.execute_script("return document.activeElement.id") == "image"
    assert page.driver.current_url == address
    seed = page.find("#seed").get_attribute("value")
    page.driver.refresh()
    assert page.ready().find("#seed").get_attribute("value") == seed


@pytest.mark.parametrize("psi", [0.123, 1.7])
def test_the_psi_of_the_start_is_used_to_the_digit_until_the_slider_moves(psi, driver, tmp_path):
    generator = example_generator()
    generator.truncation_psi = psi
    running = Running(session_of(generator, tmp_path))
    try:
        page = Page(driver).open(running.address)
        page.says("This is the image of seed")
        image = running.session.store.get(page.driver.current_url.rpartition("#")[2])
        page.region("left").click()
        page.says("Redrew left")
        assert image.source["psi"] == image.editor.steps[-1].psi == psi
        assert page.find("output[for=psi]").text == f"{psi:.2f}"
        page.find("#psi").send_keys(Keys.HOME, Keys.ARROW_RIGHT)
        page.region("right").click()
        page.says("Redrew right")
        assert image.editor.steps[-1].psi == 0.05
        page.driver.refresh()
        page.ready()
        assert page.find("output[for=psi]").text == "0.05"
    finally:
        running.stop()


def test_a_file_leads_to_the_page_with_its_token(driver, tmp_path, monkeypatch):
    monkeypatch.setattr("webbrowser.open", driver.get)
    running = Running(session_of(example_generator(), tmp_path))
    try:
        with shown(running.address):
            page = Page(driver).ready()
        assert driver.current_url.startswith(running.address.partition("#")[0])
        assert len(running.session.store) == 2  # the image and the other one
        page.region("left").click()
        page.says("Redrew left")
    finally:
        running.stop()


def test_a_wrong_token_in_an_address_does_not_lock_out_who_has_the_right_one(page, running):
    page.driver.get("about:blank")
    page.open(running.address.partition("#")[0] + "#token=wrong")
    assert page.complaint == ""
    page.driver.get_log("browser")  # Chromium logs the answer of 401


def test_back_says_that_the_program_has_ended(driver, tmp_path):
    running = Running(session_of(example_generator(), tmp_path))
    page = Page(driver).open(running.address)
    page.says("This is the image of seed")
    address = driver.current_url
    page.find("#dice").click()
    page.wait("location.href !== arguments[0] && !document.querySelector('#image .busy')", address)
    running.stop()
    driver.back()
    page.wait("document.querySelector('#alert p').textContent.includes('Is it still running in the terminal?')")
    uncaught = [entry["message"] for entry in driver.get_log("browser") if "Uncaught" in entry["message"]]
    assert uncaught == []


def test_a_new_start_goes_on_where_the_last_one_was(driver, tmp_path):
    folder = tmp_path / "kept"
    first = Running(session_of(example_generator(), folder))
    page = Page(driver).open(first.address)
    page.region("left").click()
    page.says("Redrew left")
    shown, image = page.pixels(), page.driver.current_url.rpartition("#")[2]
    first.stop()
    page.find("#redraw-all").click()
    page.wait("document.querySelector('#alert p').textContent.includes('Is it still running in the terminal?')")
    second = Running(session_of(example_generator(), folder))
    try:
        page.open(f"{second.address}&image={image}")
        assert np.array_equal(page.pixels(), shown)
        assert page.versions("left") == "2 / 2"
    finally:
        second.stop()
