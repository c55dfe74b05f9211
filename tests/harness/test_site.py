"""The site: built once from what is in results/, read back, and used as a person uses it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from urllib.parse import quote, unquote, urlsplit

import pytest
from browsing import CHROMIUM, OPTIONS, browsing, needs_browser
from pages import Page, close
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait
from selenium_axe_python import Axe

from loadtests import catalog
from loadtests.catalog import ROOT
from loadtests.cli.main import run as waits
from loadtests.compare.comparison import WORSE
from loadtests.record import Run, summarise
from loadtests.report import index
from loadtests.report.pages import rendering
from loadtests.report.results import stored
from loadtests.report.results.stored import Entry, Results
from loadtests.report.sections import SECTIONS
from loadtests.site import build, comparisons, measured, sources, trend

PUBLISHED = stored.read(ROOT / "results", check=False)
MOST_BYTES = 3 * 2**20
KINDS = (
    *("index.html", "results.html", "services.html", "clients.html", "trend.html", "compare.html"),
    *("services/fastapi.html", "profiles/standard.html", "profiles/ladder.html"),
    "pairs/fastapi--fastapi-httpx.html",
)
LIGHTHOUSE = shutil.which(
    "lighthouse", path=f"{ROOT}/.cache/lighthouse/node_modules/.bin:{os.environ['PATH']}"
)


# Whether the first font of the pictures is there; and their texts that reach beyond them.
HAS_FONT = """
const width = (font) => {
  const context = document.createElement("canvas").getContext("2d");
  context.font = `12px ${font}`;
  return context.measureText("flask-threads").width;
};
return width("'Liberation Sans', monospace") !== width("monospace");
"""
BEYOND = """
return [...document.querySelectorAll("p")].flatMap((one) => {
  const paper = one.firstElementChild.getBoundingClientRect();
  return [...one.querySelectorAll("text")].filter((text) => {
    const box = text.getBoundingClientRect();
    const beyond = [box.right - paper.right, paper.left - box.left, paper.top - box.top,
                    box.bottom - paper.bottom];
    return Math.max(...beyond) > 1;
  }).map((text) => `${one.id}: ${text.textContent}`);
});
"""


def earlier(run: Run, slow: str) -> Run:
    """The run as it would have been a day before, when one service used half of the CPU."""
    before = replace(run, started_at=f"2026-01-01{run.started_at[10:]}", commit="0" * 40)
    before.points = [
        replace(point, cpu_ms_per_request=point.cpu_ms_per_request / 2)
        if point.service == slow and point.cpu_ms_per_request
        else point
        for point in run.points
    ]
    before.summary = summarise(before.points)
    return before


@pytest.fixture(scope="module")
def two() -> tuple[Entry, Entry, str]:
    """The smallest run, one that could be compared with it, and the service that differs."""
    newest = min(PUBLISHED.entries, key=lambda entry: len(entry.run.points))
    slow = next(row.service for row in newest.run.summary if row.cpu_ms_per_request and row.valid)
    return Entry(Path("before"), earlier(newest.run, slow)), newest, slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, two: tuple[Entry, Entry, str]) -> Path:
    """All published results and one run more, as a site."""
    folder = tmp_path_factory.mktemp("site")
    results = replace(PUBLISHED, entries=[*PUBLISHED.entries, two[0]])
    build.write(build.contents(results), folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    """The pages by their paths; reading one asserts that its tags are closed in order."""
    return {
        path.relative_to(site).as_posix(): Page(path.read_text(encoding="utf-8"))
        for path in site.rglob("*.html")
    }


def of(page: Page, attribute: str) -> list[str]:
    return [value for _, name, value in page.attributes if name == attribute]


def test_every_link_leads_somewhere(site: Path, pages: dict[str, Page]) -> None:
    lost = []
    for path, page in pages.items():
        assert page.open == []
        for link in [*of(page, "href"), *of(page, "src"), *of(page, "srcset")]:
            parts = urlsplit(link)
            if parts.scheme == "data":
                continue
            assert not parts.scheme and not parts.netloc, f"{path} asks for {link}"
            target = (site / path).parent / unquote(parts.path) if parts.path else site / path
            name = target.resolve().relative_to(site.resolve()).as_posix()
            if not target.is_file() or (
                parts.fragment and unquote(parts.fragment) not in of(pages[name], "id")
            ):
                lost.append(f"{path}: {link}")
    assert lost == []


def test_every_cell_of_a_matrix_leads_to_its_row(site: Path, pages: dict[str, Page]) -> None:
    text = (site / "profiles/faults.html").read_text(encoding="utf-8")
    specs = re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    links = re.findall(r'"#([^"]*-[^"]*)"', "".join(specs))
    assert links and set(links) <= set(of(pages["profiles/faults.html"], "id"))


def test_every_page_is_named_and_no_id_is_there_twice(pages: dict[str, Page]) -> None:
    for path, page in pages.items():
        ids = of(page, "id")
        assert len(ids) == len(set(ids)), path
        assert page.tags.count("h1") == 1, path
        assert page.tags.count("img") == sum(
            bool(value) for tag, name, value in page.attributes if (tag, name) == ("img", "alt")
        )
    titles = [page.text.strip().splitlines()[0] for page in pages.values()]
    assert len(titles) == len(set(titles))


def test_every_service_and_profile_has_a_page(pages: dict[str, Page]) -> None:
    measured = {name for entry in PUBLISHED.entries for name in entry.run.workloads}
    for name in catalog.names():
        assert catalog.load(name).title in pages[f"services/{name}.html"].text
    for name in {*measured, "smoke", "standard", "map"}:
        assert f"profiles/{name}.html" in pages


def test_the_page_of_a_service_has_the_newest_run_that_has_it(pages: dict[str, Page]) -> None:
    """Also where a newer run of the same profile is one of other services."""
    kept: dict[str, dict[str, Entry]] = {}  # by service and profile, the newest
    for entry in PUBLISHED.entries:
        for point in entry.run.points:
            kept.setdefault(point.service, {}).setdefault(point.profile, entry)
    for name in catalog.names():
        text = pages[f"services/{name}.html"].text
        assert ("No result that is kept has it" in text) == (name not in kept), name
        assert ("no result that is kept has it" in text) == (name not in kept), name
        days = {entry.run.started_at[:10] for entry in kept.get(name, {}).values()}
        assert not days or any(day in text for day in days), name


def test_the_page_of_clients_has_all_that_were_measured(pages: dict[str, Page]) -> None:
    measured = {
        point.service
        for entry in PUBLISHED.entries
        for point in entry.run.points
        if point.profile == "clients"
    }
    links = of(pages["clients.html"], "href")
    assert measured and {f"services/{name}.html" for name in measured} <= set(links)


def test_an_older_run_stands_behind_where_it_has_more_services(
    two: tuple[Entry, Entry, str],
) -> None:
    before, newest, slow = two
    fewer = replace(
        newest.run,
        points=[point for point in newest.run.points if point.service == slow],
        summary=[row for row in newest.run.summary if row.service == slow],
    )
    few = Entry(newest.folder, fewer)
    alike = measured.newest(Results([newest, before], [], []))
    shown = measured.newest(Results([few, before], [], []))
    assert [[one.entry for one in of] for of in alike.values()] == [[newest]]
    assert [[one.entry for one in of] for of in shown.values()] == [[few, before]]
    (first, second), *_ = shown.values()
    assert first.anchor != second.anchor and second.title.endswith(" UTC")
    (other,) = second.services - first.services
    assert [one.entry for one in measured.with_services(shown, slow)] == [few]
    assert [one.entry for one in measured.with_services(shown, other)] == [before]


def variant(entry: Entry, started_at: str, services: set[str], load_processes: int = 0) -> Entry:
    """A run of another time with fewer services, and with so many processes of the load."""
    run = replace(entry.run, started_at=started_at, machines={})
    run.points = [point for point in run.points if point.service in services]
    run.summary = [row for row in run.summary if row.service in services]
    run.services = {name: about for name, about in run.services.items() if name in services}
    if load_processes:
        more = {"load_processes": load_processes}
        run.workloads = {name: about | more for name, about in run.workloads.items()}
    return Entry(Path(f"{started_at}-{load_processes}"), run)


def test_a_page_of_a_profile_opens_with_the_newest_plain_run(
    two: tuple[Entry, Entry, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, newest, slow = two
    for part in newest.run.workloads.values():
        monkeypatch.delitem(part, "measured", raising=False)
    (other,) = {row.service for row in newest.run.summary} - {slow}
    entries = [
        variant(newest, "2026-12-03T00:00:00Z", {slow}, 2),
        variant(newest, "2026-12-02T00:00:00Z", {slow}, 3),
        variant(newest, "2026-12-01T00:00:00Z", {slow}),
        variant(newest, "2026-11-01T00:00:00Z", {slow, other}),
    ]
    results = Results(entries, [], [])
    (shown,) = measured.newest(results).values()
    assert [one.entry for one in shown] == [entries[at] for at in (2, 3, 0, 1)]
    listed = [row.link.partition("/")[0] for row in index._listed(results)]
    assert listed == [quote(entries[at].folder.name) for at in (2, 3, 0, 1)]
    page = Page(build.contents(results)[f"profiles/{shown[0].name}.html"])
    assert {slow, other} <= set(of(page, "data-service"))


def test_of_faults_a_newer_run_with_less_does_not_stand_first() -> None:
    whole = next(entry for entry in PUBLISHED.entries if [*entry.run.workloads] == ["faults"])
    few = variant(whole, "2026-12-01T00:00:00Z", {next(iter(whole.run.services))})
    (shown,) = measured.newest(Results([few, whole], [], [])).values()
    assert [one.entry for one in shown] == [whole]


def test_it_is_small(site: Path, two: tuple[Entry, Entry, str]) -> None:
    sizes = {path: path.stat().st_size for path in site.rglob("*") if path.is_file()}
    assert sum(sizes.values()) <= MOST_BYTES
    assert max(size for path, size in sizes.items() if path.suffix == ".html") <= 250_000


def test_a_second_time_changes_no_byte(
    two: tuple[Entry, Entry, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages; that charts are drawn alike is a test of theirs."""
    for kind, section in SECTIONS.items():
        monkeypatch.setitem(SECTIONS, kind, replace(section, charts=lambda part: []))
    few = Results([two[1], two[0]], [], [])
    first, second = (build.contents(few) for _ in range(2))
    assert first == second


def test_the_figures_are_those_of_the_run(pages: dict[str, Page]) -> None:
    known = {*catalog.names()}  # each of which has a page; not so its interpreters
    newest = [one for of in measured.newest(PUBLISHED).values() for one in of if not one.older]
    shown = [one.entry for one in newest]
    entries = [entry for entry in shown if entry.run.services.keys() <= known]
    entry = min(entries, key=lambda entry: len(entry.run.points))
    document = json.loads((entry.folder / "run.json").read_text(encoding="utf-8"))
    checked = 0
    for service in list(document["services"])[:4]:
        page = pages[f"services/{service}.html"]
        name = next(iter(document["workloads"]))
        shown = page.tables[f"Every figure of {service} in {name}"]
        points = [p for p in document["points"] if p["service"] == service and p["valid"]]
        for scenario in dict.fromkeys(point["scenario"] for point in points):
            of_scenario = [point for point in points if point["scenario"] == scenario]
            rps = median(point["rps"] for point in of_scenario)
            cpu = median(point["cpu_ms_per_request"] for point in of_scenario)
            found = [
                row
                for row in shown
                if any(close(cell.split()[0], rps) for cell in row if is_number(cell))
                and any(close(cell.split()[0], cpu) for cell in row if is_number(cell))
            ]
            assert found, (service, scenario, rps, cpu)
            checked += 1
    assert checked > 3


def is_number(cell: str) -> bool:
    return cell.split()[0].replace(",", "").replace(".", "").isdecimal() if cell.split() else False


def test_two_runs_say_what_make_compare_says(two: tuple[Entry, Entry, str]) -> None:
    before, newest, slow = two
    about = comparisons.Two(before, newest).document
    worse = [row for row in about["rows"] if row[0] == WORSE]
    assert {row[1] for row in worse} == {slow}
    assert {row[3] for row in worse} == {"CPU per request, ms"}
    assert {row[6] for row in worse} == {"2.00"}
    assert about["rows"][: len(worse)] == worse  # what differs most comes first
    assert about["head"].startswith(f"{len(worse)} worse, 0 better, ")


def test_two_runs_that_are_not_comparable_say_why(two: tuple[Entry, Entry, str]) -> None:
    before, newest, _ = two
    elsewhere = replace(newest.run, machine=newest.run.machine | {"name": "another"})
    about = comparisons.Two(before, Entry(Path("elsewhere"), elsewhere)).document
    (reason,) = about["why_not"]
    assert reason.startswith("name of the machine is ") and reason.endswith(" another in B")


def test_the_page_opens_on_the_newest_two_that_are_comparable(
    two: tuple[Entry, Entry, str],
) -> None:
    before, newest, _ = two
    later = replace(newest.run, started_at=f"2027{newest.run.started_at[4:]}")
    later.machine = later.machine | {"name": "another"}
    alone = Entry(Path("elsewhere"), later)
    opens = comparisons.first(comparisons.of_each([before, newest, alone]))
    assert opens is not None and (opens.a, opens.b) == (before, newest)
    assert comparisons.first(comparisons.of_each([newest, alone])) is None


def test_two_runs_of_other_profiles_give_that_reason_alone(
    two: tuple[Entry, Entry, str],
) -> None:
    before, newest, _ = two
    name, about = next(iter(newest.run.workloads.items()))
    other = replace(newest.run, workloads={"another": about}, runtime="elsewhere")
    about = comparisons.Two(before, Entry(Path("elsewhere"), other)).document
    assert about["why_not"] == [f"the profile is {name} in A and another in B"]


def test_one_suite_alone_says_that_a_second_is_needed(pages: dict[str, Page], site: Path) -> None:
    suite = PUBLISHED.suite
    assert suite is not None
    assert trend.of(Results([suite], [], []))[0].tables == {}
    assert "a second one of the same machine is needed" in pages["trend.html"].text
    assert pages["trend.html"].tables == {}
    assert (site / "trend.html").stat().st_size < 5_000


def test_suites_stand_beside_each_other_by_machine() -> None:
    suite = PUBLISHED.suite
    assert suite is not None
    before = Entry(Path("before"), earlier(suite.run, "fastapi"))
    elsewhere = Entry(
        Path("elsewhere"), replace(suite.run, machine=suite.run.machine | {"name": "another"})
    )
    found = trend.of(Results([suite, before, elsewhere], [], []))
    assert [[one.folder.name for one in group.suites] for group in found] == [
        ["before", suite.folder.name],
        ["elsewhere"],
    ]
    (row,) = (
        row
        for row in found[0].tables["cost"].rows
        if row.cells[0].text == "fastapi" and row.cells[1].text.startswith("CPU per request")
    )
    old, new = (float(cell.text) for cell in row.cells[2:])
    assert new == pytest.approx(2 * old, rel=0.02)


def test_its_style_is_that_of_its_sheets(site: Path) -> None:
    style = (site / build.STYLE).read_text(encoding="utf-8")
    for sheet in (rendering.TEMPLATES / "report.css", build.TEMPLATES / "site.css"):
        assert sheet.read_text(encoding="utf-8") in style


def test_a_site_is_replaced(site: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    for text in ("first", "second"):
        build.write({build.STYLE: (site / build.STYLE).read_text(), "index.html": text}, target)
    assert (target / "index.html").read_text() == "second"


def test_a_folder_that_is_no_site_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "mine.txt").write_text("mine")
    with pytest.raises(build.UsageError, match="is no site, and stays as it is"):
        build.write({"index.html": ""}, tmp_path / "site")
    assert (tmp_path / "site" / "mine.txt").read_text(encoding="utf-8") == "mine"
    assert waits(["site", "--results", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == (
        f"RESULTS={tmp_path / 'none'}: no such folder; make bench makes results\n"
    )


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    nobody = "--host-resolver-rules=MAP * ~NOTFOUND"
    with browsing(tmp_path_factory.mktemp("profile"), nobody) as browser:
        yield browser


@pytest.fixture
def open_page(site: Path, browser: webdriver.Chrome) -> webdriver.Chrome:
    """The answer's page as a desktop shows it."""
    look(browser, 1200, "light")
    browser.get((site / "index.html").as_uri())
    return browser


def look(browser: webdriver.Chrome, width: int, scheme: str) -> None:
    """Show pages as a screen of this width does, light or dark."""
    screen = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def until(browser: webdriver.Chrome, text: str, selector: str) -> str:
    """The text of an element as soon as it has `text` in it."""
    found = browser.find_element(By.CSS_SELECTOR, selector)
    WebDriverWait(browser, 20).until(lambda _: text in found.text)
    return found.text


def test_the_files_of_lessons_stand_once() -> None:
    """Services that people run are shown whole, whoever has the same files."""
    names = ("flask-gevent", "flask-threads", "scratch-epoll", "scratch-poll", "scratch-select")
    found = {
        name: next(one.owner for one in sources.of(name) if one.name == "app.py") for name in names
    }
    assert found == {
        "flask-gevent": "", "flask-threads": "", "scratch-epoll": "",
        "scratch-poll": "scratch-epoll", "scratch-select": "scratch-epoll",
    }  # fmt: skip


@needs_browser
def test_a_person_asks_and_reads_the_source(open_page: webdriver.Chrome) -> None:
    browser = open_page
    browser.find_element(By.LINK_TEXT, "Ask for your numbers").click()
    rate = browser.find_element(By.NAME, "rate")
    rate.send_keys(Keys.CONTROL, "a")
    rate.send_keys(Keys.NULL, Keys.DELETE, "450")
    assert "450 requests/s" in until(browser, "450", "#advise-question")
    browser.find_element(By.LINK_TEXT, "Services").click()
    browser.find_element(By.LINK_TEXT, "fastapi-httpx").click()
    assert browser.find_element(By.TAG_NAME, "h1").text == "FastAPI, httpx"
    browser.find_element(By.LINK_TEXT, "Source").click()
    client = browser.find_element(By.CSS_SELECTOR, '[aria-label="client.py"]')
    if not client.is_displayed():
        client.find_element(By.XPATH, "../summary").click()
    assert "httpx.AsyncClient(" in client.text
    assert browser.get_log("browser") == []


@needs_browser
def test_a_person_compares_two_runs(
    open_page: webdriver.Chrome, two: tuple[Entry, Entry, str]
) -> None:
    browser = open_page
    browser.find_element(By.LINK_TEXT, "Compare").click()
    before, newest, slow = two
    for name, entry in (("a", newest), ("b", before)):  # either way round
        choice = Select(browser.find_element(By.NAME, name))
        choice.select_by_value(entry.folder.name)
    until(browser, " within noise.", "#compare-answer .finding")
    first = browser.find_element(By.CSS_SELECTOR, "#compare-answer tbody tr")
    assert first.text.split()[0] == slow
    assert "2.00" in first.text and first.text.endswith("worse")
    browser.refresh()  # the two stand in the address
    until(browser, " within noise.", "#compare-answer .finding")
    assert browser.get_log("browser") == []


@needs_browser
def test_a_person_explores_a_chart(site: Path, browser: webdriver.Chrome) -> None:
    look(browser, 1200, "light")
    browser.get((site / "profiles" / "capacity.html").as_uri())
    assert browser.find_elements(By.CSS_SELECTOR, ".plot svg") == []
    browser.find_element(By.CSS_SELECTOR, "button.explore").click()
    WebDriverWait(browser, 30).until(
        lambda _: browser.find_elements(By.CSS_SELECTOR, ".plot svg") != []
    )
    assert browser.find_element(By.ID, "choose").is_displayed()
    assert browser.get_log("browser") == []


@needs_browser
@pytest.mark.parametrize("path", KINDS)
def test_a_phone_shows_every_kind_of_page(site: Path, browser: webdriver.Chrome, path: str) -> None:
    """At 390 pixels, dark, nothing sticks out; accessible by the rules of WCAG 2.2 AA."""
    look(browser, 390, "dark")
    browser.get((site / path).as_uri())
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width <= 390
    paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(25, 25, 24)"
    axe = Axe(browser)
    axe.inject()
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = axe.run(options={"runOnly": tags})["violations"]
    assert [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found] == []


# The cells with figures of a table that begin beyond the right edge of what is seen of it.
OUT_OF_SIGHT = """
return [...document.querySelectorAll(arguments[0])].filter((cell) => {
  const seen = cell.closest(".scroll").getBoundingClientRect();
  return cell.getBoundingClientRect().right > seen.right + 1;
}).map((cell) => cell.textContent);
"""


@needs_browser
def test_a_phone_shows_the_figures_of_every_client(site: Path, browser: webdriver.Chrome) -> None:
    look(browser, 390, "light")
    browser.get((site / "clients.html").as_uri())
    assert len(browser.find_elements(By.CSS_SELECTOR, "main td")) > 3
    assert browser.find_elements(By.CSS_SELECTOR, "main td:empty") == []
    assert browser.execute_script(OUT_OF_SIGHT, "main td") == []


@needs_browser
def test_a_phone_shows_the_whole_answer(site: Path, browser: webdriver.Chrome) -> None:
    """Every figure and where it breaks; on a desktop a line a service."""
    look(browser, 390, "light")
    browser.get((site / "index.html").as_uri())
    cells = browser.find_elements(By.CSS_SELECTOR, ".answers tbody td")
    assert len(cells) > 5
    assert browser.execute_script(OUT_OF_SIGHT, ".answers :is(th, td)") == []
    rows = browser.find_elements(By.CSS_SELECTOR, ".answers tbody tr")
    assert max(row.size["height"] for row in rows) < 180
    look(browser, 1200, "light")
    assert max(row.size["height"] for row in rows) < 80


@needs_browser
def test_no_chart_is_cut_off(site: Path, browser: webdriver.Chrome, tmp_path: Path) -> None:
    """Of all pictures, the narrow ones too, every text is within."""
    pictures = sorted(site.rglob("*.svg"))
    assert any("-narrow" in path.name for path in pictures)
    drawn = [f'<p id="{path.name}">{path.read_text(encoding="utf-8")}</p>' for path in pictures]
    assert not [one for one in drawn if "undefined" in one or "NaN" in one]
    page = tmp_path / "all.html"
    page.write_text(f'<meta charset="utf-8">{"".join(drawn)}', encoding="utf-8")
    browser.get(page.as_uri())
    if not browser.execute_script(HAS_FONT):
        pytest.skip("the pictures' font, Liberation Sans, is not installed: another is wider")
    assert browser.execute_script(BEYOND) == []


class Quiet(SimpleHTTPRequestHandler):
    """Files, without a line for each."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@needs_browser
@pytest.mark.skipif(LIGHTHOUSE is None, reason="Lighthouse is not installed")
@pytest.mark.parametrize(
    "path", ["index.html", "compare.html", "services/fastapi.html", "profiles/standard.html"]
)
def test_lighthouse_finds_it_accessible(site: Path, path: str) -> None:
    """At least 95 of 100, on a phone."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{path}"
        flags = f"--chrome-flags={' '.join(OPTIONS)}"
        command = [
            str(LIGHTHOUSE), url, "--only-categories=accessibility", "--output=json", "--quiet",
            flags,
        ]  # fmt: skip
        environment = {**os.environ, "CHROME_PATH": str(CHROMIUM)}
        told = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=180, check=False
        )
        server.shutdown()
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["categories"]["accessibility"]["score"] >= 0.95
