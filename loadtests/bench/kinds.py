"""The kinds of workload: what is measured at each step of one, and what arithmetic says of it.

This is the side of the bench. The other, the users and connections that make
the load, is the module of the kind's name in `loadtests/load/workloads`; it needs
Locust, which would patch the bench's process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loadtests.bench.profiles import Profile


@dataclass(frozen=True)
class Step:
    """One window of the generator, and so one point of each service and round.

    `rate_rps` is of the requests that are measured, of all users together, or of
    messages, `deliveries_rps` of their deliveries; `heavy_rate_rps` is of the
    requests that disturb the others; `delay_s` is given where it is not the
    profile's, `workers` where the service needs so many processes: it is started
    anew for each.
    """

    scenario: str
    users: int = 0
    idle_connections: int = 0
    rate_rps: float | None = None
    deliveries_rps: float | None = None
    heavy_rate_rps: float = 0.0
    delay_s: float | None = None
    workers: int | None = None


@dataclass(frozen=True)
class Kind:
    """What the profiles of a kind have in common.

    `settings` are the keys of profiles.toml it takes, all of them needed but for
    those that are `optional`; so is `delay_s` where there are `calls`, the backend
    calls of one measured request, unless the settings are of several `delays`.
    `waits` are the delays on its critical path: 0 where no ceiling follows from
    them. `tolerated` is the share of requests that may fail. `at_rest` says that
    what the service holds is read before anything is sent, `switches` that the
    context switches of its threads are counted. `steady` says that the load goes on
    alike, over one connection a user where there are any, and is timed as long as it
    is in flight, so that Little's law holds; `answers` that what is counted are
    answers, as when the generator's ceiling is measured; `timed` that any are
    awaited within a window.
    `arriving` says that requests arrive at a rate, without users. `search_s` is how
    long the load may look for what it measures.
    """

    route: str
    settings: tuple[str, ...]
    calls: int
    waits: int
    steps: Callable[[Profile], Iterable[Step]]
    optional: tuple[str, ...] = ()
    tolerated: float = 0.001
    at_rest: bool = False
    switches: bool = False
    steady: bool = False
    answers: bool = True
    timed: bool = True
    arriving: bool = False
    search_s: float = 0.0


def delay_steps(profile: Profile) -> Iterable[Step]:
    """Closed: each user sends its next request when the last one is answered."""
    for users in profile.users:
        yield Step(f"{users}-users-{profile.delay_s * 1000:g}ms", users)


def clients_steps(profile: Profile) -> Iterable[Step]:
    """Closed, over services that differ in their client to the backend."""
    for users in profile.users:
        yield Step(f"clients-{users}-users-{profile.delay_s * 1000:g}ms", users)


def composite_steps(profile: Profile) -> Iterable[Step]:
    """Closed, with requests of 12 calls, three after one another, and 5 burns."""
    for users in profile.users:
        yield Step(f"composite-{users}-users-{profile.delay_s * 1000:g}ms", users)


def file_steps(profile: Profile) -> Iterable[Step]:
    """Closed, with answers of `size` bytes and no backend."""
    for users in profile.users:
        yield Step(f"file-{users}-users-{profile.size // 1024}kib", users)


def interference_steps(profile: Profile) -> Iterable[Step]:
    """Light requests at a rate, first alone and then together with heavy ones."""
    for users in profile.users:
        name = f"interference-{profile.rate_rps:g}rps-{users}-users"
        yield Step(f"{name}-alone", users, rate_rps=profile.rate_rps)
        yield Step(
            f"{name}-together",
            users,
            rate_rps=profile.rate_rps,
            heavy_rate_rps=profile.heavy_rate_rps,
        )


def pollers_steps(profile: Profile) -> Iterable[Step]:
    """Requests at a rate over few connections, beside a growing crowd of idle ones."""
    for users in profile.users:
        for crowd in profile.connections:
            name = f"pollers-{profile.rate_rps:g}rps-{users}-users-{crowd}-idle"
            yield Step(name, users, crowd, profile.rate_rps)


def chat_steps(profile: Profile) -> Iterable[Step]:
    """One of all connections sends, more rarely the more there are; 0 is the service at rest."""
    for connections in profile.connections:
        name = f"chat-{connections}-connections"
        if connections:
            rate = profile.deliveries_rps / (connections - 1)
            yield Step(name, 1, connections, rate, profile.deliveries_rps)
        else:
            yield Step(name)


def stall_steps(profile: Profile) -> Iterable[Step]:
    """The backend stalls once a window: for closed users, and for requests at a rate."""
    for users in profile.users:
        yield Step(f"stall-closed-{users}-users", users)
    yield Step(f"stall-open-{profile.rate_rps:g}rps", rate_rps=profile.rate_rps)


def held_steps(profile: Profile) -> Iterable[Step]:
    """So many requests wait at once and none is completed; 0 is the service at rest.

    Where processes wait, there are as many of them.
    """
    for held in profile.held:
        yield Step(f"held-{held}", held)
    for held in profile.processes:
        yield Step(f"held-{held}-processes", held, workers=held)


def map_steps(profile: Profile) -> Iterable[Step]:
    """Closed: so many users at each delay."""
    for delay_s in profile.delays:
        for users in profile.users:
            yield Step(f"map-{delay_s * 1000:g}ms-{users}-users", users, delay_s=delay_s)


def open_steps(profile: Profile) -> Iterable[Step]:
    """Open: requests arrive at a rate, whatever the answers do."""
    for rate in profile.rates:
        name = f"{profile.name}-{rate:g}rps-{profile.delay_s * 1000:g}ms"
        yield Step(name, rate_rps=rate)


def capacity_steps(profile: Profile) -> Iterable[Step]:
    """Open, at the highest rate that is sustained."""
    yield Step(f"capacity-{profile.delay_s * 1000:g}ms-limit-{profile.limit_ms:g}ms")


KINDS = {
    "delay": Kind("/", ("users",), 1, 1, delay_steps, steady=True),
    "clients": Kind("/", ("users",), 1, 1, clients_steps, steady=True),
    "composite": Kind(
        "/composite",
        ("users", "burst_ms"),
        12,
        3,
        composite_steps,
        optional=("cycles",),
        steady=True,
    ),
    "interference": Kind(
        "/cpu",
        ("users", "rate_rps", "heavy_rate_rps", "burst_ms"),
        1,
        0,
        interference_steps,
        optional=("cycles",),
    ),
    "chat": Kind(
        "/chat",
        ("connections", "deliveries_rps"),
        0,
        0,
        chat_steps,
        tolerated=0,
        at_rest=True,
        answers=False,
    ),
    "pollers": Kind("/", ("users", "rate_rps", "connections"), 1, 0, pollers_steps),
    "file": Kind("/file", ("users", "size"), 0, 0, file_steps, steady=True),
    "stall": Kind("/", ("users", "rate_rps", "stall_s"), 1, 0, stall_steps, arriving=True),
    "map": Kind("/", ("delays", "users"), 1, 1, map_steps, steady=True),
    "held": Kind(
        "/", ("held",), 1, 0, held_steps, optional=("processes",), at_rest=True, timed=False
    ),
    "open": Kind("/", ("rates",), 1, 0, open_steps, switches=True, steady=True, arriving=True),
    "capacity": Kind("/", ("limit_ms",), 1, 0, capacity_steps, arriving=True, search_s=60.0),
}
