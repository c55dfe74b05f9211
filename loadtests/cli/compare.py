"""`waits compare`: what is better or worse in one of two runs, or of two git revisions."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loadtests import paths, quantities
from loadtests.cli import options, output
from loadtests.errors import DONE, FAILED, INTERRUPTED, UsageError

if TYPE_CHECKING:
    from loadtests.compare.comparison import Comparison
    from loadtests.record import Run


class Format(StrEnum):
    """For a person, a file, a program, a comment on GitHub."""

    TEXT, MD, JSON, GITHUB = "text", "md", "json", "github"


def run(
    a: Annotated[str, typer.Argument(help="a run: latest~1, a profile, or part of its name")] = "",
    b: Annotated[str, typer.Argument(help="another: latest; or both are git revisions")] = "",
    form: Annotated[Format, typer.Option("--format", help="of the output")] = Format.TEXT,
    everything: Annotated[bool, typer.Option("--all", help="every figure, as Markdown")] = False,
    fail_above: Annotated[
        str, typer.Option(help="end with 1 where B is worse by more than this: 5%")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="compare what is not comparable, and say so")
    ] = False,
    results: options.Results = paths.RESULTS,
    profile: options.Profile = "quick",
    services: options.Services = "",
    runtime: options.Runtime = "auto",
    rounds: Annotated[str, typer.Option(help="of two revisions: how many, 2 or more")] = "",
) -> int:
    """Say what is better or worse in B than in A.

    They are two runs, or two git revisions that are measured now.
    """
    from loadtests.compare.comparable import obstacles
    from loadtests.compare.comparison import Comparison, nothing_compared

    threshold = quantities.share("--fail-above", fail_above) if fail_above.strip() else None
    try:
        with redirect_stdout(sys.stdout if form is Format.TEXT else sys.stderr):
            one, other, whole = _sides((a, b), results, (profile, services, runtime, rounds))
    except KeyboardInterrupt:
        print("interrupted: nothing is compared", file=sys.stderr)
        return INTERRUPTED
    between = obstacles(one, other)
    if between and not force:
        raise UsageError(
            f"not comparable: {'; '.join(between)}; --force compares them (make: FORCE=1)"
        )
    found = Comparison(one, other, between, whole)
    if not found.compared:
        raise UsageError(nothing_compared(one, other))
    _show(found, form, everything)
    return _judged(found, threshold)


def _sides(
    names: tuple[str, str], results: Path, asked: tuple[str, str, str, str]
) -> tuple[Run, Run, Run | None]:
    """The two runs; of two revisions they are measured first, in one, which is the third.

    So are two services of the reader's own, whose files are named.
    """
    own = [name.strip() for name in names if name.strip().endswith(".toml")]
    if len(own) == 1:
        raise UsageError(
            f"{own[0]} describes a service of your own: it is compared with another file of the"
            " same service, as in: compare base/waits.toml head/waits.toml"
        )
    if own:
        from loadtests.own import sides

        profile, _, runtime, rounds = asked
        files = (Path(names[0].strip()), Path(names[1].strip()))
        return sides.measured(files, profile, runtime, rounds, options.service_settings())
    from loadtests.compare import revisions
    from loadtests.compare.differences import SIDES
    from loadtests.record import load
    from loadtests.record.named import NoSuchRun, find

    try:
        a, b = (load(find(name.strip(), results)) for name in names)
        return a, b, None
    except NoSuchRun as error:
        if not paths.CHECKOUT:
            raise
        first, second = (revisions.commit_of(name.strip()) for name in names)
        if first is None or second is None:
            raise NoSuchRun(f"{error}; A and B may be two git revisions, too") from error
        commits = dict(zip(SIDES, (first, second), strict=True))
        run = revisions.measured(commits, *asked, options.service_settings())
        a, b = (revisions.of(run, mark, commit) for mark, commit in commits.items())
    return a, b, run


def _show(found: Comparison, form: Format, everything: bool) -> None:
    from loadtests.compare import markdown

    if form is Format.MD or (everything and form is Format.TEXT):
        print("\n".join(markdown.document(found, everything)))
    elif form is Format.GITHUB:
        print("\n".join(markdown.comment(found)))
    else:
        from loadtests.compare import text

        if form is Format.JSON:
            print(text.as_json(found))
        else:
            text.show(found, output.console())


def _judged(found: Comparison, threshold: float | None) -> int:
    """The exit status; a line on stderr for each figure that is worse by more than allowed."""
    worst = [] if threshold is None else [one for one in found.worse if one.worse > threshold]
    for one in worst:
        values = " → ".join(side.text for side in one.sides)
        share = f"{100 * one.worse:.3g} % worse in B"
        where = f"{one.service}, {one.scenario}"
        print(f"{where}: {one.figure.name} is {share} ({values})", file=sys.stderr)
    return FAILED if worst else DONE
