"""The program: where its output goes, and how each of its errors is told."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from loadtests import variables
from loadtests.cli import output
from loadtests.errors import FAILED, INTERRUPTED, UNUSABLE, Failure, UsageError, refusal


def main() -> NoReturn:
    """Run the words of the command line, and end with the status of what came of them."""
    variables.start_over()
    output.prepare()
    try:
        from loadtests.cli.interrupt import end_as_on_ctrl_c

        end_as_on_ctrl_c()  # before anything is said: whoever reads it may press Ctrl-C at once
        status = run()
    except KeyboardInterrupt:
        status = INTERRUPTED
    sys.exit(status)


def run(words: Sequence[str] | None = None) -> int:
    """Run one command, by default that of sys.argv, and return its exit status.

    Errors are told on stderr: one line for what cannot be run as asked.
    """
    from typer import TyperException

    from loadtests.cli.app import app

    try:
        return int(app(words, prog_name="waits", standalone_mode=False) or 0)
    except TyperException as error:
        said = error.format_message().rstrip(".")
        first, *_ = [*(sys.argv[1:] if words is None else words), ""]
        verb = f" {first}" if first in [one.name for one in app.registered_commands] else ""
        print(f"{said}; waits{verb} --help says what there is", file=sys.stderr)
        return UNUSABLE
    except UsageError as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    except Failure as error:
        print("\n".join(filter(None, (str(error), error.log_tail))), file=sys.stderr)
        return FAILED
    except (OSError, RuntimeError) as error:
        line = refusal(error)
        if not line:
            raise
        print(line, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
