"""A service under a fault, all rounds taken together: what was lost, and whether that may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from loadtests.record import Point
from loadtests.report.results.parts import Part

# More than so many is a leak; fewer may be chance. In the profile 40 requests or more are sent
# while a fault lasts, and a leak has one thing for each.
LEAST_LEAK = 10
LEAST_LEAK_BYTES = 32 * 2**20
NONE_MAY_BE_LOST = ("slots", "calls", "unanswered")
# Descriptors, in runs that have them, count the callers' connections, which a server may close.
NOT_JUDGED = ("descriptors",)
# Of a network that is gone the backend does not hear that connections were closed meanwhile; under
# Compose the name of a container that was killed is looked up at servers that may not answer.
CUT_OFF, NAMELESS = ("no-name",), ("kill", "no-name")
# A lookup that goes on holds these.
OF_LOOKUPS = ("slots", "calls")
# The rule of CONTRACT.md that a fault puts to the test, where a service may declare to break it.
LOOKUP, SECOND = "name lookup", "second answer"
RULES = {**dict.fromkeys(NAMELESS, LOOKUP), "two-answers": SECOND}


@dataclass
class Outcome:
    """The requests of a service while something went wrong and after it, by how they ended."""

    fault: str
    right_during: int = 0
    during: int = 0
    right: int = 0
    error: int = 0
    wrong: int = 0
    none: int = 0
    recovery_s: float | None = 0.0  # the longest; None where it did not recover in its window
    lost: dict[str, int] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    skipped: str = ""
    invalid: str = ""
    excuse: str = ""  # the reason that the service declares

    def add(self, point: Point) -> None:
        """Take a round into account."""
        about = point.fault
        self.invalid = self.invalid or "; ".join(point.invalid_because)
        self.skipped = self.skipped or about.get("skipped", "")
        if not about or self.skipped:
            return
        for name in ("right_during", "during", "right", "error", "wrong", "none"):
            setattr(self, name, getattr(self, name) + about[name])
        both = self.recovery_s, point.recovery_s
        self.recovery_s = None if None in both else max(one for one in both if one is not None)
        for name, number in about["lost"].items():
            self.lost[name] = max(self.lost.get(name, 0), number)
        for said, times in about["seen"].items():
            self.seen[said] = self.seen.get(said, 0) + times

    @property
    def is_known(self) -> bool:
        """Whether the service met it, in valid rounds."""
        return bool(self.during and not self.invalid)

    @property
    def share(self) -> float | None:
        """Of the requests sent while the fault lasted, those answered right, in percent."""
        return 100 * self.right_during / self.during if self.during else None

    @property
    def leaks(self) -> dict[str, int]:
        """Things left behind or taken away by the fault, as far as they are more than chance."""
        aside = (*NOT_JUDGED, "connections") if self.fault in CUT_OFF else NOT_JUDGED
        judged = {name: number for name, number in self.lost.items() if name not in aside}
        return {name: number for name, number in judged.items() if number > _chance(name)}

    @property
    def broken(self) -> str:
        """The worst that must not be, in a word; empty where all is as it should be."""
        everything = _worst(self.wrong, self.none, self.leaks, self.recovery_s is None)
        return self.undeclared or everything

    @property
    def undeclared(self) -> str:
        """The same of what the service's exception, if there is one, is not about."""
        rule = RULES.get(self.fault) if self.excuse else None
        wrong = 0 if rule == SECOND else self.wrong
        none, leaks, is_ill = self.none, self.leaks, self.recovery_s is None
        if rule == LOOKUP:
            leaks = {name: number for name, number in leaks.items() if name not in OF_LOOKUPS}
            none, is_ill = 0, False
        return _worst(wrong, none, leaks, is_ill)

    @property
    def ended(self) -> str:
        """When it was whole again, in words."""
        if self.recovery_s is None or not {*NONE_MAY_BE_LOST}.isdisjoint(self.leaks):
            return "not in its window"
        return f"{self.recovery_s:.1f} s" if self.recovery_s else "at once"


def _worst(wrong: int, none: int, leaks: Mapping[str, int], is_ill: bool) -> str:
    if wrong:
        return "wrong"
    if none:
        return "hangs"
    if leaks:
        return "memory" if list(leaks) == ["pss_bytes"] else "leaks"
    return "stays ill" if is_ill else ""


def _chance(name: str) -> int:
    if name in NONE_MAY_BE_LOST:
        return 0
    return LEAST_LEAK_BYTES if name == "pss_bytes" else LEAST_LEAK


def outcomes(part: Part) -> dict[str, dict[str, Outcome]]:
    """By service and fault."""
    found: dict[str, dict[str, Outcome]] = {}
    for point in part.run.points:
        fault = point.fault.get("kind") or point.scenario.removeprefix(f"{part.name}-")
        of_service = found.setdefault(point.service, {})
        if fault not in of_service:
            about: Mapping[str, str] = part.run.services.get(point.service, {}).get(
                "exceptions", {}
            )
            of_service[fault] = Outcome(fault, excuse=about.get(RULES.get(fault, ""), ""))
        of_service[fault].add(point)
    return found
