"""The change to make first, by rules over what was measured and nothing else.

Each rule says what it saw, what follows, and what to try; the first that applies is the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from loadtests.own.trial import Measured

# Of a core: with more in use there is none to spare, by one process or by each of several.
FULL = 0.85
IDLE = 0.6  # with less, CPU is not what requests wait for
SHARE = 0.95  # of the limit: who delivers so much leaves nothing to gain
FEW = 0.8  # of it: who delivers less and has CPU to spare lacks slots
MORE = 1.05  # of it: nobody can deliver that, so that the wait is another one
COLLAPSED = 0.8  # of what fewer users were given
FAILED = 0.01
# In flight at the upstream, and whose default that many is, as of the newest versions.
DEFAULTS = {
    1: "a blocking call in an event loop, or one worker with one thread",
    4: "gunicorn's or waitress's few threads",
    10: "requests (10 connections a host) or Tornado's client (10)",
    40: "the thread pool of Starlette and FastAPI (40), for `def` handlers",
    100: "aiohttp (100 connections) or httpx (100)",
}
NEAR = 0.1  # so far a count may be from a default and still be it

Rule = Callable[[Sequence[Measured], float], str]


def first(measured: Sequence[Measured], delay_s: float | None) -> str:
    """The advice, in a few sentences; `delay_s` is how long the upstream takes, where it is known.

    Where it is not, what a request took with the fewest users stands for it.
    """
    wait_s = delay_s or (measured[0].point.p50_ms or 0.0) / 1000
    rules = RULES if delay_s else RULES_WITHOUT_DELAY
    return next(said for rule in rules if (said := rule(measured, wait_s)))


def failing(measured: Sequence[Measured], wait_s: float) -> str:
    """Nothing else counts while requests fail."""
    for each in measured:
        point = each.point
        if point.failures > FAILED * point.requests:
            kinds = ", ".join(f"{kind} × {times:,}" for kind, times in point.failure_kinds.items())
            return (
                f"Failures: {point.failures:,} of {point.requests:,} requests at {point.users} "
                f"users ({kinds}). Mend these first: its own log says why."
            )
    return ""


def wrong_delay(measured: Sequence[Measured], wait_s: float) -> str:
    """Nobody can wait so long and deliver so much."""
    over = next((each for each in measured if _share(each, wait_s) > MORE), None)
    if over is None:
        return ""
    point = over.point
    took = f", and half of them took less than {point.p50_ms:.4g} ms" if point.p50_ms else ""
    return (
        f"--delay {wait_s:g} may be wrong: {point.rps:,.0f} requests/s for {point.users} users are "
        f"more than the {point.users / wait_s:,.0f}/s that a wait of {wait_s:g} s allows{took}. "
        "Measure again with the time that its upstream takes; if that is right, not every request "
        "waits for it, as where there is a cache."
    )


def crowded(measured: Sequence[Measured], wait_s: float) -> str:
    """Others took the CPU that the service wanted."""
    short = next((each for each in measured if _share(each, wait_s) < FEW), None)
    if short is None or short.busiest is None or short.busiest + short.queued < FULL:
        return ""
    return (
        f"CPU: at {short.point.users} users it used {short.busiest:.0%} of a core and stood in the "
        f"queue for one for {short.queued:.0%} of the time: upstream, load generator and whatever "
        "else runs here took it. Stop what else runs and measure again, or on more cores; if "
        f"that does not help, {short.point.cpu_ms_per_request or 0:.3g} ms of CPU a request is "
        "the cost: try another HTTP client first."
    )


def generator_full(measured: Sequence[Measured], wait_s: float) -> str:
    """The generator was the limit, so that nothing is known of the service's."""
    if measured[-1].late:
        return (
            f"The load generator was up to {measured[-1].point.overslept_p99_ms:.0f} ms late: too "
            "little CPU is left for it on this machine. Stop what else runs and measure again, "
            "with fewer users or on a machine with more cores."
        )
    if not measured[-1].point.bound:
        return ""
    return (
        "The load generator is the limit here, not the service: it can do at least what stands "
        "above. Nothing to change before it is measured on a machine with more cores."
    )


def collapsing(measured: Sequence[Measured], wait_s: float) -> str:
    """More users must not get less."""
    best = max(measured, key=lambda each: each.point.rps)
    last = measured[-1]
    if last.point.rps >= COLLAPSED * best.point.rps:
        return ""
    said = (
        f"It collapses: {last.point.rps:,.0f}/s for {last.point.users} users, "
        f"{best.point.rps:,.0f}/s for {best.point.users}. "
    )
    before, after = best.point.cpu_ms_per_request, last.point.cpu_ms_per_request
    if before and after:
        said += f"CPU per request went from {before:.3g} to {after:.3g} ms. "
    return said + (
        "Work that grows with the number of waiting requests does this: look at the HTTP client "
        "first (one client for the whole process; its pool no smaller than the requests in "
        "flight; httpx searches its pool for each request), then bound what is let in."
    )


def core_full(measured: Sequence[Measured], wait_s: float) -> str:
    """CPU per request is the cost."""
    full = next((each for each in measured if is_full(each)), None)
    if full is None or _share(full, wait_s) >= SHARE or not full.point.cpu_ms_per_request:
        return ""
    cpu_ms = full.point.cpu_ms_per_request
    return (
        f"CPU: a process fills its core at {full.point.users} users, with {cpu_ms:.3g} ms a "
        f"request: that is {1000 / cpu_ms:,.0f}/s a core at most. More threads or coroutines "
        "change nothing. Try another HTTP client, then another server; then more processes, if "
        "there are more cores."
    )


def few_slots(measured: Sequence[Measured], wait_s: float) -> str:
    """The CPU is idle and users wait all the same: for a slot."""
    short = _short_and_idle(measured, wait_s)
    if short is None:
        return ""
    at_once = short.point.rps * wait_s
    known = next((whose for many, whose in DEFAULTS.items() if _is_near(at_once, many)), "")
    return (
        f"Slots: {_idle(short)}about {at_once:,.0f} of {short.point.users} requests wait for the "
        f"upstream at once (requests/s × {wait_s:.3g} s, Little's law), the others for their turn. "
        "Slots are threads, or the connections of the client's pool, as with async handlers: "
        "give it more of whichever there are fewest"
        + (f"; {round(at_once)} is what you get with {known}." if known else ".")
    )


def slots_or_upstream(measured: Sequence[Measured], wait_s: float) -> str:
    """The same where the wait is not known: no more is said than that CPU is not the limit."""
    short = _short_and_idle(measured, wait_s)
    if short is None:
        return ""
    point = short.point
    return (
        f"Slots or the upstream: {_idle(short)}{point.users} users get {point.rps:,.0f} "
        f"requests/s, less than {FEW:.0%} of what they would if requests took as long as with "
        f"{measured[0].point.users} users. Either they wait for a slot (a thread, or a connection "
        "of the client's pool), or the upstream itself is slower then: with --delay, the time "
        "that it takes, this says which."
    )


def slow(measured: Sequence[Measured], wait_s: float) -> str:
    """Neither idle nor full, and short of the limit."""
    short = next((each for each in measured if _share(each, wait_s) < SHARE), None)
    if short is None:
        return ""
    busy = f", while {_used(short)}" if short.busiest is not None else ""
    return (
        f"From {short.point.users} users on it delivers {_share(short, wait_s):.0%} of what the "
        f"wait alone would allow{busy}: neither CPU nor slots stand out. Measure longer "
        "(--seconds 10) and with the numbers of users in between."
    )


def nothing(measured: Sequence[Measured], wait_s: float) -> str:
    """It does what can be done."""
    last = measured[-1].point
    return (
        f"Nothing up to {last.users} users: it delivers what the wait allows. "
        f"Try more users (--users {last.users * 2},{last.users * 5}) to see where that ends."
    )


def nothing_known(measured: Sequence[Measured], wait_s: float) -> str:
    """The same where the wait is not known."""
    last = measured[-1].point
    return (
        f"Nothing stands out up to {last.users} users. How much of what is possible that is, it "
        "can say with --delay, the time that the upstream takes; more users (--users "
        f"{last.users * 2},{last.users * 5}) show where it ends."
    )


RULES: tuple[Rule, ...] = (
    *(failing, wrong_delay, collapsing, core_full, crowded, generator_full),
    *(few_slots, slow, nothing),
)
RULES_WITHOUT_DELAY: tuple[Rule, ...] = (
    *(failing, collapsing, core_full, crowded, generator_full),
    *(slots_or_upstream, nothing_known),
)


def is_full(each: Measured) -> bool:
    """Whether its busiest process had no CPU to spare, as one that runs Python has a core."""
    return each.busiest is not None and each.busiest > FULL


def _share(each: Measured, wait_s: float) -> float:
    """Of what so many users would be given if a request took no more than the wait."""
    return each.point.rps * wait_s / each.point.users


def _short_and_idle(measured: Sequence[Measured], wait_s: float) -> Measured | None:
    """The first window that is short of the limit, unless its CPU may be why."""
    short = next((each for each in measured if _share(each, wait_s) < FEW), None)
    if short is None or (short.cores is not None and short.busiest and short.busiest > IDLE):
        return None
    return short


def _is_near(count: float, known: int) -> bool:
    return abs(count - known) <= max(NEAR * known, 0.3)


def _idle(each: Measured) -> str:
    if each.busiest is None:
        return ""
    return f"{_used(each, 'only ')}, yet "


def _used(each: Measured, only: str = "") -> str:
    """Its CPU as the table has it, or of its busiest process where several have a share."""
    if each.busiest is None or each.cores is None:
        return ""
    if round(each.cores - each.busiest, 2) < 0.01:
        return f"{only}{each.cores:.2f} of a core is in use"
    return f"its busiest process uses {only}{each.busiest:.2f} of a core"
