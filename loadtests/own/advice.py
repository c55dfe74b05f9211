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


def first(measured: Sequence[Measured], wait_s: float) -> str:
    """The advice, in a few sentences; `wait_s` is what a request takes where nobody disturbs it."""
    return next(said for rule in RULES if (said := rule(measured, wait_s)))


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
    short = next((each for each in measured if _share(each, wait_s) < FEW), None)
    if short is None or (short.cores is not None and short.busiest and short.busiest > IDLE):
        return ""
    at_once = _most_at_once(measured, wait_s)
    known = next((whose for many, whose in DEFAULTS.items() if _is_near(at_once, many)), "")
    return (
        f"Slots: {_idle(short)}about {at_once:,.0f} of {short.point.users} requests wait for the "
        f"upstream at once (requests/s × {wait_s:.3g} s, Little's law), the others for their turn. "
        f"Give it more threads, or a larger connection pool"
        + (f"; {round(at_once)} is what you get with {known}." if known else ".")
    )


def slow(measured: Sequence[Measured], wait_s: float) -> str:
    """Neither idle nor full, and short of the limit."""
    short = next((each for each in measured if _share(each, wait_s) < SHARE), None)
    if short is None:
        return ""
    busy = f" with {short.busiest:.0%} of a core in use" if short.busiest is not None else ""
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


RULES: tuple[Rule, ...] = (
    *(failing, collapsing, core_full, crowded, generator_full, few_slots, slow, nothing),
)


def is_full(each: Measured) -> bool:
    """Whether its busiest process had no CPU to spare, as one that runs Python has a core."""
    return each.busiest is not None and each.busiest > FULL


def _share(each: Measured, wait_s: float) -> float:
    """Of what so many users would be given if a request took no more than the wait."""
    return each.point.rps * wait_s / each.point.users


def _most_at_once(measured: Sequence[Measured], wait_s: float) -> float:
    return max(each.point.rps * wait_s for each in measured)


def _is_near(count: float, known: int) -> bool:
    return abs(count - known) <= max(NEAR * known, 0.3)


def _idle(each: Measured) -> str:
    if each.busiest is None:
        return ""
    return f"only {each.busiest:.0%} of a core is in use, yet "
