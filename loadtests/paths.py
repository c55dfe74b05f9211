"""Where everything is: in a checkout all in its folder, of an installed program in three places.

Installed, the files of the project stand beside each other as in a checkout, and are only read;
environments and caches go to the user's folder of caches, runs to `results` in the current one.
"""

from __future__ import annotations

import json
import shlex
import sys
from importlib.metadata import distribution
from pathlib import Path

from loadtests.errors import UsageError

NAME = "waiting-services"
ROOT = Path(__file__).resolve().parent.parent
SERVICES = ROOT / "services"
CHECKOUT = (ROOT / "pyproject.toml").is_file()  # which a wheel does not have
KEPT = ROOT / "results"  # runs that came with the project
if CHECKOUT:
    RESULTS = KEPT
    ENVIRONMENTS = ROOT / ".venvs"
    CACHE = ROOT / ".cache"
else:
    import platformdirs

    RESULTS = Path.cwd() / "results"
    CACHE = platformdirs.user_cache_path(NAME)
    ENVIRONMENTS = CACHE / "environments"


def needs_checkout(what: str) -> None:
    """UsageError where this is an installed program, which cannot do `what` it says."""
    if not CHECKOUT:
        raise UsageError(
            f"{what} a checkout of {NAME}: clone it, and call it there as"
            f" python3 loadtests/bootstrap.py -m loadtests {shlex.join(sys.argv[1:])}"
        )


def with_runs(results: Path) -> Path:
    """`results`, but those that came with the project where nothing was measured here yet."""
    nothing_yet = results == RESULTS and not any(results.glob("*/run.json"))
    return KEPT if nothing_yet else results


def release() -> str:
    """The commit that an installed program was built from where that is known, or its version."""
    installed = distribution(NAME)
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    return str(origin.get("vcs_info", {}).get("commit_id", ""))[:12] or installed.version
