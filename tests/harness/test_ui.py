"""`make ui` as a person uses it: in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from browsing import browsing, needs_browser
from commandline import Command, until
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

from loadtests.runtime.ports import free_port, is_free
from loadtests.runtime.process import fetch

PORT = free_port()
UI = f"http://127.0.0.1:{PORT}"
FIRST, SECOND = "tornado", "flask-threads"

pytestmark = needs_browser


@pytest.fixture(scope="module")
def command() -> Iterator[Command]:
    """`make ui` with two services, which start when they are chosen."""
    services = ("--services", f"{FIRST} {SECOND}")
    with Command("ui", "--runtime", "local", "--port", str(PORT), *services) as command:
        assert command.until_it_says("runtime: ").startswith("runtime: local (")
        command.until_it_says(f"Locust's web UI: {UI}   services side by side: {UI}/live/")
        yield command


@pytest.fixture(scope="module")
def browser(
    command: Command, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[webdriver.Chrome]:
    with browsing(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def field(browser: webdriver.Chrome, name: str) -> WebElement:
    """A field of a form, once it can be seen."""
    assert until(lambda: browser.find_elements(By.NAME, name), 30), browser.page_source
    element = browser.find_element(By.NAME, name)
    assert until(element.is_displayed, 30)
    return element


def fill(browser: webdriver.Chrome, name: str, text: str) -> None:
    """Write over the text of a field, which `clear()` does not."""
    element = field(browser, name)
    element.send_keys(Keys.CONTROL, "a")
    element.send_keys(Keys.NULL, text)
    assert element.get_attribute("value") == text


def press(browser: webdriver.Chrome, text: str) -> None:
    """Press the button with this text, once it can be pressed."""

    def pressed() -> bool:
        buttons = browser.find_elements(By.XPATH, f"//button[normalize-space()='{text}']")
        if not buttons or not buttons[0].is_enabled():
            return False
        buttons[0].click()
        return True

    assert until(pressed, 60), f"no button {text}: {browser.page_source}"


def chosen(browser: webdriver.Chrome) -> list[str]:
    """The services that are selected in Locust's form."""
    options = Select(field(browser, "service")).all_selected_options
    return [str(option.get_attribute("value")) for option in options]


def stats() -> dict[str, Any]:
    """The statistics that Locust sends to its page."""
    document: dict[str, Any] = json.loads(fetch(f"{UI}/stats/requests")[1])
    return document


def requested() -> set[str]:
    """The services in the names of Locust's requests; it keeps that answer for some seconds."""
    return {row["name"].split()[0] for row in stats()["stats"]} - {"Aggregated"}


def loaded() -> list[str]:
    """The services that have load now, as the live page is told."""
    services = json.loads(fetch(f"{UI}/live/figures")[1])["services"]
    return [name for name, one in services.items() if one["loaded"] and one["rps"]]


def shown(browser: webdriver.Chrome, service: str, figure: str) -> str:
    """A figure on a service's card; empty while there is none."""
    path = f"article[data-name='{service}'] [data-figure={figure}]"
    try:
        return next((one.text for one in browser.find_elements(By.CSS_SELECTOR, path)), "")
    except StaleElementReferenceException:
        return ""


def number(browser: webdriver.Chrome, service: str, figure: str) -> float:
    """The number of a figure; -1 while there is none."""
    found = re.match(r"[\d,.]+", shown(browser, service, figure))
    return float(found[0].replace(",", "")) if found else -1


def wait_for_load(browser: webdriver.Chrome, *services: str) -> None:
    """Wait until all of them answer."""
    assert until(lambda: all(number(browser, one, "rps") > 0 for one in services), 120), (
        browser.find_element(By.TAG_NAME, "main").text
    )


def test_locust_s_page_is_ready_to_go(browser: webdriver.Chrome) -> None:
    """The service is in sight and preselected, and the host is its own."""
    browser.get(UI)
    service = Select(field(browser, "service"))
    assert [option.get_attribute("value") for option in service.options] == [FIRST, SECOND]
    assert chosen(browser) == [FIRST]
    first_host = field(browser, "host").get_attribute("value") or ""
    assert re.fullmatch(rf"{FIRST} http://127\.0\.0\.1:\d+", first_host)
    assert "no host attribute" not in browser.page_source
    service.select_by_value(SECOND)
    assert field(browser, "host").get_attribute("value") == f"{FIRST}, {SECOND}"
    service.deselect_all()
    service.select_by_value(SECOND)
    assert str(field(browser, "host").get_attribute("value")).startswith(f"{SECOND} http://")


def test_a_person_loads_one_service(browser: webdriver.Chrome) -> None:
    """Started from Locust's form; its name is in those of the requests, and remembered."""
    fill(browser, "userCount", "20")
    fill(browser, "spawnRate", "20")
    fill(browser, "delay", "0.05")
    host = field(browser, "host").get_attribute("value") or "none"
    browser.find_element(By.CSS_SELECTOR, "form button[type=submit]").click()
    assert until(lambda: stats()["total_rps"] > 0 and stats()["user_count"] == 20, 120), stats()
    found = stats()
    (row,) = [row for row in found["stats"] if row["name"] != "Aggregated"]
    assert (row["name"], row["num_failures"]) == (f"{SECOND} /?delay=0.05", 0)
    assert row["min_response_time"] >= 50
    assert until(lambda: row["name"] in browser.find_element(By.TAG_NAME, "table").text, 30)
    assert until(lambda: host in browser.find_element(By.TAG_NAME, "header").text, 30)
    report = fetch(f"{UI}/stats/report")[1].decode()
    assert row["name"] in report
    assert host in report
    press(browser, "Stop")
    press(browser, "New")
    assert chosen(browser) == [SECOND]
    browser.refresh()
    press(browser, "New")
    assert chosen(browser) == [SECOND]
    assert field(browser, "delay").get_attribute("value") == "0.05"


def test_services_side_by_side(browser: webdriver.Chrome) -> None:
    """From Locust's page to the live page, and there two services at once."""
    browser.get(UI)
    assert until(lambda: browser.find_elements(By.LINK_TEXT, "Services side by side, live"), 30)
    browser.find_element(By.LINK_TEXT, "Services side by side, live").click()
    assert until(lambda: browser.find_elements(By.ID, "cards"), 30)
    first, second, *_ = browser.find_elements(By.NAME, "services")
    Select(first).select_by_visible_text(FIRST)
    Select(second).select_by_visible_text(SECOND)
    fill(browser, "load", "30")
    fill(browser, "delay", "0.3")
    press(browser, "Start")
    wait_for_load(browser, FIRST, SECOND)
    for service in (FIRST, SECOND):
        assert until(lambda one=service: number(browser, one, "users") == 30, 60)
        assert until(lambda one=service: number(browser, one, "share") > 0, 60)
        assert until(lambda one=service: shown(browser, one, "cpu").endswith("%"), 60)
        assert until(lambda one=service: shown(browser, one, "memory").endswith("MiB"), 60)
        assert number(browser, service, "in_flight") > 0
    assert "shows and does not measure" in browser.find_element(By.TAG_NAME, "main").text
    assert until(lambda: requested() == {FIRST, SECOND}, 30)
    assert set(loaded()) == {FIRST, SECOND}
    assert f"{FIRST}, {SECOND}" in fetch(f"{UI}/stats/report")[1].decode()


def test_its_buttons(browser: webdriver.Chrome) -> None:
    """A freeze is seen in the slowest requests, and passes; more users are there soon."""
    slow = set()

    def all_were_slow() -> bool:
        slow.update(one for one in (FIRST, SECOND) if number(browser, one, "p99") >= 800)
        return slow == {FIRST, SECOND}

    for _ in range(3):  # a browser that has no core for five seconds misses it
        press(browser, "Freeze the backend for 1 s")
        if until(all_were_slow, 10):
            break
    assert slow == {FIRST, SECOND}
    for service in (FIRST, SECOND):
        assert until(lambda one=service: 0 < number(browser, one, "p99") < 800, 120)
    press(browser, "Block the loop for 1 s")
    assert until(lambda: "loop blocked" in browser.find_element(By.CSS_SELECTOR, "svg").text, 30)
    Select(field(browser, "fault")).select_by_visible_text("answers 500")
    press(browser, "For 2 s the backend")
    assert until(lambda: "failures just now" in browser.find_element(By.ID, "cards").text, 30)
    assert until(lambda: "failures just now" not in browser.find_element(By.ID, "cards").text, 60)
    press(browser, "100 more users")
    for service in (FIRST, SECOND):
        assert until(lambda one=service: number(browser, one, "users") == 130, 60)
    press(browser, "Stop")
    assert until(lambda: stats()["state"] == "stopped", 60)


def test_it_says_what_is_wrong(browser: webdriver.Chrome) -> None:
    fill(browser, "delay", "soon")
    press(browser, "Start")
    says = browser.find_element(By.ID, "says")
    assert until(lambda: says.text.startswith("the delay must be a number from 0 to 60"), 30)
    assert stats()["state"] == "stopped"


def test_services_in_turn_at_a_rate_until_ctrl_c(
    browser: webdriver.Chrome, command: Command
) -> None:
    """One of the two is loaded; Ctrl-C meanwhile leaves nothing behind."""
    fill(browser, "delay", "0.1")
    fill(browser, "load", "40")
    for text in ("in turn", "requests/s"):
        browser.find_element(By.XPATH, f"//label[normalize-space()='{text}']").click()
    press(browser, "Start")
    assert until(lambda: browser.find_elements(By.XPATH, "//button[.='40 more requests/s']"), 120)
    assert until(lambda: len(loaded()) == 1, 60)
    command.interrupt()
    status, said, _ = command.end(60)
    assert status == 0
    assert said.endswith("stopped\n")
    assert until(lambda: command.processes() == [])
    assert is_free(PORT)
