"""A server in a thread, and what a person does with its page and sees on it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import uvicorn
from selenium.webdriver import ActionChains
from starlette.types import ASGIApp

from linkgan_plugin.web.app import create_app
from linkgan_plugin.web.security import new_token
from linkgan_plugin.web.server import address_of, listen
from linkgan_plugin.web.session import EditSession


class Served:
    """An application, made of a token, behind a server in a thread."""

    def __init__(self, app: Callable[[str], ASGIApp]) -> None:
        self.listening, token = listen("127.0.0.1", 0), new_token()
        self.address = address_of(self.listening, "127.0.0.1", token)
        config = uvicorn.Config(app(token), log_level="warning", ws="none")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listening]})
        self.thread.start()

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)
        self.listening.close()


class Running(Served):
    """A session behind a server in a thread."""

    def __init__(self, session: EditSession) -> None:
        self.session = session
        super().__init__(lambda token: create_app(session, token=token))


class Page:
    """What a person does with the page and sees on it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def wait(self, script: str, *arguments: Any) -> Any:
        """Wait until JavaScript gives something."""
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            if found := self.driver.execute_script(f"return {script}", *arguments):
                return found
            time.sleep(0.02)
        raise AssertionError(f"it never came to {script}; the page says {self.status!r}")

    def open(self, address: str) -> Page:
        self.driver.get(address)
        return self.ready()

    def ready(self) -> Page:
        self.wait("document.querySelectorAll('#image .outlines g').length")
        self.wait("document.querySelectorAll('#donor-image .outlines g').length")
        self.wait("document.querySelector('#directions input, #find-directions:not([hidden]):not(:disabled)')")
        return self

    def find(self, css: str) -> Any:
        return self.driver.find_element("css selector", css)

    def region(self, name: str, image: str = "image") -> Any:
        return self.find(f"#{image} g[data-region={name}]")

    def press(self, *keys: str, holding: tuple[str, ...] = ()) -> None:
        actions = ActionChains(self.driver)
        for key in holding:
            actions.key_down(key)
        actions.send_keys(*keys)
        for key in holding:
            actions.key_up(key)
        actions.perform()

    def asks_again(self) -> None:
        """Let the time pass in which the page asks again how far a photograph is: it does so every 0.4 seconds."""
        self.driver.execute_async_script("setTimeout(arguments[0], 1200)")

    def says(self, text: str) -> None:
        self.wait("document.getElementById('status').textContent.includes(arguments[0])", text)

    def records_requests(self) -> None:
        """Keep the JSON of every request from here on, until a reload."""
        self.driver.execute_script(
            "const real = fetch; window.sent = [];"
            "window.fetch = (path, options) => (window.sent.push([path, options?.body]), real(path, options));"
        )

    def sent(self, what: str) -> Any:
        """The JSON of the first recorded request whose address ends so."""
        return json.loads(next(body for path, body in self.driver.execute_script("return sent") if path.endswith(what)))

    @property
    def status(self) -> str:
        return self.find("#status").text

    def pixels(self, image: str = "image") -> np.ndarray:
        """What the canvas shows, uint8 [H, W, 3]."""
        width, data = self.driver.execute_script(
            "const c = document.querySelector(`#${arguments[0]} canvas`);"
            "return [c.width, [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]]",
            image,
        )
        return np.array(data, np.uint8).reshape(-1, width, 4)[..., :3]

    @property
    def complaint(self) -> str:
        """The message over the page, "" where there is none."""
        return self.driver.execute_script(
            "const a = document.getElementById('alert'); return a.hidden ? '' : a.querySelector('p').textContent"
        )

    def versions(self, region: str) -> str:
        """Which version of how many the list says that a region is."""
        row = ["left", "right", "rest"].index(region)
        return self.driver.find_elements("css selector", "#regions .versions span")[row].text
