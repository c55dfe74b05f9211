"""How far a run can be believed: its machine, its instruments, and rounds that differ."""

from __future__ import annotations

from loadtests.bench import cores
from loadtests.record import Run, Summary
from loadtests.report.results.facts import number
from loadtests.report.tables.cells import Table, pairs

UNEVEN = 0.15  # of requests/s: rounds further from their median are marked


def uneven(row: Summary) -> str:
    """Says so where the requests/s of a round are far from the median; nothing where not."""
    rps = row.rps
    if rps is None or not rps.median:
        return ""
    apart = max(rps.max - rps.median, rps.median - rps.min) / rps.median
    return f"rounds differ by up to {apart:.0%} from the median" if apart > UNEVEN else ""


def warnings(run: Run) -> list[str]:
    """Why the machine is not fit for what was measured; mostly nothing."""
    return [f"Warning: {text}." for text in cores.warnings(run.machine)]


def too_few(run: Run) -> bool:
    """Whether a percentile has the longest time in its place anywhere."""
    return any(row.longest("p99_ms") for row in run.summary)


def instruments(run: Run) -> Table:
    """The findings before any service was measured; older runs have less of it."""
    numbers = {k: v for k, v in (run.instruments or {}).items() if not isinstance(v, dict)}
    found = {name: number(value) for name, value in numbers.items()}
    said = {
        "the most that the generator can do": "{generator_ceiling_rps} requests/s",
        "what it adds to a response time": "{added_p50_ms} ms, p99 {added_p99_ms} ms",
        "how late the backend answers": "{backend_late_p50_ms} ms, p99 {backend_late_p99_ms} ms",
    }
    if "burn_cycles_per_ms" in found:
        said["what the CPU does in a millisecond"] = "{burn_cycles_per_ms} turns of an empty loop"
    measured = {what: text.format(**found) for what, text in said.items()} if found else {}
    return pairs("The instruments", ("of the instruments", ""), measured)
