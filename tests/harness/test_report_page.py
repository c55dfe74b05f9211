"""The report in a real browser: charts that answer, on a phone and on dark paper."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import run_costs
import runs
from browsing import browsing, needs_browser
from pages import build
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from loadtests import record
from loadtests.report.charts import theme

pytestmark = [needs_browser, pytest.mark.xdist_group("test_report_page")]
LIMIT_BYTES = 1_200_000
NOBODY = "--host-resolver-rules=MAP * ~NOTFOUND"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run with a chart of the whole, bars, lines and cells."""
    run = run_costs.run("capacity", "held", services=("sanic", "flask-threads", "scratch-epoll"))
    more = runs.made_up(runs.fifteen(), users=(10, 200), rounds=2, profile="standard")
    for point in more.points:
        point.scenario = f"standard-{point.scenario}"
    run.workloads |= more.workloads
    run.services = more.services | run.services
    run.points += more.points
    run.summary = record.summarise(run.points)
    return build(run, tmp_path_factory.mktemp("page")) / "report.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with browsing(tmp_path_factory.mktemp("profile"), NOBODY) as found:
        yield found


@pytest.fixture
def page(browser: webdriver.Chrome, report: Path) -> webdriver.Chrome:
    """The report as a desktop shows it, its first chart drawn."""
    return shown(browser, report)


def shown(
    browser: webdriver.Chrome, report: Path, width: int = 1280, scheme: str = "light"
) -> webdriver.Chrome:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    paper = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": paper})
    browser.get(report.as_uri())
    drawn(browser, "overview")
    return browser


def drawn(page: webdriver.Chrome, name: str) -> WebElement:
    """The chart of that name, when it is drawn."""
    figure = page.find_element(By.CSS_SELECTOR, f'figure[data-name="{name}"]')
    page.execute_script("arguments[0].scrollIntoView()", figure)
    plot = figure.find_element(By.CSS_SELECTOR, ".plot")
    WebDriverWait(page, 30).until(lambda _: plot.get_attribute("data-drawn"))
    return plot


def words(plot: WebElement) -> set[str]:
    return {text.text for text in plot.find_elements(By.TAG_NAME, "text")}


def choose(page: webdriver.Chrome, field: str, value: str) -> None:
    box = page.find_element(
        By.CSS_SELECTOR, f'#choose input[data-field="{field}"][data-value="{value}"]'
    )
    page.execute_script("arguments[0].click()", box)


def until(page: webdriver.Chrome, plot: WebElement, gone: str) -> None:
    WebDriverWait(page, 30).until(lambda _: gone not in words(plot))


def test_the_page_is_small_loads_nothing_and_complains_of_nothing(
    page: webdriver.Chrome, report: Path
) -> None:
    assert report.stat().st_size < LIMIT_BYTES
    drawn(page, "standard-requests")
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert page.get_log("browser") == []


def test_the_first_chart_is_on_the_first_screen(page: webdriver.Chrome) -> None:
    page.execute_script("scrollTo(0, 0)")
    plot = drawn(page, "overview")
    page.execute_script("scrollTo(0, 0)")
    assert plot.rect["y"] < 500


def test_a_model_a_kind_and_a_service_can_be_hidden(page: webdriver.Chrome) -> None:
    plot = drawn(page, "overview")
    assert {"sanic", "flask-threads", "scratch-epoll"} <= words(plot)
    choose(page, "model", "thread")
    until(page, plot, "flask-threads")
    assert {"sanic", "scratch-epoll"} <= words(plot) and "Threads" not in words(plot)
    rows = page.find_elements(By.CSS_SELECTOR, "table tbody tr")
    hidden = [row for row in rows if row.get_attribute("hidden")]
    assert hidden and all("flask" in (row.get_attribute("textContent") or "") for row in hidden)
    choose(page, "service", "sanic")
    until(page, plot, "sanic")
    page.execute_script("document.getElementById('choose').reset()")
    WebDriverWait(page, 30).until(lambda _: {"sanic", "flask-threads"} <= words(plot))


def test_a_row_says_its_exact_numbers_to_a_pointer(page: webdriver.Chrome) -> None:
    plot = drawn(page, "overview")
    row = plot.find_elements(By.CSS_SELECTOR, ".mark-rect path, .mark-rect rect")[-1]
    ActionChains(page).move_to_element(row).perform()
    tip = page.find_element(By.ID, "tip")
    WebDriverWait(page, 30).until(lambda _: tip.is_displayed())
    assert re.search(r"lowest round\s*[\d,.]+", tip.text)
    assert tip.text.splitlines()[0] in words(plot)


def test_every_heading_has_a_link(page: webdriver.Chrome) -> None:
    headings = page.find_elements(By.CSS_SELECTOR, "main h2, main h3")
    assert len(headings) > 8
    for heading in headings:
        (link,) = heading.find_elements(By.CSS_SELECTOR, "a.anchor")
        assert (link.get_attribute("href") or "").endswith(f"#{heading.get_attribute('id')}")


def test_a_column_sorts_its_table(page: webdriver.Chrome) -> None:
    table = page.find_element(By.CSS_SELECTOR, "table.sorts")
    button = table.find_element(By.CSS_SELECTOR, "thead th:nth-child(3) button")

    def column() -> list[float]:
        cells = table.find_elements(By.CSS_SELECTOR, "tbody tr td:nth-child(3)")
        found = (re.search(r"[\d,.]+", cell.text) for cell in cells)
        return [float(number[0].replace(",", "")) for number in found if number]

    for reverse in (True, False):
        page.execute_script("arguments[0].click()", button)
        assert column() == sorted(column(), reverse=reverse)


def test_what_is_downloaded_is_what_is_shown(page: webdriver.Chrome) -> None:
    plot = drawn(page, "overview")
    page.execute_script(
        "URL.createObjectURL = (blob) => { blob.text().then((text) => { window.saved = text; });"
        " return '#'; }"
    )
    for kind, start in (("csv", "service,model,kind,"), ("svg", "<svg")):
        page.execute_script("window.saved = null")
        button = plot.find_element(By.XPATH, f'..//button[@data-format="{kind}"]')
        page.execute_script("arguments[0].click()", button)
        saved = WebDriverWait(page, 30).until(lambda _: page.execute_script("return window.saved"))
        assert saved.startswith(start) and "flask-threads" in saved


def test_dark_paper_has_its_own_colours(browser: webdriver.Chrome, report: Path) -> None:
    page = shown(browser, report, scheme="dark")
    plot = drawn(page, "standard-requests")
    assert plot.get_attribute("data-drawn") == theme.DARK["paper"]
    drawing = plot.get_attribute("innerHTML") or ""
    assert theme.HUES["coroutine"][1] in drawing and theme.HUES["coroutine"][0] not in drawing


def test_nothing_is_wider_than_a_phone(browser: webdriver.Chrome, report: Path) -> None:
    page = shown(browser, report, width=390)
    page.execute_script("document.querySelectorAll('.part').forEach((one) => one.open = true)")
    for name in ("standard-requests", "standard-efficiency", "held-memory"):
        drawn(page, name)
    wide: list[Any] = page.execute_script(
        "return [...document.querySelectorAll('.plot svg, figure, h1, h2, h3, #choose')]"
        ".filter((one) => one.getBoundingClientRect().right > innerWidth + 1)"
        ".map((one) => one.closest('[data-name]')?.dataset.name ?? one.textContent)"
    )
    assert wide == []
    assert page.execute_script("return document.documentElement.scrollWidth") <= 390
    small: list[str] = page.execute_script(
        "return [...document.querySelectorAll('button, #choose label, #choose summary')]"
        ".filter((one) => one.offsetHeight && one.offsetHeight < 44).map((one) => one.outerHTML)"
    )
    assert small == []


def test_a_phone_folds_the_profiles_until_one_is_asked_for(
    browser: webdriver.Chrome, report: Path
) -> None:
    unfolded = "return [...document.querySelectorAll('.part')].filter((one) => one.open).length"
    page = shown(browser, report, width=390)
    assert page.execute_script(unfolded) == 0
    page.execute_script("location.hash = 'held'")
    WebDriverWait(page, 30).until(lambda _: page.execute_script(unfolded) == 1)
    assert drawn(page, "held-memory").is_displayed()
    parts = page.find_elements(By.CSS_SELECTOR, ".part")
    page = shown(browser, report)
    assert page.execute_script(unfolded) == len(parts) > 3
    assert not page.find_element(By.CSS_SELECTOR, ".part > summary").is_displayed()


def test_paper_is_white_and_nothing_is_wider(browser: webdriver.Chrome, report: Path) -> None:
    page = shown(browser, report, width=1032, scheme="dark")  # of A4 across, without its margins
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    plot = drawn(page, "held-memory")
    WebDriverWait(page, 30).until(
        lambda _: plot.get_attribute("data-drawn") == theme.LIGHT["paper"]
    )
    assert page.execute_script("return document.documentElement.scrollWidth") <= 1032
    paper = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert paper == "rgb(255, 255, 255)"


def test_the_data_of_a_chart_cannot_end_its_script(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    specs = re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    assert len(specs) == text.count("<figure ")
    assert all(json.loads(spec) and "<" not in spec for spec in specs)
