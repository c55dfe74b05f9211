"""The site, made of the runs in `results/` and of the folders of the services.

Nothing in it depends on when it was made: a second time changes no byte.
"""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from pathlib import Path

from loadtests import catalog
from loadtests.bench import profiles
from loadtests.catalog import Service
from loadtests.errors import DONE, UsageError
from loadtests.ladder import report as ladder
from loadtests.report import overview
from loadtests.report.charts.chart import Chart
from loadtests.report.documents import answer, headline, quote
from loadtests.report.pages import form, interactive, rendering
from loadtests.report.results import stored
from loadtests.report.results.stored import Entry, Results
from loadtests.report.results.waiting import thing_that_waits
from loadtests.site import clients, comparisons, measured, pictures, sources, trend
from loadtests.site.comparisons import Two
from loadtests.site.measured import Shown
from loadtests.site.pages import TEMPLATES, Pages, slug
from loadtests.site.service import about
from loadtests.site.sources import Pair

STYLE = "assets/site.css"
MARK = "/* What the site has beside the report's own style. */"


def run(results: Path, target: Path) -> int:
    """Build the site and say where it is; DONE, or UsageError for what cannot be built.

    A run that cannot be read is told on stderr, and left out.
    """
    if not results.is_dir():
        raise UsageError(f"RESULTS={results}: no such folder; make bench makes results")
    found = stored.read(results)
    for line in found.wrong:
        print(f"left out: {line}", file=sys.stderr)
    files = contents(found)
    try:
        write(files, target)
    except OSError as error:
        raise UsageError(f"{target}: {error.strerror}") from error
    size = sum(len(text.encode()) for text in files.values())
    print(f"{len(files)} files, {size / 2**20:.1f} MiB: open {target / 'index.html'}")
    return DONE


def write(files: dict[str, str], target: Path) -> None:
    """Make `target` a folder of these files and no others, whole or not at all.

    UsageError where it is something else than a site, which stays as it is.
    """
    if target.exists() and not (target.is_dir() and _is_site(target)):
        raise UsageError(f"{target} is no site, and stays as it is: name another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        for path, text in files.items():
            (draft / path).parent.mkdir(parents=True, exist_ok=True)
            (draft / path).write_text(text, encoding="utf-8")
        if target.exists():
            shutil.rmtree(target)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _is_site(folder: Path) -> bool:
    """Whether it is empty, or was made here."""
    style = folder / STYLE
    return not any(folder.iterdir()) or (
        style.is_file() and MARK in style.read_text(encoding="utf-8")
    )


def contents(results: Results) -> dict[str, str]:
    """The files of the site, by their paths."""
    shown = measured.newest(results)
    pages = Pages(catalog.select(""))
    charts = _first_charts(results)
    climb = ladder.chart(results.ladder.rungs) if results.ladder else None
    _answer(pages, results, charts)
    _results(pages, results, shown, climb)
    _services(pages, shown, sources.pairs())
    twos = comparisons.of_each(results.entries)
    _across(pages, results, shown, comparisons.first(twos))
    return pages.files | comparisons.files(twos) | _pictures(charts, shown, climb) | _assets()


def _answer(pages: Pages, results: Results, charts: dict[str, Chart]) -> None:
    pages.add(
        "index.html",
        "index.html.j2",
        "Threads, greenlets or an event loop?",
        said=answer.of(results),
        headline=headline.of(results),
        charts=charts,
        source=results.suite and results.suite.run,
        advice=form.of(results),
    )


def _results(
    pages: Pages, results: Results, shown: dict[str, list[Shown]], climb: Chart | None
) -> None:
    """The list of all results, a page for each profile that there is, and one for the ladder."""
    titles = _titles() | {name: of[0].told.part.title for name, of in shown.items()}
    every = [one for of_profile in shown.values() for one in of_profile]
    suite = results.suite
    pages.add(
        "results.html",
        "results.html.j2",
        "All results",
        suite=suite,
        of_suite=[one for one in every if _is_of(one, suite)],
        others=[one for one in every if not _is_of(one, suite)],
        titles=titles,
        unmeasured=sorted(titles.keys() - shown.keys()),
        ladder=results.ladder,
    )
    for name, purpose in titles.items():
        own = shown.get(name, [])
        path = f"profiles/{slug(name)}.html"
        pages.add(path, "profile.html.j2", f"Profile {name}", name=name, purpose=purpose, shown=own)
    if results.ladder:
        pages.add(
            "profiles/ladder.html",
            "ladder.html.j2",
            results.ladder.title,
            climbed=results.ladder,
            picture=climb,
            table_of=quote.ladder_table(results.ladder),
        )


def _services(pages: Pages, shown: dict[str, list[Shown]], pairs: list[Pair]) -> None:
    """The list of the services, a page for each, and one for each two that differ in little."""
    groups = _by_what_waits(pages.services)
    pages.add("services.html", "services.html.j2", "The services", groups=groups)
    for service in pages.services:
        told = about(service, shown, pairs)
        path = f"services/{service.name}.html"
        pages.add(path, "service.html.j2", service.title, about=told)
    for pair in pairs:
        both = measured.with_services(shown, pair.one, pair.other)
        # Faults have a matrix, where services stand beside each other.
        figures = [one for one in both if one.told.part.kind != "faults"]
        tables = [(one, one.of(pair.one, pair.other)) for one in figures]
        title = f"{pair.one} and {pair.other}"
        pages.add(pair.page, "pair.html.j2", title, pair=pair, shown=tables)


def _across(
    pages: Pages, results: Results, shown: dict[str, list[Shown]], first: Two | None
) -> None:
    """The pages over several runs or services: clients, suites over time, two runs."""
    found = [(one, clients.of(one)) for one in _of_kind(shown, clients.KIND)]
    pages.add("clients.html", "clients.html.j2", "Frameworks and HTTP clients", found=found)
    trends = trend.of(results)
    pages.add("trend.html", "trend.html.j2", "The suites over time", trends=trends, most=trend.MOST)
    runs = list(comparisons.runs(results.entries))
    opens = [one.folder.name for one in (first.a, first.b)] if first else None
    title = "Two runs beside each other"
    pages.add("compare.html", "compare.html.j2", title, runs=runs, opens=opens)


def _first_charts(results: Results) -> dict[str, Chart]:
    """The charts of the answer, by their names: that of the newest suite."""
    suite = results.suite
    whole = overview.chart(suite.run, suite.parts) if suite else None
    return {whole.name: whole} if whole else {}


def _pictures(
    charts: dict[str, Chart], shown: dict[str, list[Shown]], climb: Chart | None
) -> dict[str, str]:
    """The pictures of all charts that pages show."""
    charts = dict(charts)
    for one in (one for of_profile in shown.values() for one in of_profile):
        charts |= {one.chart(chart.name): chart for chart in one.told.charts}
    if climb:
        charts["ladder"] = climb
    files: dict[str, str] = {}
    for name, chart in charts.items():
        files |= pictures.of(name, chart)
    return files


def _assets() -> dict[str, str]:
    """The style and the scripts that pages share."""
    sheets = (rendering.TEMPLATES / "report.css", TEMPLATES / "site.css")
    # Joined: a Markup plus a text would escape the text, as if it stood in a page.
    style = "".join([interactive.hues(), *(one.read_text(encoding="utf-8") for one in sheets)])
    scripts = {
        f"assets/{path.name}": path.read_text(encoding="utf-8") for path in TEMPLATES.glob("*.js")
    }
    return pictures.assets() | {STYLE: style, **dict(sorted(scripts.items()))}


def _titles() -> dict[str, str]:
    """The titles of all profiles that measure something themselves, in their order."""
    tables = tomllib.loads(profiles.PROFILES.read_text(encoding="utf-8"))
    several = {"profiles", "suite"}
    return {name: str(of["title"]) for name, of in tables.items() if not several & of.keys()}


def _by_what_waits(services: list[Service]) -> dict[str, list[Service]]:
    """By the thing that waits, what is run most often first."""
    found: dict[str, list[Service]] = {}
    for service in services:
        found.setdefault(thing_that_waits(service.waits), []).append(service)
    return dict(sorted(found.items(), key=lambda group: -len(group[1])))


def _of_kind(shown: dict[str, list[Shown]], kind: str) -> list[Shown]:
    return [one for of in shown.values() for one in of if one.told.part.kind == kind]


def _is_of(one: Shown, suite: Entry | None) -> bool:
    return suite is not None and one.entry.run is suite.run
