"""What a person does with the page on which regions are drawn, and sees on it."""

from __future__ import annotations

from typing import Any

from selenium.webdriver import ActionChains, Keys

from tests.web.browser.browsing import Page, Served

Place = tuple[float, float]


class DrawPage(Page):
    """A page on which places are fractions of the large image, and drawing snaps to its 32 pixels."""

    def ready(self) -> DrawPage:
        self.wait("document.querySelectorAll('#samples .sample').length === 9")
        self.wait("document.querySelector('#image canvas').width === 32")
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


def opened(driver: Any, served: Served) -> DrawPage:
    driver.get("about:blank")
    driver.get_log("browser")
    page = DrawPage(driver).open(served.address)
    driver.execute_script("sessionStorage.clear()")
    driver.refresh()
    return page.ready()
