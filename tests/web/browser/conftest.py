"""The page in a real browser: headless Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from linkgan_plugin.editing.example import example_generator
from linkgan_plugin.web.drawing import create_drawing_app
from tests.web.browser.browsing import Page, Running, Served
from tests.web.browser.drawing_page import DrawPage, opened
from tests.web.conftest import session_of
from tests.web.drawing import drawing_of, grey_data

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --window-size=1200,800"
)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if not (CHROMIUM and DRIVER):
        pytest.skip("no chromium and chromedriver here (apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = webdriver.Chrome(options=options, service=Service(DRIVER))  # a given path: nothing is looked for or fetched
    yield made
    made.quit()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    made = Running(session_of(example_generator(), tmp_path_factory.mktemp("kept")))
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


@pytest.fixture(scope="module")
def grey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of twelve grey images of 32 pixels."""
    return grey_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def drawing(grey: Path) -> Iterator[Served]:
    made = Served(lambda token: create_drawing_app(drawing_of(grey), token=token))
    yield made
    made.stop()


@pytest.fixture
def board(driver: Any, drawing: Served) -> Iterator[DrawPage]:
    """An empty drawing that snaps to pixels; afterwards, nothing may have been wrong in the browser's eyes."""
    made = opened(driver, drawing)
    made.press("s")
    yield made
    assert [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []
