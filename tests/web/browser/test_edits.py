"""What clicks, keys, the wheel and drags do to the image, in a real browser."""

from __future__ import annotations

import itertools

import numpy as np
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

from linkgan_plugin.consistent import Consistent
from linkgan_plugin.editing.editor import Editor
from linkgan_plugin.editing.steps import Resample
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.labels import constant_labels
from linkgan_plugin.links import LinkSpec
from tests.training_loops.eg3d.test_networks import small_generator
from tests.web.browser.browsing import Page, Running
from tests.web.conftest import session_of
from tests.web.test_orbit import camera

LEFT, RIGHT = slice(0, 6), slice(10, 16)


def test_a_region_is_outlined_where_the_pointer_is(page):
    outline = page.region("left").find_element("css selector", ".line")
    assert outline.value_of_css_property("opacity") == "0"
    ActionChains(page.driver).move_to_element(page.region("left")).perform()
    page.wait("document.querySelector('#image g.near')?.dataset.region === 'left'")
    assert outline.value_of_css_property("opacity") == "1"
    assert outline.get_attribute("d") == "M0 0L6 0L6 16L0 16Z"
    assert page.find("#image .tag").text == "left"


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
    page.says("Undid the last step")
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
    page.says("Press L to unlock it")
    page.press("a")
    page.says("Redrew all regions that are not locked")
    everything = page.pixels()
    assert np.array_equal(everything[:, RIGHT], redrawn[:, RIGHT])
    assert not np.array_equal(everything[:, LEFT], redrawn[:, LEFT])
    page.press("z", holding=(Keys.CONTROL,))
    page.says("Undid the last step")
    assert np.array_equal(page.pixels(), redrawn)
    page.press("z", holding=(Keys.CONTROL, Keys.SHIFT))
    page.says("Redid the step")
    assert np.array_equal(page.pixels(), everything)


def test_a_slider_moves_its_region_and_one_undo_takes_it_back(page):
    before = page.pixels()
    slider = page.find("#direction-0")
    slider.send_keys(Keys.ARROW_RIGHT * 4)
    page.says("along direction 1")
    page.wait("!document.querySelector('#direction-0').dataset.held && !document.querySelector('#image .busy')")
    assert slider.get_attribute("value") == "0.4"
    assert not np.array_equal(page.pixels()[:, LEFT], before[:, LEFT])
    assert np.array_equal(page.pixels()[:, 6:], before[:, 6:])
    page.find("#undo").click()
    page.says("Undid the last step")
    assert np.array_equal(page.pixels(), before)
    assert float(slider.get_attribute("value")) == 0


def test_a_region_is_taken_over_from_the_other_image(page):
    before, donor = page.pixels(), page.pixels("donor-image")
    page.region("right", "donor-image").click()
    page.says("Copied right")
    assert np.array_equal(page.pixels()[:, RIGHT], donor[:, RIGHT])
    assert np.array_equal(page.pixels()[:, :10], before[:, :10])


def test_before_shows_what_it_was(page):
    before = page.pixels()
    page.region("left").click()
    page.says("Redrew left")
    after = page.pixels()
    page.press("c")
    page.wait("document.getElementById('compare').ariaPressed === 'true'")
    page.wait("!document.querySelector('#image .busy')")
    assert np.array_equal(page.pixels(), before)
    page.press("c")
    page.wait("document.getElementById('compare').ariaPressed === 'false'")
    page.wait("!document.querySelector('#image .busy')")
    assert np.array_equal(page.pixels(), after)


def test_a_double_click_on_a_slider_in_the_middle_is_no_step(page):
    page.region("left").click()
    page.says("Redrew left")
    redrawn = page.pixels()
    ActionChains(page.driver).double_click(page.find("#direction-0")).perform()
    page.find("#undo").click()
    page.says("Undid the last step")
    assert not np.array_equal(page.pixels()[:, LEFT], redrawn[:, LEFT])
    assert page.find("#undo").is_enabled() is False


def test_a_solid_image_is_turned_by_dragging_and_a_drag_is_no_click(driver, tmp_path):
    generator = LinkedGenerator(
        small_generator().requires_grad_(False),
        LinkSpec.parse(["top=0:2@box(0,0,1,0.5)"], dim=5),
        labels=constant_labels(camera(pivot=camera().new_zeros(3))),
    )
    running = Running(session_of(generator, tmp_path))
    try:
        page = Page(driver).open(running.address)
        front = page.pixels()
        ActionChains(driver).click_and_hold(page.region("top")).move_by_offset(60, 0).release().perform()
        page.wait("!document.querySelector('#image .busy')")
        assert not np.array_equal(page.pixels(), front)
        assert page.find("#regions .versions span").text == "1 / 1"
        page.find("[data-turn=home]").click()
        page.wait("!document.querySelector('#image .busy')")
        assert np.array_equal(page.pixels(), front)
        page.region("top").click()
        page.wait("document.querySelector('#regions .versions span').textContent === '2 / 2'")
    finally:
        running.stop()


def test_on_a_phone_nothing_sticks_out(page):
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    )
    try:
        page.wait("document.querySelector('#image .plate').clientWidth <= 344")
        assert page.driver.execute_script("return document.documentElement.scrollWidth") <= 360
        assert page.driver.execute_script("return document.querySelector('#image .plate').clientWidth") >= 300
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_control_has_a_name(page):
    nameless = page.driver.execute_script(
        "return [...document.querySelectorAll('button, input, [role=button], canvas, dialog')].filter((e) => "
        "!(e.ariaLabel || e.textContent.trim() || e.labels?.length || e.hidden || e.hasAttribute('aria-labelledby') "
        "|| e.getAttribute('aria-label'))).map((e) => e.outerHTML)"
    )
    assert nameless == []


def test_a_setting_chooses_donors_that_fit_the_rest(page, running):
    page.find("#consistent option:nth-child(2)").click()
    page.records_requests()
    image = running.session.store.get(page.driver.current_url.rpartition("#")[2])
    before = image.editor.latents
    page.region("left").click()
    page.says("Redrew left")
    (step,) = image.editor.steps
    first = page.sent("steps")
    assert first["consistent"] == 8
    editor = Editor(image.editor.generator, before)
    assert Consistent(8).step(editor, Resample("left", seed=first["seed"], psi=1.0)) == step
    page.driver.refresh()
    page.ready()
    assert page.find("#consistent").get_attribute("value") == "8"
    page.find("#consistent option:nth-child(1)").click()
