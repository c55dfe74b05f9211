"""The form in a report says what `make advise` says, in a real browser and without a network."""

from __future__ import annotations

import json
import re
import sys
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

from loadtests import catalog, record
from loadtests.advise.__main__ import main
from loadtests.report import build

Advised = Callable[[tuple[str, ...]], tuple[int, str, str]]

NOBODY = "--host-resolver-rules=MAP * ~NOTFOUND"
QUESTIONS = {
    "as in the help": ("0.2", "300", "512M", "1"),
    "no memory": ("200ms", "300", "", "1"),
    "several cores": ("0.1", "9000.5", "2G", "4"),
    "little": ("1", "0.5", "64MiB", "1"),
    "nothing fits": ("0.1", "1234567", "1000000", "2"),
    "shorter than measured": ("10ms", "300", "", "1"),
    "too many in flight": ("0.1", "300", "", "1"),
    "far longer than measured": ("59.25", "1000", "4G", "2"),
}
REFUSED = {
    "delay": ("soon", "300", "", "1"),
    "no rate": ("0.2", "", "", "1"),
    "memory": ("0.2", "300", "<b>512X</b>", "1"),
    "cores": ("0.2", "300", "", "0"),
}


@pytest.fixture(
    scope="module", params=[(), ("capacity", "held", "cost")], ids=["standard only", "all"]
)
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of a standard run, beside an older one and runs of the other profiles."""
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
    build.rebuild(folder, None)
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
    """What `make advise` says to a question: its status, the answer, the complaint."""

    def run(question: tuple[str, ...]) -> tuple[int, str, str]:
        named = zip(("--delay", "--rate", "--memory", "--cores"), question, strict=True)
        words = ["--results", str(report.parent.parent), *(word for pair in named for word in pair)]
        monkeypatch.setattr(sys, "argv", ["advise", *words])
        status = main()
        return status, *capsys.readouterr()

    return run


def ask(page: webdriver.Chrome, question: tuple[str, ...]) -> None:
    """As a person does: field by field."""
    for name, text in zip(("delay", "rate", "memory", "cores"), question, strict=True):
        field = page.find_element(By.NAME, name)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(Keys.NULL, Keys.DELETE, text)
        assert field.get_attribute("value") == text


def shown(page: webdriver.Chrome) -> list[str]:
    """The lines of the answer, as `make advise` has them."""
    texts = [page.find_element(By.ID, "advise-question").text, ""]
    table = page.find_element(By.CSS_SELECTOR, "#advise-answer tbody")
    for line in table.find_elements(By.TAG_NAME, "tr"):
        cells = line.find_elements(By.CSS_SELECTOR, "th, td")
        texts.append("  ".join(cell.text for cell in cells))
    notes = page.find_elements(By.CSS_SELECTOR, "#advise-notes li")
    texts += ["", *(f"- {note.text}" for note in notes), *([""] if notes else [])]
    return [*texts, page.find_element(By.ID, "advise-conclusion").text]


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
    said, _, _ = answer.partition("\n\nSimplest first")
    lines = [single(line) for line in said.split("\n")]
    head = lines.pop(2)
    ask(page, question)
    columns = page.find_elements(By.CSS_SELECTOR, "#advise-answer thead th")
    assert "  ".join(column.text.replace("\n", ", ") for column in columns) == head
    assert shown(page) == lines
    assert page.find_element(By.ID, "advise-wrong").text == ""


@needs_browser
@pytest.mark.parametrize("question", REFUSED.values(), ids=REFUSED)
def test_the_form_refuses_what_make_advise_refuses(
    page: webdriver.Chrome, advised: Advised, question: tuple[str, ...]
) -> None:
    status, answer, complaint = advised(question)
    assert (status, answer) == (2, "")
    ask(page, question)
    assert page.find_element(By.ID, "advise-wrong").text == complaint.strip()
    assert not page.find_element(By.ID, "advise-answer").is_displayed()


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
    found = Page(report.read_text())
    assert found.open == []
    assert [tag for tag in found.tags if tag in ("script", "iframe", "link", "img")] == [
        "script",
        "script",
    ]
    ids = [value for _, name, value in found.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_the_data_cannot_end_the_script(report: Path) -> None:
    text = report.read_text()
    data = text.partition('id="advise-data">')[2].partition("</script>")[0]
    assert "<" not in data
    assert json.loads(data)["sources"]["standard"] == report.parent.name
