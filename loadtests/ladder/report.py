"""The ladder's `run.json`, and its report: a table and a chart."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from loadtests.ladder.climb import Climb
from loadtests.record import InvalidRun, write_atomically
from loadtests.report import canvas, facts
from loadtests.report.style import COLOURS, INK, WIDTH

SCHEMA = "ladder-1"
CHART = "ladder.svg"
MEASURED = ("rps", "threads", "idle_share", "cpu_ms_per_request", "start_lag_ms")


def save(folder: Path, head: dict[str, Any], climbs: list[Climb]) -> None:
    """Write `run.json`: `head`, the `climbs`, and under `rungs` their medians over rounds."""
    document = {
        "schema": SCHEMA,
        "profile": "ladder",
        **head,
        "climbs": [asdict(climb) for climb in climbs],
        "rungs": _medians(climbs),
    }
    write_atomically(folder / "run.json", json.dumps(document, indent=1) + "\n")


def load(file: Path) -> dict[str, Any]:
    """Read a `run.json` of the ladder; InvalidRun where it is none."""
    try:
        document = json.loads(file.read_text())
        if document["schema"] == SCHEMA and document["rungs"] and document["machine"]["name"]:
            run: dict[str, Any] = document
            return run
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidRun(f"{file}: {error}") from error
    raise InvalidRun(f"{file}: is no run of the ladder")


def write(folder: Path) -> None:
    """Write `report.md` and the chart beside the `run.json` in `folder`; InvalidRun as `load`."""
    run = load(folder / "run.json")
    write_atomically(folder / CHART, canvas.svg(lambda: _chart(run["rungs"]), "ladder"))
    write_atomically(folder / "report.md", _markdown(run))


def _medians(climbs: list[Climb]) -> list[dict[str, Any]]:
    """One row a rung and delay, in the order in which they were climbed first."""
    groups: dict[tuple[str, float], list[Climb]] = {}
    for climb in climbs:
        groups.setdefault((climb.rung, climb.delay_s), []).append(climb)
    rows = []
    for same in groups.values():
        row = {key: value for key, value in asdict(same[0]).items() if key != "round"}
        for name in MEASURED:
            values = [value for climb in same if (value := getattr(climb, name)) is not None]
            row[name] = statistics.median(values) if values else None
        row |= {"rps_min": min(c.rps for c in same), "rps_max": max(c.rps for c in same)}
        rows.append({**row, "rounds": len(same)})
    return rows


def _markdown(run: dict[str, Any]) -> str:
    machine = run["machine"]
    lines = [
        "# The ladder of clients",
        "",
        "How many requests a client can make of a slow backend in one process, on one core,"
        " built up rung by rung in [loadtests/ladder](../../loadtests/ladder).",
        "",
        f"{facts.when(run['started_at'])} on {machine['cpu']}, {machine['cores']} cores,"
        f" CPython {machine['python']}; commit {run['commit']}. Medians of"
        f" {run['rungs'][0]['rounds']} rounds, the lowest and highest in brackets.",
        "",
        f"![Requests/s of each rung, with the arithmetic limit]({CHART})",
    ]
    for delay_s in sorted({row["delay_s"] for row in run["rungs"]}, reverse=True):
        lines += [
            "",
            f"## A backend of {facts.seconds(delay_s)}",
            "",
            "| rung | requests under way | requests/s | limit | threads"
            " | idle | CPU-ms/request | not started for |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        lines += [_row(row) for row in run["rungs"] if row["delay_s"] == delay_s]
    lines += [
        "",
        "*limit*: requests under way ÷ delay. *idle*: the share of its threads' time in which they"
        " had nothing to do. *not started for*: how long a request that a second thread asks for"
        " lies there before it is sent (median); on the third rung nobody looks until some other"
        " answer arrives, which is what the socketpair of the fourth is for.",
    ]
    return "\n".join(lines) + "\n"


def _row(row: dict[str, Any]) -> str:
    number = facts.number
    rps = f"{number(row['rps'])} ({number(row['rps_min'])}–{number(row['rps_max'])})"
    lag = row["start_lag_ms"]
    cells = [
        f"[{row['title']}](../../loadtests/ladder/{row['module']}.py)",
        f"{row['in_flight']}",
        rps,
        number(row["limit_rps"]),
        f"{row['threads']:g}",
        f"{100 * row['idle_share']:.1f} %",
        f"{row['cpu_ms_per_request']:.2f}",
        "—" if lag is None else f"{number(lag)} ms",
    ]
    return "| " + " | ".join(cells) + " |"


def _chart(rows: list[dict[str, Any]]) -> Figure:
    """A row a rung, a point a delay, and a tick where the arithmetic limit is."""
    titles = list(dict.fromkeys(row["title"] for row in rows))
    figure = Figure(figsize=(WIDTH, 0.9 + 0.3 * len(titles)), layout="constrained")
    axes = figure.subplots()
    for colour, delay_s in zip(COLOURS, sorted({r["delay_s"] for r in rows}), strict=False):
        own = [row for row in rows if row["delay_s"] == delay_s]
        places = [titles.index(row["title"]) for row in own]
        axes.plot([r["limit_rps"] for r in own], places, "|", color=colour, markersize=14)
        axes.plot(
            [row["rps"] for row in own], places, "o", color=colour,
            label=f"{facts.seconds(delay_s)} backend",
        )  # fmt: skip
    axes.plot([], [], "|", color=INK, markersize=14, label="arithmetic limit")
    axes.set_xscale("log")
    axes.set_xlabel("requests/s")
    axes.set_yticks(range(len(titles)), titles)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside lower center", ncols=3)
    return figure
