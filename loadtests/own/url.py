"""`waits try URL`: any service that answers, in any language, measured as it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from loadtests import catalog
from loadtests.bench import machine
from loadtests.catalog import ROOT
from loadtests.errors import UsageError
from loadtests.own import advice, beside, listening, trial
from loadtests.own.asked import asked, split_url
from loadtests.own.trial import Measured, Trial
from loadtests.report.tables.common import MIB
from loadtests.runtime import ServiceFailed
from loadtests.runtime.tree import ProcessTree

COLUMNS = (
    *(("users", 5), ("limit/s", 9), ("requests/s", 12), ("of limit", 9), ("p50 ms", 9)),
    *(("p99 ms", 12), ("failed", 7), ("CPU ms", 7), ("cores", 6), ("MiB", 5)),
)
MOST_USERS = 5000
SECONDS = (0.5, 60.0)
TIMEOUT_S = (0.001, 3600.0)


@dataclass(frozen=True)
class Options:
    """All that `waits try` can be told beside the URL."""

    users: str = "10,50,200"
    delay_s: float | None = None
    method: str = ""
    headers: tuple[str, ...] = ()
    data: str = ""
    status: int | None = None
    expect: str = ""
    seconds: float = 3.0
    timeout_s: float = 10.0
    pid: int | None = None
    like: str = ""
    remote: bool = False
    results: Path = ROOT / "results"


def run(url: str, options: Options, say: Callable[[str], None] | None = None) -> int:
    """Measure, and say what there is to say; the exit status.

    0: measured. 1: more than a few requests failed, or nothing is to be believed. Raises
    UsageError, BadRequest or UnknownService for what cannot be asked for, ServiceFailed where
    nothing could be measured.
    """
    say = say or partial(print, flush=True)
    wanted = checked(url, options)
    host = urlsplit(wanted.url)
    tree: ProcessTree | None = None
    name, port = host.hostname or "", host.port or 80
    if not options.remote:  # else another machine's, also where it is reached by a port of this one
        if listening.refuses(name, port):
            raise ServiceFailed(
                f"refused: nothing listens on {name}:{port}; start the service, or give its own URL"
            )
        tree, which = listening.tree(port, options.pid)
    else:
        which = (
            "on another machine: its CPU and memory are not known, and the network is part of it"
        )
    say(f"{wanted.asked} of {wanted.url}: {which}")
    say(f"at most {wanted.at_most_s():.0f} s; Ctrl-C ends it")

    def ready(info: dict[str, object]) -> None:
        say(f"the first answer: {info['bytes']:,} bytes in {info['first_ms']} ms")
        say("")
        say("".join(f"{name:>{width}}" for name, width in COLUMNS))

    measured = []
    for each in trial.measure(wanted, tree, ready):
        measured.append(each)
        say(row(each))
    wait_s = wanted.delay_s or (measured[0].point.p50_ms or 0.0) / 1000
    for line in (*notes(measured, wanted), *nearest(measured, wait_s, options, tree)):
        say(line)
    say("")
    say(f"Change first: {advice.first(measured, wanted.delay_s)}")
    return 1 if any(each.point.failures or each.point.invalid_because for each in measured) else 0


def checked(url: str, options: Options) -> Trial:
    """The trial that was asked for; UsageError or BadRequest says what is wrong with it."""
    base_url, target = split_url(url)
    host = urlsplit(base_url).hostname or ""
    if not options.remote and not listening.is_here(host):
        raise UsageError(
            f"{host} is not this machine. If it is yours to load, say so: waits try --remote …"
        )
    if options.like:
        catalog.load(options.like)
    numbers = users_of(options.users)
    if options.delay_s is not None and not 0.001 <= options.delay_s <= 60:
        raise UsageError(f"the delay must be from 0.001 to 60 seconds, not {options.delay_s:g}")
    shortest, longest = SECONDS
    if not shortest <= options.seconds <= longest:
        raise UsageError(f"--seconds must be from {shortest:g} to {longest:g}")
    shortest, longest = TIMEOUT_S
    if not shortest <= options.timeout_s <= longest:
        raise UsageError(f"--timeout must be from {shortest:g} to {longest:g} seconds, such as 10")
    if options.remote and options.pid:
        raise UsageError(
            "--pid is a process of this machine, and --remote says another: leave one out"
        )
    what = asked(
        target, options.method, options.headers, options.data, options.status, options.expect
    )
    window_s = trial.window_of(options.seconds, options.delay_s)
    return Trial(base_url, what, numbers, options.delay_s, window_s, options.timeout_s)


def users_of(text: str) -> tuple[int, ...]:
    """The numbers of users in `10,50,200`, rising; UsageError where they are none."""
    words = [word for word in text.replace(" ", ",").split(",") if word]
    if not words or not all(word.isdecimal() and 1 <= int(word) <= MOST_USERS for word in words):
        raise UsageError(f"--users must be numbers from 1 to {MOST_USERS}, such as 10,50,200")
    return tuple(sorted({int(word) for word in words}))


def row(each: Measured) -> str:
    """A window as a line of the table; what is not known is a dash."""
    point = each.point
    least = "≥ " if point.bound or each.late else ""
    most = "≤ " if each.late else ""
    p99_ms = point.figure("p99_ms")
    longest_ms = point.figure("max_ms")
    last = f"{p99_ms:.4g}" if p99_ms else f"max {longest_ms:.4g}" if longest_ms else "-"
    median = _number(point.figure("p50_ms"), ".4g")
    bytes_ = point.pss_bytes or point.rss_bytes
    cells = (
        str(point.users),
        _number(point.ceiling_rps, ",.4g"),
        f"{least}{point.rps:,.1f}",
        _number(point.efficiency, ".1%"),
        median if median == "-" else most + median,
        last if last == "-" else most + last,
        f"{point.failures:,}",
        _number(point.cpu_ms_per_request, ".3g"),
        _number(each.cores, ".2f"),
        _number(bytes_ and bytes_ / MIB, ".0f"),
    )
    return "".join(f"{cell:>{width}}" for cell, (_, width) in zip(cells, COLUMNS, strict=True))


def notes(measured: Iterable[Measured], wanted: Trial) -> list[str]:
    """The remarks on single windows, a line each."""
    found = []
    for each in measured:
        point, at = each.point, f"{each.point.users} users"
        kinds = ", ".join(f"{kind} × {times:,}" for kind, times in point.failure_kinds.items())
        if point.failures:
            found.append(f"{at}: {point.failures:,} of {point.requests:,} failed: {kinds}")
        if point.bound:
            found.append(f"{at}: the generator had no time to spare: at least so much")
        elif each.late:
            late = f"{point.overslept_p99_ms:.0f} ms"
            found.append(f"{at}: the generator itself was up to {late} late: at least so much")
        if point.starved:
            left = point.users - (point.served or 0)
            found.append(f"{at}: {left} of them were not served in {wanted.window_s:g} s: no times")
        found += [f"{at}: not to be believed: {why}" for why in point.invalid_because]
    return found


def nearest(
    measured: list[Measured], wait_s: float, options: Options, tree: ProcessTree | None
) -> list[str]:
    """The nearest services of this repository, a line each."""
    if not wait_s:
        return []
    here = machine.describe()["name"]
    installed = listening.packages(tree.processes()) if tree else set()
    users = measured[-1].point.users
    found = beside.nearest(options.results, users, wait_s, options.like, here, installed)
    lines = []
    for one in found:
        figures = one.row
        assert figures.rps
        cpu = figures.cpu_ms_per_request
        lines.append(
            f"beside it: {figures.service} ({one.run.services[figures.service]['client']}), "
            f"{figures.users} users × {figures.delay_s:g} s: {figures.rps.median:,.0f}/s"
            + (f", {cpu.median:.3g} ms of CPU a request" if cpu else "")
            + f" ({one.where(here)})"
        )
    return ["", *lines] if lines else []


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"
