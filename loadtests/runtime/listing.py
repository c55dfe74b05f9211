"""The files that name every service: compose.yaml, and deploy/ for Kubernetes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from loadtests.catalog import Service
from loadtests.record import write_atomically
from loadtests.runtime import compose_file, manifests


def texts(root: Path, services: Iterable[Service]) -> dict[Path, str]:
    """The text that each of these files of the checkout `root` has with these services."""
    listed = list(services)
    compose = root / "compose.yaml"
    return {
        compose: compose_file.written(compose.read_text(encoding="utf-8"), listed),
        root / "deploy" / "base" / "services.yaml": manifests.written(listed),
    }


def bring_up_to_date(root: Path, services: Iterable[Service]) -> None:
    """Write these services into them."""
    for path, text in texts(root, services).items():
        write_atomically(path, text)


def outdated(root: Path, services: Iterable[Service]) -> list[Path]:
    """Those of them that do not have these services."""
    wanted = texts(root, services)
    return [path for path, text in wanted.items() if path.read_text(encoding="utf-8") != text]
