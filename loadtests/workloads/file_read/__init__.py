"""Answers that are read from a file, without a backend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loadtests.workloads.kind import Kind, Settings, Step, positive, rising


@dataclass(frozen=True, kw_only=True)
class FileRead(Settings):
    """How many users read how many bytes."""

    users: tuple[int, ...]
    size: int

    def steps(self, profile: str) -> Iterable[Step]:
        """Closed, with answers of `size` bytes and no backend."""
        for users in self.users:
            yield Step(f"file-{users}-users-{self.size // 1024}kib", users)

    def mistakes(self, window_s: float) -> Iterable[str]:
        """Of each value for itself."""
        yield rising("users", self.users)
        yield positive("size", self.size)


KIND = Kind(settings=FileRead, route="/file", steady=True)
