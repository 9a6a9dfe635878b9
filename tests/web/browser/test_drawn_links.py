"""From drawn regions to the options of a command line, in a real browser."""

from __future__ import annotations

from selenium.webdriver import Keys

from linkgan_plugin.web.drawing import create_drawing_app
from linkgan_plugin.web.samples import DataSamples
from tests.web.browser.browsing import Served
from tests.web.browser.drawing_page import opened
from tests.web.drawing import drawing_of


def test_regions_have_names_and_axes_and_what_is_wrong_with_them_is_said_in_the_words_of_training(board):
    board.drag((0, 0), (0.5, 0.5))
    board.typed("name", "eyes")
    board.typed("axes", "24")
    board.gives("--link 'eyes=24@box(0,0,0.5,0.5)'")
    assert board.note == "25.0 % · 256 px · 24 of 64 axes (0:24)"
    board.press("n")
    board.press("mouth", Keys.ENTER)
    board.drag((0.5, 0.5), (0.75, 0.75))
    board.gives("--link 'eyes=24@box(0,0,0.5,0.5)' --link 'mouth=auto@box(0.5,0.5,0.75,0.75)'")
    board.typed("name", "2nd", row=1)
    board.wait("document.querySelectorAll('#regions .error')[1].textContent.startsWith(\"invalid link name '2nd'\")")
    assert not board.find("#copy").is_enabled()


def test_an_overlap_is_said_and_can_be_allowed(board):
    board.drag((0, 0), (0.5, 0.5))
    board.press("n")
    board.press(Keys.ESCAPE, Keys.ENTER)
    board.drag((0.75, 0.75), (0.25, 0.25))
    board.wait("document.querySelector('#errors li')")
    assert board.find("#errors").text == (
        "the regions of links 'region1' and 'region2' overlap on 6.2 % of the image (25 % of 'region1'); "
        "move one of them, or allow it with --link-overlap"
    )
    assert len(board.driver.find_elements("css selector", ".shapes .wrong")) == 2
    assert not board.find("#copy").is_enabled()
    board.find("#overlap").click()
    board.wait("!document.querySelector('#errors li')")
    assert board.option.endswith("--link 'region2=auto@box(0.25,0.25,0.75,0.75)' --link-overlap")
    assert board.find("#copy").is_enabled()


def test_copy_puts_the_options_on_the_clipboard(board):
    board.drag((0.25, 0.25), (0.5, 0.5))
    board.gives("--link 'region1=auto@box(0.25,0.25,0.5,0.5)'")
    board.find("#copy").click()
    board.says("Copied the options")
    board.press("n")
    board.press("a", holding=(Keys.CONTROL,))
    board.press("v", holding=(Keys.CONTROL,))
    name = board.driver.find_elements("css selector", "#regions .name")[1]
    assert name.get_attribute("value") == board.option


def test_a_reload_keeps_the_drawing(board, driver):
    board.drag((0.25, 0.25), (0.5, 0.5))
    board.typed("name", "nose")
    drawn = "--link 'nose=auto@box(0.25,0.25,0.5,0.5)'"
    board.gives(drawn)
    driver.refresh()
    board.ready()
    board.gives(drawn)
    assert len(driver.find_elements("css selector", "#samples path")) == 9  # on all of the images


def test_other_images_are_shown_with_the_regions_on_them(board, grey):
    board.drag((0.25, 0.25), (0.5, 0.5))
    assert (board.pixels() == 55).all()
    board.find("#next").click()
    board.says("Image 0")
    assert (board.pixels() == 0).all()
    board.find("#previous").click()
    board.find("#previous").click()
    board.says("Image 11")
    assert (board.pixels() == 110).all()
    board.press("r")
    titles = ["Mean of 12 images", *(f"Image {number}" for number in DataSamples(grey).numbers(1))]
    board.wait(
        "[...document.querySelectorAll('.sample')].map((one) => one.title).join() === arguments[0]", ",".join(titles)
    )
    board.wait("document.querySelectorAll('#samples path').length === 9")


def test_all_axes_may_be_linked_and_what_asks_for_more_is_said(board):
    board.drag((0, 0), (0.5, 1))
    board.typed("axes", "64")
    board.wait("document.getElementById('rest').textContent === 'No axes are left for the rest.'")
    board.press("n")
    board.press(Keys.ENTER)
    board.drag((0.5, 0), (0.75, 1))
    board.wait("document.querySelector('#errors li')?.textContent.includes('needs 16 axes in a row')")
    dim = board.find("#dim")
    dim.send_keys(Keys.CONTROL + "a")
    dim.send_keys("128" + Keys.ENTER)
    board.wait("!document.querySelector('#errors li')")
    assert board.driver.find_elements("css selector", "#regions .note")[1].text.endswith("32 of 128 axes (64:96)")


def test_links_of_the_command_line_are_shapes_to_edit_or_stay_text(driver, grey):
    links = (
        "eyes=8@box(0.25,0.25,0.5,0.5)+polygon(0.5,0.5,0.75,0.5,0.5,0.75)",
        "both=0:4@box(0,0.75,1,1)&box(0,0,0.5,1)",
    )
    served = Served(lambda token: create_drawing_app(drawing_of(grey, *links), token=token))
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


def test_at_900_pixels_everything_is_beside_the_image_and_on_a_phone_nothing_sticks_out(board):
    board.drag((0.25, 0.25), (0.5, 0.5))
    for width, height in ((900, 700), (360, 740)):
        board.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True},
        )
        try:
            board.wait("document.querySelector('#image .plate').clientWidth <= arguments[0]", min(width - 16, 560))
            assert board.driver.execute_script("return document.documentElement.scrollWidth") <= width
            assert board.driver.execute_script("return document.querySelector('#image .plate').clientWidth") >= 256
            if width == 900:
                assert board.driver.execute_script("return document.documentElement.scrollHeight") <= height
        finally:
            board.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_control_has_a_name(board):
    board.drag((0.25, 0.25), (0.5, 0.5))
    board.gives("--link 'region1=auto@box(0.25,0.25,0.5,0.5)'")
    nameless = board.driver.execute_script(
        "return [...document.querySelectorAll('button, input, textarea, [role=button], canvas, dialog')].filter((e) => "
        "!(e.ariaLabel || e.textContent.trim() || e.labels?.length || e.closest('[aria-hidden]') || "
        "e.hasAttribute('aria-labelledby') || e.getAttribute('aria-label'))).map((e) => e.outerHTML)"
    )
    assert nameless == []
