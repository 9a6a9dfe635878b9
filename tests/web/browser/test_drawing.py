"""What the mouse and the keys draw on the page of regions, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from selenium.webdriver import ActionChains, Keys

from linkgan_plugin.web.drawing import create_drawing_app
from linkgan_plugin.web.samples import DataSamples
from tests.web.browser.browsing import Page, Served
from tests.web.drawing import drawing_of, grey_data

Place = tuple[float, float]


class DrawPage(Page):
    """A page on which places are fractions of the large image, and drawing snaps to its 32 pixels."""

    def ready(self) -> DrawPage:
        self.wait("document.querySelectorAll('#samples .sample').length === 9")
        self.wait("document.querySelector('#picture canvas').width === 32")
        return self

    def pixel(self, place: Place) -> tuple[int, int]:
        left, top, width, height = self.driver.execute_script(
            "const r = document.querySelector('.shapes').getBoundingClientRect();"
            "return [r.left, r.top, r.width, r.height]"
        )
        return round(left + place[0] * width), round(top + place[1] * height)

    def drag(self, start: Place, stop: Place) -> None:
        actions = ActionChains(self.driver, duration=20)
        pointer = actions.w3c_actions.pointer_action
        pointer.move_to_location(*self.pixel(start))
        pointer.pointer_down()
        pointer.move_to_location(*self.pixel(((start[0] + stop[0]) / 2, stop[1])))
        pointer.move_to_location(*self.pixel(stop))
        pointer.pointer_up()
        actions.perform()

    def click(self, place: Place, times: int = 1) -> None:
        actions = ActionChains(self.driver, duration=20)
        pointer = actions.w3c_actions.pointer_action
        pointer.move_to_location(*self.pixel(place))
        for _ in range(times):
            pointer.pointer_down()
            pointer.pointer_up()
        actions.perform()

    def polygon(self, *corners: Place) -> None:
        """Click the corners, the last one twice."""
        self.press("p")
        for corner in corners[:-1]:
            self.click(corner)
        self.click(corners[-1], times=2)

    def typed(self, field: str, text: str, row: int = 0) -> None:
        """Type into a field of a region's row."""
        found = self.driver.find_elements("css selector", f"#regions .{field}")[row]
        found.send_keys(Keys.CONTROL + "a")
        found.send_keys(text + Keys.ENTER)

    def gives(self, option: str) -> None:
        """Wait for the text of the options."""
        self.wait("document.getElementById('option').value === arguments[0] || null", option)

    @property
    def option(self) -> str:
        return self.find("#option").get_attribute("value")

    @property
    def note(self) -> str:
        return self.find("#regions .note").text


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return grey_data(tmp_path_factory.mktemp("data"))


def opened(driver: Any, served: Served) -> DrawPage:
    driver.get("about:blank")
    driver.get_log("browser")
    page = DrawPage(driver).open(served.address)
    driver.execute_script("sessionStorage.clear()")
    driver.refresh()
    return page.ready()


@pytest.fixture(scope="module")
def served(data):
    made = Served(lambda token: create_drawing_app(drawing_of(data), token=token))
    yield made
    made.stop()


@pytest.fixture
def page(driver, served):
    """An empty drawing that snaps to pixels; afterwards, nothing may have been wrong in the browser's eyes."""
    made = opened(driver, served)
    made.press("s")
    yield made
    assert [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_dragged_box_is_the_text_of_its_link(page):
    page.drag((0.25, 0.5), (0.75, 0.625))
    page.gives("--link 'region1=auto@box(0.25,0.5,0.75,0.625)'")
    assert page.note == "6.3 % · 64 px · 4 of 64 axes (0:4)"
    assert page.find("#rest").text == "The rest: 93.8 % · 960 px · 60 of 64 axes (4:64)"
    assert page.complaint == ""


def test_without_snapping_a_box_is_where_the_pointer_was_to_a_thousandth(page):
    page.press("s")
    page.drag((0.2, 0.31), (0.617, 0.5))
    page.wait("document.getElementById('option').value")
    left, top, width, height = page.driver.execute_script(
        "const r = document.querySelector('.shapes').getBoundingClientRect(); return [r.left, r.top, r.width, r.height]"
    )
    ends = [page.pixel((0.2, 0.31)), page.pixel((0.617, 0.5))]
    numbers = [round(share, 3) for x, y in ends for share in ((x - left) / width, (y - top) / height)]
    assert page.option == f"--link 'region1=auto@box({','.join(f'{number:g}' for number in numbers)})'"


def test_a_box_drawn_from_any_corner_and_beyond_the_image_ends_at_its_edge(page):
    page.drag((0.5, 0.5), (0.25, 0.25))
    page.drag((0.75, 0.75), (1.04, 1.04))
    page.gives("--link 'region1=auto@box(0.25,0.25,0.5,0.5)+box(0.75,0.75,1,1)'")


def test_a_polygon_is_closed_by_a_double_click_the_first_corner_or_enter_and_given_up_by_escape(page):
    page.polygon((0.25, 0.25), (0.75, 0.25), (0.5, 0.75))
    text = "polygon(0.25,0.25,0.75,0.25,0.5,0.75)"
    page.gives(f"--link 'region1=auto@{text}'")
    for corner in ((0.125, 0.75), (0.25, 0.875), (0.125, 0.875)):
        page.click(corner)
    page.click((0.125, 0.75))
    text += "+polygon(0.125,0.75,0.25,0.875,0.125,0.875)"
    page.gives(f"--link 'region1=auto@{text}'")
    for corner in ((0.75, 0.75), (0.875, 0.75), (0.5, 0.5), (0.875, 0.875)):
        page.click(corner)
        if corner == (0.5, 0.5):
            page.press(Keys.BACKSPACE)
    page.press(Keys.ENTER)
    text += "+polygon(0.75,0.75,0.875,0.75,0.875,0.875)"
    page.gives(f"--link 'region1=auto@{text}'")
    for corner in ((0.125, 0.125), (0.25, 0.125), (0.125, 0.25)):
        page.click(corner)
    page.press(Keys.ESCAPE)
    assert page.find(".draft").get_attribute("d") == ""
    page.gives(f"--link 'region1=auto@{text}'")


def test_two_corners_are_no_polygon(page):
    page.press("p")
    page.click((0.25, 0.25))
    page.click((0.5, 0.25), times=2)
    page.says("three corners at least")
    assert page.option == ""


def test_mirror_adds_the_shape_of_the_other_side_once(page):
    page.drag((0.125, 0.25), (0.375, 0.5))
    page.find("#mirror").click()
    page.gives("--link 'region1=auto@box(0.125,0.25,0.375,0.5)+box(0.625,0.25,0.875,0.5)'")
    page.press("m")
    page.says("there already")
    page.polygon((0.125, 0.625), (0.25, 0.625), (0.125, 0.75))
    page.press("m")
    page.says("Mirrored in region1")
    page.wait("document.getElementById('option').value.endsWith('+polygon(0.875,0.75,0.75,0.625,0.875,0.625)\\'')")


def test_shapes_are_moved_resized_deleted_and_all_of_it_undone(page):
    page.drag((0.25, 0.25), (0.5, 0.5))
    page.drag((0.375, 0.375), (0.5, 0.625))  # the selected one, by its middle
    moved = "--link 'region1=auto@box(0.375,0.5,0.625,0.75)'"
    page.gives(moved)
    page.drag((0.625, 0.75), (0.875, 0.875))  # by its lower right corner
    resized = "--link 'region1=auto@box(0.375,0.5,0.875,0.875)'"
    page.gives(resized)
    page.press("v")
    page.drag((0.625, 0.625), (1, 0.625))  # no further than the edge
    page.gives("--link 'region1=auto@box(0.5,0.5,1,0.875)'")
    page.press(Keys.DELETE)
    page.gives("")
    for _ in range(2):
        page.press("z", holding=(Keys.CONTROL,))
    page.gives(resized)
    page.find("#undo").click()
    page.gives(moved)
    page.press("z", holding=(Keys.CONTROL, Keys.SHIFT))
    page.gives(resized)


def test_a_corner_of_a_polygon_is_dragged_and_a_new_one_made_between_two(page):
    page.polygon((0.25, 0.25), (0.75, 0.25), (0.75, 0.75))
    page.drag((0.75, 0.75), (0.5, 0.75))
    page.gives("--link 'region1=auto@polygon(0.25,0.25,0.75,0.25,0.5,0.75)'")
    page.drag((0.5, 0.25), (0.5, 0.125))
    page.gives("--link 'region1=auto@polygon(0.25,0.25,0.5,0.125,0.75,0.25,0.5,0.75)'")


def test_regions_have_names_and_axes_and_what_is_wrong_with_them_is_said_in_the_words_of_training(page):
    page.drag((0, 0), (0.5, 0.5))
    page.typed("name", "eyes")
    page.typed("axes", "24")
    page.gives("--link 'eyes=24@box(0,0,0.5,0.5)'")
    assert page.note == "25.0 % · 256 px · 24 of 64 axes (0:24)"
    page.press("n")
    page.press("mouth", Keys.ENTER)
    page.drag((0.5, 0.5), (0.75, 0.75))
    page.gives("--link 'eyes=24@box(0,0,0.5,0.5)' --link 'mouth=auto@box(0.5,0.5,0.75,0.75)'")
    page.typed("name", "2nd", row=1)
    page.wait("document.querySelectorAll('#regions .error')[1].textContent.startsWith(\"invalid link name '2nd'\")")
    assert not page.find("#copy").is_enabled()


def test_an_overlap_is_said_and_can_be_allowed(page):
    page.drag((0, 0), (0.5, 0.5))
    page.press("n")
    page.press(Keys.ESCAPE, Keys.ENTER)
    page.drag((0.75, 0.75), (0.25, 0.25))
    page.wait("document.querySelector('#errors li')")
    assert page.find("#errors").text == (
        "the regions of links 'region1' and 'region2' overlap on 6.2 % of the image (25 % of 'region1'); "
        "move one of them, or allow it with --link-overlap"
    )
    assert len(page.driver.find_elements("css selector", ".shapes .wrong")) == 2
    assert not page.find("#copy").is_enabled()
    page.find("#overlap").click()
    page.wait("!document.querySelector('#errors li')")
    assert page.option.endswith("--link 'region2=auto@box(0.25,0.25,0.75,0.75)' --link-overlap")
    assert page.find("#copy").is_enabled()


def test_copy_puts_the_options_on_the_clipboard(page):
    page.drag((0.25, 0.25), (0.5, 0.5))
    page.gives("--link 'region1=auto@box(0.25,0.25,0.5,0.5)'")
    page.find("#copy").click()
    page.says("Copied the options")
    page.press("n")
    page.press("a", holding=(Keys.CONTROL,))
    page.press("v", holding=(Keys.CONTROL,))
    name = page.driver.find_elements("css selector", "#regions .name")[1]
    assert name.get_attribute("value") == page.option


def test_a_reload_keeps_the_drawing(page, driver):
    page.drag((0.25, 0.25), (0.5, 0.5))
    page.typed("name", "nose")
    drawn = "--link 'nose=auto@box(0.25,0.25,0.5,0.5)'"
    page.gives(drawn)
    driver.refresh()
    page.ready()
    page.gives(drawn)
    assert len(driver.find_elements("css selector", "#samples path")) == 9  # on all of the images


def test_everything_can_be_done_with_keys_alone(page):
    page.press("a")
    page.gives("--link 'region1=auto@box(0.406,0.406,0.594,0.594)'")
    page.press(Keys.ARROW_RIGHT * 3)
    page.press(Keys.ARROW_UP, holding=(Keys.SHIFT,))
    page.gives("--link 'region1=auto@box(0.5,0.094,0.688,0.282)'")
    page.press(Keys.TAB)
    assert page.driver.switch_to.active_element.get_attribute("aria-label") == "top left corner"
    page.press(Keys.ARROW_LEFT * 16)
    page.gives("--link 'region1=auto@box(0,0.094,0.688,0.282)'")
    page.press("p", "a")
    page.wait("document.querySelectorAll('.shapes .handle').length === 6")
    page.press(Keys.TAB, "+")
    page.wait("document.querySelectorAll('.shapes .handle').length === 8")
    page.press(Keys.DELETE)
    page.wait("document.querySelectorAll('.shapes .handle').length === 6")


def test_other_images_are_shown_with_the_regions_on_them(page, data):
    page.drag((0.25, 0.25), (0.5, 0.5))
    assert (page.pixels() == 55).all()
    page.find("#next").click()
    page.says("Image 0")
    assert (page.pixels() == 0).all()
    page.find("#previous").click()
    page.find("#previous").click()
    page.says("Image 11")
    assert (page.pixels() == 110).all()
    page.press("r")
    titles = ["Mean of 12 images", *(f"Image {number}" for number in DataSamples(data).numbers(1))]
    page.wait(
        "[...document.querySelectorAll('.sample')].map((one) => one.title).join() === arguments[0]", ",".join(titles)
    )
    page.wait("document.querySelectorAll('#samples path').length === 9")


def test_all_axes_may_be_linked_and_what_asks_for_more_is_said(page):
    page.drag((0, 0), (0.5, 1))
    page.typed("axes", "64")
    page.wait("document.getElementById('rest').textContent === 'No axes are left for the rest.'")
    page.press("n")
    page.press(Keys.ENTER)
    page.drag((0.5, 0), (0.75, 1))
    page.wait("document.querySelector('#errors li')?.textContent.includes('needs 16 axes in a row')")
    dim = page.find("#dim")
    dim.send_keys(Keys.CONTROL + "a")
    dim.send_keys("128" + Keys.ENTER)
    page.wait("!document.querySelector('#errors li')")
    assert page.driver.find_elements("css selector", "#regions .note")[1].text.endswith("32 of 128 axes (64:96)")


def test_links_of_the_command_line_are_shapes_to_edit_or_stay_text(driver, data):
    links = (
        "eyes=8@box(0.25,0.25,0.5,0.5)+polygon(0.5,0.5,0.75,0.5,0.5,0.75)",
        "both=0:4@box(0,0.75,1,1)&box(0,0,0.5,1)",
    )
    served = Served(lambda token: create_drawing_app(drawing_of(data, *links), token=token))
    try:
        page = opened(driver, served)
        page.gives(f"--link '{links[0]}' --link '{links[1]}'")
        assert page.driver.find_elements("css selector", "#regions .note")[1].text == (
            "12.5 % · 128 px · 4 of 64 axes (0:4) · box(0,0.75,1,1)&box(0,0,0.5,1)"
        )
        page.wait("document.querySelector('.shapes .fixed')?.getAttribute('d') === 'M0 24L16 24L16 32L0 32Z'")
        page.wait("document.querySelectorAll('.sample .fixed').length === 9")
        page.press("s", "v")
        page.drag((0.375, 0.375), (0.375, 0.25))
        page.gives(f"--link '{links[0].replace('0.25,0.25,0.5,0.5', '0.25,0.125,0.5,0.375')}' --link '{links[1]}'")
    finally:
        served.stop()


def test_at_900_pixels_everything_is_beside_the_image_and_on_a_phone_nothing_sticks_out(page):
    page.drag((0.25, 0.25), (0.5, 0.5))
    for width, height in ((900, 700), (360, 740)):
        page.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True},
        )
        try:
            page.wait("document.querySelector('#picture .plate').clientWidth <= arguments[0]", min(width - 16, 560))
            assert page.driver.execute_script("return document.documentElement.scrollWidth") <= width
            assert page.driver.execute_script("return document.querySelector('#picture .plate').clientWidth") >= 256
            if width == 900:
                assert page.driver.execute_script("return document.documentElement.scrollHeight") <= height
        finally:
            page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_control_has_a_name(page):
    page.drag((0.25, 0.25), (0.5, 0.5))
    page.gives("--link 'region1=auto@box(0.25,0.25,0.5,0.5)'")
    nameless = page.driver.execute_script(
        "return [...document.querySelectorAll('button, input, textarea, [role=button], canvas, dialog')].filter((e) => "
        "!(e.ariaLabel || e.textContent.trim() || e.labels?.length || e.closest('[aria-hidden]') || "
        "e.hasAttribute('aria-labelledby') || e.getAttribute('aria-label'))).map((e) => e.outerHTML)"
    )
    assert nameless == []
