"""Reading a report back, for the tests that compare it with its `run.json`."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType

import pytest

from loadtests import record
from loadtests.record import Run, Spread
from loadtests.report import build as reports


class Page(HTMLParser):
    """The tables of a page by caption, its visible text, and every attribute by name."""

    VOID = frozenset({"meta", "link", "img", "br", "hr", "use", "path", "input", "source"})
    # Open elements that a start tag, or the end tag of what they are in, closes.
    CLOSES = MappingProxyType(
        dict.fromkeys(("td", "th"), ("td", "th"))
        | dict.fromkeys(("tr", "thead", "tbody"), ("td", "th", "tr"))
    )

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.attributes: list[tuple[str, str, str]] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.marks: dict[str, str] = {}  # what stands beside the names of services
        self._caption, self._in_mark = "", False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        while self.open and self.open[-1] in self.CLOSES.get(tag, ()):
            self.open.pop()
        if tag not in self.VOID:
            self.open.append(tag)
        self._in_mark = tag == "span" and ("class", "kind") in attrs
        if tag == "caption":
            self._caption = ""
        if tag == "tr" and "tbody" in self.open:
            self.tables.setdefault(self._caption, []).append([])
        if tag in ("td", "th") and "tbody" in self.open:
            self.tables[self._caption][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        while self.open[-1] != tag and self.open[-1] in self.CLOSES.get(tag, ()):
            self.open.pop()
        if tag not in self.VOID:
            assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("style", "script"):
            return
        self.text += data
        if self.open and self.open[-1] == "caption":
            self._caption += data
        elif self._in_mark:
            row = self.tables[self._caption][-1]
            row[-1] = row[-1].strip()
            self.marks[row[0]], self._in_mark = data, False
        elif "tbody" in self.open and ("td" in self.open or "th" in self.open):
            separator = " " if self.open[-1] == "small" else ""
            self.tables[self._caption][-1][-1] += separator + data


def build(run: Run, folder: Path) -> Path:
    """Save a run in `folder` and write its report, with no other results beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    record.save(run, folder / "run.json")
    reports.write(folder, run, told((folder / "run.json").read_text(), run), among=folder)
    return folder


TOLD: dict[str, list[reports.Told]] = {}


def told(text: str, run: Run) -> list[reports.Told]:
    """The report of a run with that `run.json`: drawn once, however many tests look at it."""
    if text not in TOLD:
        TOLD[text] = reports.tell(run)
    return TOLD[text]


def page(run: Run, folder: Path) -> Page:
    return Page((build(run, folder) / "report.html").read_text())


def close(text: str, value: float | None, scale: float = 1) -> bool:
    """True if a printed figure is this value, to three significant digits."""
    if value is None:
        return text == "–"
    return float(text.replace(",", "")) == pytest.approx(value * scale, rel=0.0051)


def shows(cell: str, spread: Spread | None, scale: float = 1) -> bool:
    """True if a cell shows median, lowest and highest round."""
    median, _, ends = cell.partition(" ")
    if spread is None:  # of a percentile there may be the longest in its place
        return cell == "–" or median == "max"
    low, _, high = (ends or f"{median}–{median}").partition("–")
    found = zip((median, low, high), (spread.median, spread.min, spread.max), strict=True)
    return all(close(text, value, scale) for text, value in found)
