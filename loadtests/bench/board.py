"""A run as it goes, for a terminal: a table of services × scenarios, and a line that moves.

The table is drawn anew when a point is done; between, once a second and on the load's core, only
what is drawn already is written again with the line below it.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from threading import Event, Thread

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from loadtests.bench.plan import Part
from loadtests.bench.profiles import Profile
from loadtests.record import Point, Summary, summarise

EVERY_S = 1.0
NAME_WIDTH, CELL_WIDTH, FILE_WIDTH = 24, 8, 160
COLOURS = (("green", 0.9), ("yellow", 0.6))  # of a cell, from this share of the limit on
PARTLY = "2/3: two of three rounds are valid; the figure is the median of those"

Rows = dict[tuple[str, str], Summary]  # by service and scenario


class Board:
    """The table of the profile that is being measured; one that is done stays above."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._live: Live | None = None
        self._part: Part | None = None
        self._points: list[Point] = []
        self._rows: Rows = {}
        self._drawn: list[Segment] = []
        self._doing = ("", "", 0.0, 0.0)  # service, the time left, when it began, how long it takes
        self._ended = Event()

    def begin(self, part: Part, service: str, left: str, expected_s: float) -> None:
        """A service's turn, or its next point, begins; the whole run has so much time left."""
        if part is not self._part:
            self.end()
            self._part, self._points, self._rows = part, [], {}
        self._doing = (service, left, time.monotonic(), expected_s)
        self._drawn = self._draw()
        if self._live is None:
            self._live = Live(self, console=self.console, auto_refresh=False)
            self._live.start()
            self._ended = Event()
            Thread(target=self._tick, args=(self._live, self._ended), daemon=True).start()
        self._live.refresh()

    def done(self, point: Point) -> None:
        """A point is done: its cell is that of all rounds so far."""
        self._points.append(point)
        self._rows |= of(self._points, point.service)

    def end(self) -> None:
        """Leave the table as it is, with nothing that moves; no effect where there is none."""
        self._ended.set()
        if self._live is not None:
            self._doing = ("", "", 0.0, 0.0)
            self._drawn = self._draw()
            self._live.stop()
        self._live = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self._drawn
        service, left, since, expected_s = self._doing
        if service:
            yield moving(service, left, time.monotonic() - since, expected_s, options.max_width)

    def _tick(self, live: Live, ended: Event) -> None:
        if self._part and self._part.runtime.here and hasattr(os, "sched_setaffinity"):
            with suppress(OSError):  # of this thread alone
                os.sched_setaffinity(0, self._part.runtime.load_cpus)
        while not ended.wait(EVERY_S):
            live.refresh()

    def _draw(self) -> list[Segment]:
        if self._part is None:
            return []
        whole = told(self._part, self._rows, self._doing[0], self.console)
        lines = self.console.render_lines(whole, pad=False)
        return [segment for line in lines for segment in (*line, Segment.line())]


def told(part: Part, found: Rows, now: str, console: Console) -> Group:
    """A profile's title and table, and what "2/3" is where that is in it."""
    partly = any(0 < row.valid_rounds < row.rounds for row in found.values())
    note = [Text(PARTLY, no_wrap=True, overflow="ellipsis")] if partly else []
    return Group(title(part), drawn(part, found, now, console), *note)


def title(part: Part) -> Text:
    """A line that says what is measured."""
    about = f"{part.profile.name}: {part.profile.title}"
    return Text(about, style="bold", no_wrap=True, overflow="ellipsis")


def of(points: list[Point], service: str = "") -> Rows:
    """The summaries of points, of one service or of all."""
    own = [point for point in points if service in ("", point.service)]
    return {(row.service, row.scenario): row for row in summarise(own)}


def share(row: Summary, profile: Profile) -> float | None:
    """The part of the limit that was reached, as in the report; None where there is no limit.

    Of users that each wait for one call the limit is users ÷ delay, the same for every service.
    """
    if profile.of_kind.waits and profile.of_kind.straight and row.rps and row.delay_s:
        return row.rps.median * row.delay_s / row.users
    return row.efficiency.median if row.efficiency else None


def cell(row: Summary, profile: Profile) -> Text:
    """Its share of the limit, on a ground of that share; without a limit what it answered.

    The median of the valid rounds; before it how many those are, where some are not.
    """
    if not row.valid:
        return Text("invalid", style="bold red")
    rounds = f"{row.valid_rounds}/{row.rounds} " if row.valid_rounds < row.rounds else ""
    reached = share(row, profile)
    if reached is None:
        return Text(rounds + (short(row.rps.median) if row.rps and row.requests else "done"))
    colour = next((name for name, least in COLOURS if reached >= least), "red")
    at_least = "≥" if row.bound else ""
    text = Text(f"{rounds}{at_least}{reached:.0%}".rjust(CELL_WIDTH), style=colour)
    text.stylize("reverse", 0, round(min(1.0, reached) * CELL_WIDTH))
    return text


def drawn(part: Part, found: Rows, now: str, console: Console) -> Table:
    """As many rows and columns as fit, around the service whose turn it is."""
    names = [service.label for service in part.services]
    asked = (s.scenario for one in part.services for s in part.profile.steps(one.model))
    scenarios = list(dict.fromkeys([*asked, *(scenario for _, scenario in found)]))
    rows = around(names, names.index(now), console.height - 7) if now in names else names
    left = console.width - min(NAME_WIDTH, max(map(len, rows)))
    newest = max((scenarios.index(scenario) for _, scenario in found), default=0)
    columns = around(scenarios, newest, max(1, left // (CELL_WIDTH + 1)))
    table = Table(box=None, padding=(0, 0, 0, 1), pad_edge=False, header_style="")
    table.add_column("", max_width=NAME_WIDTH, no_wrap=True, overflow="ellipsis")
    for name in apart(columns):
        table.add_column(name, width=CELL_WIDTH, justify="right", no_wrap=True)
    for row in rows:
        cells = [
            cell(found[row, scenario], part.profile)
            if (row, scenario) in found
            else Text("·", style="dim")
            for scenario in columns
        ]
        table.add_row(Text(row, style="bold" if row == now else ""), *cells)
    return table


def moving(service: str, left: str, spent_s: float, expected_s: float, width: int) -> Text:
    """The line that moves: filled by the part of the point's time that is spent."""
    share = min(1.0, spent_s / expected_s) if expected_s else 0.0
    text = Text(f"{left}  {service}  {spent_s:.0f} of {expected_s:.0f} s", no_wrap=True)
    text.truncate(width - 1, pad=True)
    text.stylize("reverse", 0, round(share * len(text)))
    return text


def around(names: list[str], index: int, number: int) -> list[str]:
    """So many of the names, with the one at `index` among them; the last where it is beyond."""
    number = max(1, number)
    first = max(0, min(index - number // 2, len(names) - number))
    return names[first : first + number]


def apart(scenarios: list[str]) -> list[str]:
    """The scenarios without the words that all begin or end with."""
    words = [name.split("-") for name in scenarios]
    while len(words) > 1 and min(map(len, words)) > 1 and len({one[-1] for one in words}) == 1:
        words = [one[:-1] for one in words]
    while len(words) > 1 and min(map(len, words)) > 1 and len({one[0] for one in words}) == 1:
        words = [one[1:] for one in words]
    return ["-".join(one) for one in words]


def short(value: float) -> str:
    """Five characters of a rate: 512/s, 9.8k/s."""
    return f"{value / 1000:.1f}k/s" if value >= 1000 else f"{value:.0f}/s"


def tables(parts: list[Part], points: list[Point]) -> str:
    """The tables of a run for a file, as its rounds are summarised in the report."""
    console = Console(width=FILE_WIDTH, color_system=None, force_terminal=False)
    with console.capture() as captured:
        for part in parts:
            own = of([point for point in points if point.profile == part.profile.name])
            if own:
                console.print(told(part, own, "", console))
    return captured.get()
