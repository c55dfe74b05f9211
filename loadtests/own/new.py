"""`waits new NAME --like SERVICE`: a folder for a new service, which passes the contract."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from loadtests import catalog, paths
from loadtests.catalog import ROOT
from loadtests.errors import UsageError
from loadtests.runtime import listing
from services import folders

README = """# {name}

A variant of [{like}]({up}/README.md). Say here what differs, which settings you chose and why,
what you measured beside it and what lost.
"""
HEAD = """# {name} has every file of services/{folder} except those that you put here:
#   client.py          another HTTP client, to 65 lines; its packages in requirements.in
#   app.py             another way to wait, to 125 lines
#   serve              another server, or other settings of it, to six commands
"""


def run(name: str, like: str) -> int:
    """Make the folder; UsageError where it cannot be made, and then nothing is."""
    paths.needs_checkout("a service is added to")
    parent = catalog.load(like)
    if not re.fullmatch(r"[a-z][a-z0-9]*", name):
        raise UsageError(f"the name must be a word of small letters and digits, not {name!r}")
    whole = f"{like}-{name}"
    folder = parent.folder / name
    if whole in catalog.names() or folder.exists():
        raise UsageError(f"{folder.relative_to(ROOT)} is there already: waits check {whole}")
    folder.mkdir()
    (folder / "service.toml").write_text(_description(whole, parent.folder), encoding="utf-8")
    up = "/".join([".."] * len(folder.relative_to(_readme(like).parent).parts))
    text = README.format(name=whole, like=like, up=up)
    (folder / "README.md").write_text(text, encoding="utf-8")
    listing.bring_up_to_date(ROOT, catalog.select(""))
    print(f"{folder.relative_to(ROOT)} is the service {whole}: as {like}, until you change it")
    print(f"waits lock {whole}   for packages that it names in its requirements.in")
    print(f"waits check {whole}  says what is missing")
    print(f'waits bench --services "{whole} {like}"')
    return 0


def _readme(like: str) -> Path:
    return folders.find(like, "README.md", catalog.SERVICES)


def _description(name: str, parent: Path) -> str:
    """The parent's service.toml under another title."""
    text = (parent / "service.toml").read_text(encoding="utf-8")
    title = tomllib.loads(text)["title"]
    head = HEAD.format(name=name, folder=parent.relative_to(catalog.SERVICES))
    return head + re.sub(
        "^title = .*$", f'title = "{title}, and what you change"', text, flags=re.M
    )
