"""The page of a service: all that its folder, and all that the results have of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loadtests.catalog import FLOOR, Service
from loadtests.report.results import facts
from loadtests.report.results.waiting import thing_that_waits
from loadtests.report.tables.cells import Table, pairs, value
from loadtests.site import measured, sources
from loadtests.site.measured import Shown
from loadtests.site.sources import Pair, Source

KINDS = {
    "stock": "stock: as people run it",
    "tuned": "tuned: the same, tuned",
    "bare": "bare: what is left where the client costs nothing",
    "lesson": "a lesson from a talk",
    "mistake": "a mistake, made on purpose",
    FLOOR: "the floor: what a request costs without any Python",
}


@dataclass(frozen=True)
class About:
    """A service, its files, the pairs it is in, and the profiles it was measured in."""

    service: Service
    files: list[Source]
    parent: str
    pairs: list[Pair]
    shown: list[Shown]

    @property
    def waits(self) -> str:
        """The thing that waits, in a word or two."""
        return thing_that_waits(self.service.waits)

    @property
    def made_of(self) -> Table:
        """The entries of its service.toml."""
        service = self.service
        return pairs(
            "What it is made of",
            ("part", ""),
            {
                "framework": service.framework,
                "server": service.server,
                "client to the backend": service.client,
                "model": service.model,
                "while the backend is slow, this waits": service.waits,
                "kind": KINDS[service.kind],
                "routes beside the core ones": service.offers or facts.NOTHING,
                **({"limit without CONCURRENCY": service.limit} if service.limit else {}),
            },
        )

    @property
    def reported(self) -> tuple[Shown, dict[str, Any]] | None:
        """The newest result in which it said how it was set, and what it said."""
        found = [
            (one, info)
            for one in self.shown
            if (info := one.run.services[self.service.name].get("info"))
        ]
        return max(found, key=lambda pair: pair[0].run.started_at, default=None)

    def settings(self) -> list[Table]:
        """Its effective settings and the versions that were installed."""
        if self.reported is None:
            return []
        _, info = self.reported
        own = {key: of for key, of in info.items() if key not in ("service", "versions")}
        versions = {name: value(of).text for name, of in info["versions"].items()}
        return [
            pairs("Settings, as it reported them", ("setting", ""), own),
            pairs("Installed versions", ("package", "version"), versions),
        ]


def about(service: Service, shown: dict[str, list[Shown]], pairs: list[Pair]) -> About:
    """All that there is of a service."""
    name = service.name
    return About(
        service,
        sources.of(name),
        sources.parent(name),
        [pair for pair in pairs if name in (pair.one, pair.other)],
        measured.with_services(shown, name),
    )
