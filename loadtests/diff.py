"""`make diff A=… B=…`: two services side by side."""

from __future__ import annotations

import shutil
import subprocess
import sys

from loadtests import catalog
from loadtests.catalog import SERVICES


def main() -> int:
    """Show two services' `app.py` beside each other; 2 for a name that is none."""
    names = sys.argv[1:]
    if len(names) != 2 or not all(names):
        print("which two? make diff A=tornado B=sanic", file=sys.stderr)
        return 2
    try:
        services = [catalog.load(name) for name in names]
    except catalog.UnknownService as error:
        print(error, file=sys.stderr)
        return 2
    if shutil.which("diff") is None:
        print("diff is missing: install diffutils", file=sys.stderr)
        return 2
    width = min(shutil.get_terminal_size((180, 24)).columns, 220)
    half = width // 2
    print(f"{services[0].title[: half - 2]:{half}}{services[1].title[: half - 2]}", flush=True)
    files = [str(SERVICES / name / "app.py") for name in names]
    done = subprocess.run(
        ["diff", "--side-by-side", "--expand-tabs", f"--width={width}", *files], check=False
    )
    if done.returncode == 0:
        print(f"\n{names[0]} and {names[1]} are the same to the byte: compare their `serve`")
    return 0 if done.returncode < 2 else 1


if __name__ == "__main__":
    sys.exit(main())
