"""`make ui` as a person uses it: in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from browsing import browsing, needs_browser
from commandline import Command, until
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

from loadtests.catalog import names
from loadtests.runtime.process import fetch, is_free

UI = "http://127.0.0.1:8089"

pytestmark = needs_browser


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    with browsing(tmp_path / "profile") as browser:
        yield browser


def field(browser: webdriver.Chrome, name: str) -> WebElement:
    """A field of the form, once it is there; what was folded opens slowly."""
    assert until(lambda: browser.find_elements(By.NAME, name), 20), browser.page_source
    element = browser.find_element(By.NAME, name)
    assert until(element.is_displayed, 20)
    return element


def fill(browser: webdriver.Chrome, name: str, text: str) -> None:
    """Write over what is there, which `clear()` does not."""
    element = field(browser, name)
    element.send_keys(Keys.CONTROL, "a")
    element.send_keys(Keys.NULL, text)
    assert element.get_attribute("value") == text


def figure(browser: webdriver.Chrome, title: str) -> float:
    """What stands under `title` at the top of the page, 0 as long as nothing does."""
    lines = browser.find_element(By.TAG_NAME, "header").text.split("\n")
    return float(lines[lines.index(title) + 1]) if title in lines else 0


def connections(command: Command, name: str) -> int:
    """How many connections the service `name` has from outside: not those to the backend."""
    ours = [process for process in command.processes() if process.cwd().endswith(f"/{name}")]
    found = [connection for process in ours for connection in process.net_connections("tcp")]
    ports = {c.laddr.port for c in found if c.status == psutil.CONN_LISTEN}
    return sum(c.status == psutil.CONN_ESTABLISHED and c.laddr.port in ports for c in found)


def times(browser: webdriver.Chrome) -> list[str]:
    """The median, 95th and 99th percentile that the page shows, in ms."""
    rows = [row.text.split() for row in browser.find_elements(By.CSS_SELECTOR, "tbody tr")]
    return next((row[4:7] for row in rows if row[:1] == ["GET"]), [])


def stats() -> dict[str, Any]:
    """What the page shows, as Locust gives it to the page."""
    document: dict[str, Any] = json.loads(fetch(f"{UI}/stats/requests")[1])
    return document


def show_custom_fields(browser: webdriver.Chrome) -> None:
    """Open the parts of the form that are folded."""
    for header in browser.find_elements(By.CSS_SELECTOR, "form [aria-expanded=false]"):
        browser.execute_script("arguments[0].click()", header)


def test_a_person_loads_one_service(browser: webdriver.Chrome, tmp_path: Path) -> None:
    assert until(lambda: is_free(8089), 60), "another web UI is running"
    chosen, *_, last = sorted(names(), key=lambda name: name != "tornado")
    with Command("ui", "--runtime", "local", "--services", f"{last} {chosen}") as command:
        assert command.until_it_says("runtime: ").startswith("runtime: local (")
        command.until_it_says("Locust's web UI: http://127.0.0.1:8089")
        assert until(lambda: not is_free(8089), 30)
        idle = {name: connections(command, name) for name in (last, chosen)}
        browser.get(UI)
        fill(browser, "userCount", "20")
        fill(browser, "spawnRate", "20")
        show_custom_fields(browser)
        service = Select(field(browser, "service"))
        assert [option.get_attribute("value") for option in service.options] == [last, chosen]
        service.select_by_value(chosen)
        fill(browser, "delay", "0.05")
        browser.find_element(By.CSS_SELECTOR, "form button[type=submit]").click()

        assert until(lambda: figure(browser, "RPS") > 0, 30), browser.page_source
        assert until(lambda: figure(browser, "Users") == 20, 20), browser.page_source
        assert connections(command, chosen) == idle[chosen] + 20
        assert connections(command, last) == idle[last]
        shown = stats()
        (row,) = [row for row in shown["stats"] if row["name"] != "Aggregated"]
        assert (row["name"], row["num_failures"], shown["errors"]) == ("/?delay=0.05", 0, [])
        assert row["num_requests"] > 20
        assert row["min_response_time"] >= 50

        assert until(lambda: any(re.fullmatch(r"\d+\.\d", time) for time in times(browser)), 20)

        command.interrupt()
        status, said, _ = command.end(60)
        assert status == 0
        assert said.endswith("stopped\n")
        assert until(lambda: command.processes() == [])
    assert is_free(8089)
