"""The report of the ladder: a table and a chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loadtests.ladder.record import load
from loadtests.record import write_atomically
from loadtests.report.charts import rows
from loadtests.report.charts.chart import Chart, Spec
from loadtests.report.results import facts

CHART = "ladder.svg"
# The hue of each rung: that of the model which waits as it does.
MODELS = {
    "rung1": "process",
    "rung2": "thread",
    "rung3": "generator",
    "rung4": "generator",
    "rung5": "generator",
    "rung6": "coroutine",
}


def write(folder: Path) -> None:
    """Write `report.md` and the chart beside the `run.json` in `folder`; InvalidRun as `load`."""
    run = load(folder / "run.json")
    write_atomically(folder / CHART, chart(run["rungs"]).svg)
    write_atomically(folder / "report.md", _markdown(run))


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


def chart(rungs: list[dict[str, Any]]) -> Chart:
    """A row a rung, a point a delay, and a tick where the arithmetic limit is."""
    data = [_record(row) for row in sorted(rungs, key=lambda row: -row["delay_s"])]
    order = list(dict.fromkeys(row["title"] for row in rungs))
    data.sort(key=lambda one: order.index(one["service"]))
    delays = list(dict.fromkeys(one["delay"] for one in data))
    scale, ticks = rows.scale([one["limit"] for one in data], log=True)
    x = rows.across(
        "requests/s", {**scale, "domain": [min(scale["domain"][0], 1), scale["domain"][1]]}, ticks
    )
    colour = rows.colour(data)
    spec: Spec = {
        "data": {"values": data},
        "width": "container",
        "height": {"step": rows.STEP + 5},
        "autosize": {"type": "fit-x", "contains": "padding"},
        "encoding": {"y": rows.place(data)},
        "layer": [
            {
                "mark": {"type": "tick", "thickness": 2, "size": 16},
                "encoding": {"x": {"field": "limit", **x}},
            },
            rows.interval(),
            {
                "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
                "encoding": {
                    "x": {"field": "value", **x},
                    "color": colour,
                    "shape": {
                        "field": "delay",
                        "type": "nominal",
                        "title": "backend",
                        "scale": {"domain": delays, "range": ["circle", "diamond", "square"]},
                        "legend": {
                            "orient": "bottom",
                            "symbolFillColor": "#888888",
                            "symbolStrokeWidth": 0,
                        },
                    },
                    "tooltip": [
                        {"field": "service", "title": "rung"},
                        {"field": "delay", "title": "backend"},
                        rows.number("value", "requests/s"),
                        rows.number("low", "lowest round"),
                        rows.number("high", "highest round"),
                        rows.number("limit", "arithmetic limit"),
                    ],
                },
            },
        ],
    }
    caption = "A point for each delay of the backend; the tick is the arithmetic limit."
    alt = "Requests/s of each rung, with the arithmetic limit"
    return Chart("ladder", "The ladder of clients", caption, alt, spec)


def _record(row: dict[str, Any]) -> rows.Record:
    model = MODELS[row["module"].partition("_")[0]]
    figures = {"value": row["rps"], "low": row["rps_min"], "high": row["rps_max"]}
    return {
        "service": row["title"],
        "model": model,
        "kind": "lesson",
        "delay": facts.seconds(row["delay_s"]),
        "limit": row["limit_rps"],
        **figures,
    }
