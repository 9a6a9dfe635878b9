"""The page in a real browser: real clicks, keys, wheel and files, in headless Chromium."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from linkgan_plugin.editing.example import example_generator
from linkgan_plugin.editing.web.server import shown
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.labels import constant_labels
from linkgan_plugin.links import LinkSpec
from tests.editing.web.conftest import studio_of
from tests.editing.web.test_orbit import camera
from tests.training_loops.eg3d.test_networks import small_generator

pytest.importorskip("selenium", reason="selenium is not installed (pip install '.[dev]')")
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

from tests.editing.web.browsing import Page, Running

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --window-size=1200,800"
)
LEFT, MIDDLE, RIGHT = slice(0, 6), slice(7, 9), slice(10, 16)

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium and chromedriver here (apt-get install chromium chromium-driver)"
)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = webdriver.Chrome(options=options, service=Service(DRIVER))  # a given path: nothing is looked for or fetched
    yield made
    made.quit()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    made = Running(studio_of(example_generator(), tmp_path_factory.mktemp("kept")))
    yield made
    made.stop()


@pytest.fixture
def page(driver: Any, running: Running) -> Iterator[Page]:
    """The page with a new image; afterwards, nothing may have been wrong in the browser's eyes."""
    driver.get("about:blank")
    driver.get_log("browser")
    made = Page(driver).open(running.address)
    made.says("This is the image of seed")
    yield made
    wrong = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert wrong == []


def test_a_region_is_outlined_where_the_pointer_is(page):
    outline = page.region("left").find_element("css selector", ".line")
    assert outline.value_of_css_property("opacity") == "0"
    ActionChains(page.driver).move_to_element(page.region("left")).perform()
    page.wait("document.querySelector('#picture g.near')?.dataset.region === 'left'")
    assert outline.value_of_css_property("opacity") == "1"
    assert outline.get_attribute("d") == "M0 0L6 0L6 16L0 16Z"
    assert page.find("#picture .tag").text == "left"


def test_clicks_redraw_the_region_and_the_wheel_brings_back_what_it_was(page):
    shown = [page.pixels()]
    for count in (2, 3):
        page.region("left").click()
        page.wait(
            "document.querySelector('#regions .versions span').textContent === arguments[0]", f"{count} / {count}"
        )
        shown.append(page.pixels())
    assert all(np.array_equal(later[:, 6:], shown[0][:, 6:]) for later in shown)
    assert not any(np.array_equal(a[:, LEFT], b[:, LEFT]) for a, b in itertools.pairwise(shown))
    origin = ScrollOrigin.from_element(page.region("left"))
    ActionChains(page.driver).scroll_from_origin(origin, 0, -100).perform()
    page.says("Version 2 of 3")
    assert np.array_equal(page.pixels(), shown[1])
    page.find("#undo").click()
    page.says("Took the last step back")
    assert np.array_equal(page.pixels(), shown[2])
    assert page.driver.execute_script("return scrollY") == 0


def test_everything_can_be_done_with_keys_alone(page):
    before = page.pixels()
    page.driver.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
    for _ in range(30):
        page.press(Keys.TAB)
        if page.driver.execute_script("return document.activeElement.dataset.region") == "right":
            break
    focused = page.region("right").find_element("css selector", ".halo")
    assert focused.value_of_css_property("opacity") == "1"
    page.press(Keys.ENTER)
    page.says("Redrew right")
    redrawn = page.pixels()
    assert not np.array_equal(redrawn[:, RIGHT], before[:, RIGHT])
    assert np.array_equal(redrawn[:, :10], before[:, :10])
    page.press("[")
    page.says("Version 1 of 2")
    assert np.array_equal(page.pixels(), before)
    page.press("]")
    page.says("Version 2 of 2")
    page.press("l")
    page.says("Locked: right")
    assert page.region("right").get_attribute("aria-disabled") == "true"
    page.press(Keys.ENTER)
    page.says("L unlocks it")
    page.press("a")
    page.says("Redrew everything that is not locked")
    everything = page.pixels()
    assert np.array_equal(everything[:, RIGHT], redrawn[:, RIGHT])
    assert not np.array_equal(everything[:, LEFT], redrawn[:, LEFT])
    page.press("z", holding=(Keys.CONTROL,))
    page.says("Took the last step back")
    assert np.array_equal(page.pixels(), redrawn)
    page.press("z", holding=(Keys.CONTROL, Keys.SHIFT))
    page.says("Did the step again")
    assert np.array_equal(page.pixels(), everything)


def test_a_slider_moves_its_region_and_one_undo_takes_it_back(page):
    before = page.pixels()
    slider = page.find("#direction-0")
    slider.send_keys(Keys.ARROW_RIGHT * 4)
    page.says("along direction 1")
    page.wait("!document.querySelector('#direction-0').dataset.held && !document.querySelector('#picture .busy')")
    assert slider.get_attribute("value") == "0.4"
    assert not np.array_equal(page.pixels()[:, LEFT], before[:, LEFT])
    assert np.array_equal(page.pixels()[:, 6:], before[:, 6:])
    page.find("#undo").click()
    page.says("Took the last step back")
    assert np.array_equal(page.pixels(), before)
    assert float(slider.get_attribute("value")) == 0


def test_a_region_is_taken_over_from_the_other_image(page):
    before, donor = page.pixels(), page.pixels("donor-picture")
    page.region("right", "donor-picture").click()
    page.says("Took over right")
    assert np.array_equal(page.pixels()[:, RIGHT], donor[:, RIGHT])
    assert np.array_equal(page.pixels()[:, :10], before[:, :10])


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


def test_before_shows_what_it_was(page):
    before = page.pixels()
    page.region("left").click()
    page.says("Redrew left")
    after = page.pixels()
    page.press("c")
    page.wait("document.getElementById('compare').ariaPressed === 'true'")
    page.wait("!document.querySelector('#picture .busy')")
    assert np.array_equal(page.pixels(), before)
    page.press("c")
    page.wait("document.getElementById('compare').ariaPressed === 'false'")
    page.wait("!document.querySelector('#picture .busy')")
    assert np.array_equal(page.pixels(), after)


def test_a_photograph_is_found_and_other_files_are_refused_in_a_sentence(page, tmp_path):
    (tmp_path / "not.png").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    page.find("#file").send_keys(str(tmp_path / "not.png"))
    page.wait("document.querySelector('#alert p').textContent.includes('choose a PNG, JPEG or WebP')")
    page.driver.get_log("browser")  # Chromium logs every answer of 400
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    page.find("#file").send_keys(str(tmp_path / "photo.png"))
    page.wait("!document.querySelector('.feature-paste').hidden")
    assert page.find("#alert").is_displayed() is False
    assert np.array_equal(page.pixels(), pixels)
    page.region("left").click()
    page.says("Redrew left")
    assert np.array_equal(page.pixels()[:, 9:], pixels[:, 9:])
    assert not np.array_equal(page.pixels()[:, LEFT], pixels[:, LEFT])


def photograph(folder, seed=0):
    """A file with a picture of noise."""
    pixels = np.random.default_rng(seed).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / f"{seed}.png")
    return folder / f"{seed}.png"


def asked_again(page):
    """Wait until the page has had time to ask for the photograph of before: it does so every 0.4 seconds."""
    page.driver.execute_async_script("setTimeout(arguments[0], 1200)")


def test_a_search_that_is_stopped_ends_without_a_word_and_the_next_is_not_stopped_by_it(page, running, tmp_path):
    searches = running.studio.photographs
    usual, searches._settings = searches._settings, replace(searches._settings, steps=1_000_000)
    try:
        page.find("#file").send_keys(str(photograph(tmp_path)))
        page.wait("document.querySelector('#projection progress').value > 0")
        page.find("#projection-cancel").click()
        asked_again(page)
        assert (page.complaint, page.find("#projection").is_displayed()) == ("", False)
        page.find("#file").send_keys(str(photograph(tmp_path, 1)))
        page.wait("document.querySelector('#projection progress').value > 0")
        page.find("#projection-cancel").click()
        page.find("#file").send_keys(str(photograph(tmp_path, 2)))  # while the stopped one pauses
        page.wait("document.querySelector('#projection').open")
        asked_again(page)
        assert (page.complaint, page.find("#projection").is_displayed()) == ("", True)
        page.find("#projection-cancel").click()
        page.wait("!document.querySelector('#projection').open")
        assert [search.given_up for search in list(searches._searches.values())[-3:]] == [True, True, True]
    finally:
        searches._settings = usual


def test_the_skip_link_leads_to_the_picture_and_leaves_the_address(page):
    address, link = page.driver.current_url, page.find("#skip")
    page.driver.execute_script("arguments[0].focus()", link)
    page.press(Keys.ENTER)
    assert page.driver.execute_script("return document.activeElement.id") == "picture"
    assert page.driver.current_url == address
    seed = page.find("#seed").get_attribute("value")
    page.driver.refresh()
    assert page.ready().find("#seed").get_attribute("value") == seed


def test_a_double_click_on_a_slider_in_the_middle_is_no_step(page):
    page.region("left").click()
    page.says("Redrew left")
    redrawn = page.pixels()
    ActionChains(page.driver).double_click(page.find("#direction-0")).perform()
    page.find("#undo").click()
    page.says("Took the last step back")
    assert not np.array_equal(page.pixels()[:, LEFT], redrawn[:, LEFT])
    assert page.find("#undo").is_enabled() is False


@pytest.mark.parametrize("psi", [0.123, 1.7])
def test_the_psi_of_the_start_is_used_to_the_digit_until_the_slider_moves(psi, driver, tmp_path):
    generator = example_generator()
    generator.truncation_psi = psi
    running = Running(studio_of(generator, tmp_path))
    try:
        page = Page(driver).open(running.address)
        page.says("This is the image of seed")
        image = running.studio.shelf.get(page.driver.current_url.rpartition("#")[2])
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
    running = Running(studio_of(example_generator(), tmp_path))
    try:
        with shown(running.address):
            page = Page(driver).ready()
        assert driver.current_url.startswith(running.address.partition("#")[0])
        assert len(running.studio.shelf) == 2  # the image and the other one
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
    running = Running(studio_of(example_generator(), tmp_path))
    page = Page(driver).open(running.address)
    page.says("This is the image of seed")
    address = driver.current_url
    page.find("#dice").click()
    page.wait("location.href !== arguments[0] && !document.querySelector('#picture .busy')", address)
    running.stop()
    driver.back()
    page.wait("document.querySelector('#alert p').textContent.includes('Is it still running in the terminal?')")
    uncaught = [entry["message"] for entry in driver.get_log("browser") if "Uncaught" in entry["message"]]
    assert uncaught == []


def test_on_a_phone_nothing_sticks_out(page):
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    )
    try:
        page.wait("document.querySelector('#picture .plate').clientWidth <= 344")
        assert page.driver.execute_script("return document.documentElement.scrollWidth") <= 360
        assert page.driver.execute_script("return document.querySelector('#picture .plate').clientWidth") >= 300
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_control_has_a_name(page):
    nameless = page.driver.execute_script(
        "return [...document.querySelectorAll('button, input, [role=button], canvas, dialog')].filter((e) => "
        "!(e.ariaLabel || e.textContent.trim() || e.labels?.length || e.hidden || e.hasAttribute('aria-labelledby') "
        "|| e.getAttribute('aria-label'))).map((e) => e.outerHTML)"
    )
    assert nameless == []


def test_a_new_start_goes_on_where_the_last_one_was(driver, tmp_path):
    folder = tmp_path / "kept"
    first = Running(studio_of(example_generator(), folder))
    page = Page(driver).open(first.address)
    page.region("left").click()
    page.says("Redrew left")
    shown, image = page.pixels(), page.driver.current_url.rpartition("#")[2]
    first.stop()
    page.find("#redraw-all").click()
    page.wait("document.querySelector('#alert p').textContent.includes('Is it still running in the terminal?')")
    second = Running(studio_of(example_generator(), folder))
    try:
        page.open(f"{second.address}&image={image}")
        assert np.array_equal(page.pixels(), shown)
        assert page.versions("left") == "2 / 2"
    finally:
        second.stop()


def test_a_solid_image_is_turned_by_dragging_and_a_drag_is_no_click(driver, tmp_path):
    generator = LinkedGenerator(
        small_generator().requires_grad_(False),
        LinkSpec.parse(["top=0:2@box(0,0,1,0.5)"], dim=5),
        labels=constant_labels(camera(pivot=camera().new_zeros(3))),
    )
    running = Running(studio_of(generator, tmp_path))
    try:
        page = Page(driver).open(running.address)
        front = page.pixels()
        ActionChains(driver).click_and_hold(page.region("top")).move_by_offset(60, 0).release().perform()
        page.wait("!document.querySelector('#picture .busy')")
        assert not np.array_equal(page.pixels(), front)
        assert page.find("#regions .versions span").text == "1 / 1"
        page.find("[data-turn=home]").click()
        page.wait("!document.querySelector('#picture .busy')")
        assert np.array_equal(page.pixels(), front)
        page.region("top").click()
        page.wait("document.querySelector('#regions .versions span').textContent === '2 / 2'")
    finally:
        running.stop()
