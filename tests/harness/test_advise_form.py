"""The form in a report says what `make advise` says, in a real browser and without a network."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import run_costs
import runs
from browsing import browsing, needs_browser
from pages import Page
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from loadtests import catalog, record
from loadtests.advise.answer import COLUMNS
from loadtests.advise.question import LABELS
from loadtests.cli.main import run as waits
from loadtests.report import build

Advised = Callable[[tuple[str, ...]], tuple[int, str, str]]

NOBODY = "--host-resolver-rules=MAP * ~NOTFOUND"
QUESTIONS = {
    "as in the help": ("0.2", "300", "512M", "1", "", ""),
    "no memory": ("200 MS", "300", "", "1", "", "flask-gevent"),
    "several cores": ("0.1", "9000.5", "2G", "4", "", "sanic"),
    "little": ("1", "0.5", "64MiB", "1", "", ""),
    "nothing fits": ("100 ms", "1,234,567", "1 MB", "2", "", "tornado"),
    "between two delays": ("50ms", "1200", "", "1", "", "tornado-blocking"),
    "shorter than measured": ("5ms", "300", "", "1", "", ""),
    "a goal": ("0.1", "700", "", "2", "0.12", "flask-gevent"),
    "a goal out of reach": ("0.1", "300", "", "1", "100.1ms", ""),
    "parted by spaces": ("0.2", "1 234 567", "1 024 M", "1", "", ""),
    "as people write": ("200 ms", "1,000/s", "512 MB", "1e0", "2.5E2 MS", ""),
    "far longer than measured": ("59.25", "1000", "4G", "2", "", ""),
}
FIELDS = ("delay", "rate", "memory", "cores", "p99", "have")
LINES = """
const at = (name) => document.getElementById(`advise-${name}`);
const lines = ["question", "have", "conclusion"].map((name) => at(name).textContent);
for (const one of at("changes").children) lines.push(...one.textContent.split("\\n"));
for (const row of [...at("rows").rows, ...at("rest").rows]) {
  lines.push([...row.cells].map((cell) => cell.textContent).join("  "));
}
for (const note of at("notes").children) lines.push(note.textContent);
return lines.filter((line) => line);
"""
REFUSED = {
    "delay": ("soon", "300", "", "1", "", ""),
    "no rate": ("0.2", "", "", "1", "", ""),
    "a decimal comma": ("0,2", "300", "", "1", "", ""),
    "a comma of two readings": ("1,000 ms", "300", "", "1", "", ""),
    "too little memory": ("0.2", "300", "512", "1", "", ""),
    "memory": ("0.2", "300", "<b>512X</b>", "1", "", ""),
    "cores": ("0.2", "300", "", "0", "", ""),
    "a rate with a comma": ("0.2", "0,5", "", "1", "", ""),
    "a goal within the delay": ("0.2", "300", "", "1", "200ms", ""),
}


@pytest.fixture(
    scope="module",
    params=[(), ("capacity", "held", "cost", "map", "open", "cores")],
    ids=["standard only", "all"],
)
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a standard run, beside an older one and runs of the other profiles."""
    folder = tmp_path_factory.mktemp("advice") / "results"
    older = runs.made_up(started_at="2026-11-19T14:05:00Z")
    newest = runs.made_up()
    for point in newest.points:
        if point.service == "sanic" and point.users > 10:
            point.rps = 102.4  # it does not keep up, however little CPU it takes
    made = [older, runs.summed(newest), *map(run_costs.run, request.param)]
    for run in made:
        path = folder / f"{run.started_at[:10]}-a-{run.profile}"
        path.mkdir(parents=True)
        for name, about in run.services.items():
            about.update(catalog.load(name).description())
        record.save(run, path / "run.json")
    build.rebuild(folder)
    return folder / "2026-11-20-a-standard" / "report.html"


@pytest.fixture(scope="module")
def page(report: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with browsing(tmp_path_factory.mktemp("profile"), NOBODY) as browser:
        browser.get(report.as_uri())
        yield browser


@pytest.fixture
def advised(
    report: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Advised:
    """`make advise` for a question: exit status, stdout and stderr."""

    def run(question: tuple[str, ...]) -> tuple[int, str, str]:
        named = zip((f"--{name}" for name in FIELDS), question, strict=True)
        words = ["--results", str(report.parent.parent), *(word for pair in named for word in pair)]
        return waits(["advise", "--all", *words]), *capsys.readouterr()

    return run


def ask(page: webdriver.Chrome, question: tuple[str, ...]) -> None:
    """Fill in the form as a person does: field by field."""
    *typed, have = zip(FIELDS, question, strict=True)
    Select(page.find_element(By.NAME, have[0])).select_by_value(have[1])
    for name, text in typed:
        field = page.find_element(By.NAME, name)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(Keys.NULL, Keys.DELETE, text)
        assert field.get_attribute("value") == text


def shown(page: webdriver.Chrome) -> list[str]:
    """The lines of the answer, as `make advise ALL=1` has them."""
    return page.execute_script(LINES)


def single(line: str) -> str:
    """Columns apart by two spaces, whatever their width."""
    return re.sub(r" {2,}", "  ", line)


@needs_browser
@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_the_form_says_what_make_advise_says(
    page: webdriver.Chrome, advised: Advised, question: tuple[str, ...]
) -> None:
    status, answer, complaint = advised(question)
    assert (status, complaint) == (0, "")
    said, _, _ = answer.partition("- Simplest first")
    lines = [single(line).strip().removeprefix("- ") for line in said.splitlines() if line]
    head = "  ".join(COLUMNS)
    ask(page, question)
    columns = page.find_elements(By.CSS_SELECTOR, "#advise-fitting thead th")
    labels = [column.get_property("textContent").strip() for column in columns]
    assert labels == [name.replace(", ", " ") for name in COLUMNS]
    said_here = [line.removesuffix(":") for line in lines if line != head]
    assert shown(page) == said_here
    assert page.find_element(By.ID, "advise-wrong").text == ""


@needs_browser
@pytest.mark.parametrize("question", REFUSED.values(), ids=REFUSED)
def test_the_form_refuses_what_make_advise_refuses(
    page: webdriver.Chrome, advised: Advised, question: tuple[str, ...]
) -> None:
    status, answer, complaint = advised(question)
    assert (status, answer) == (2, "")
    ask(page, question)
    name, _, wrong = complaint.strip().partition(" ")
    assert page.find_element(By.ID, "advise-wrong").text == f"{LABELS[name]} {wrong}"
    assert not page.find_element(By.ID, "advise-answer").is_displayed()


@needs_browser
def test_the_question_is_in_the_address(page: webdriver.Chrome, report: Path) -> None:
    """Whoever is sent the address sees the same answer; an address without a question asks none."""
    ask(page, ("0.1", "900", "1G", "2", "0.15", "flask-gevent"))
    said = shown(page)
    asked = "#advise?delay=0.1&rate=900&memory=1G&cores=2&p99=0.15&have=flask-gevent"
    WebDriverWait(page, 20).until(lambda page: page.current_url.endswith(asked))
    address = page.current_url
    page.get("about:blank")
    page.get(address)
    assert shown(page) == said
    assert page.execute_script("return scrollY") > 0
    page.get(report.as_uri() + "#advise?delay=0.1&rate=900&have=nobody")
    assert [page.find_element(By.NAME, name).get_property("value") for name in FIELDS] == [
        *("0.1", "900", "", "", "", ""),
    ]
    page.get("about:blank")
    page.get(report.as_uri())
    assert page.find_element(By.NAME, "rate").get_property("value") == "300"


@needs_browser
def test_the_page_asks_for_nothing_and_complains_of_nothing(
    page: webdriver.Chrome, report: Path
) -> None:
    loaded = page.execute_script("return performance.getEntriesByType('resource').length")
    assert loaded == 0
    assert page.get_log("browser") == []


def test_only_the_newest_standard_report_has_the_form(report: Path) -> None:
    older = report.parent.parent / "2026-11-19-a-standard" / "report.html"
    assert "advise" not in Page(older.read_text()).text
    found = Page(report.read_text(encoding="utf-8"))
    assert found.open == []
    assert not {"iframe", "link", "img"} & set(found.tags)
    ids = [value for _, name, value in found.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_the_data_cannot_end_the_script(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    data = text.partition('id="advise-data">')[2].partition("</script>")[0]
    assert "<" not in data
    assert json.loads(data)["sources"]["standard"] == report.parent.name
