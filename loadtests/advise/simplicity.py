"""The order of simplicity in which `make advise` takes services that fit, with reasons.

An opinion, so it stands here as data and is printed with every answer. Nothing that
was measured goes into it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    """A way of waiting: `waits` are the words of service.toml for it, `unit` what is counted."""

    name: str
    unit: str
    waits: tuple[str, ...]
    because: str


ORDER = (
    Model(
        "threads",
        "threads",
        ("a thread",),
        "blocking code is what most people write, and every library works",
    ),
    Model(
        "greenlets",
        "greenlets",
        ("a greenlet",),
        "the same blocking code, but patched: what waits in C stops everybody",
    ),
    Model(
        "coroutines",
        "coroutines",
        ("a coroutine",),
        "every wait is written as one, and every library must be made for it",
    ),
    Model(
        "callbacks",
        "callbacks",
        ("an object with callbacks", "a Deferred", "a Future"),
        "the code is cut in two at every wait, and errors need a path of their own",
    ),
    Model(
        "a loop of one's own",
        "generators",
        ("a generator",),
        "the event loop itself, its timers and its HTTP are yours to maintain",
    ),
    Model(
        "processes",
        "processes",
        ("a process", "the process", "the event loop"),
        "simple code, but each waiting request needs a whole process to itself",
    ),
    Model(
        "another way",
        "requests",
        (),
        "nobody has said yet how simple it is",
    ),
)


def place(waits: str) -> int:
    """The place in ORDER of what a service.toml says waits; the last for what has none."""
    return next((n for n, model in enumerate(ORDER) if waits in model.waits), len(ORDER) - 1)
