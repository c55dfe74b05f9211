"""A browser for the tests of pages, where Chromium and its driver are installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
DRIVER = shutil.which("chromedriver")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,1000",
)

needs_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="Chromium and its driver are not both installed"
)


@contextmanager
def browsing(folder: Path, *options: str) -> Iterator[webdriver.Chrome]:
    """A browser with a profile of its own, in `folder`."""
    given = webdriver.ChromeOptions()
    given.binary_location = str(CHROMIUM)
    for option in (*OPTIONS, *options, f"--user-data-dir={folder}"):
        given.add_argument(option)
    browser = webdriver.Chrome(
        options=given, service=webdriver.ChromeService(executable_path=DRIVER)
    )
    try:
        yield browser
    finally:
        browser.quit()
