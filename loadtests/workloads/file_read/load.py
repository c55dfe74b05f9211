"""Users that read a file through the service: `/file?size=…`."""

from __future__ import annotations

from typing import Any

from loadtests.load.base import expect
from loadtests.load.connection import Connection
from loadtests.load.http_load import HttpLoad
from loadtests.load.users import RawHttpUser
from services import contract

FILE = contract.file_block() * (contract.FILE_SIZE // len(contract.file_block()))


class FileUser(RawHttpUser):
    """Checks every byte."""

    size = 0
    spread_s = 0.1
    expected = b""

    @classmethod
    def path(cls) -> bytes:
        return b"/file?size=%d" % cls.size

    def is_right(self, body: bytes | bytearray, request_id: bytes) -> bool:
        return body == self.expected


class Load(HttpLoad):
    """Closed users."""

    user = FileUser

    def configure(self) -> None:
        FileUser.size = self.profile["size"]
        FileUser.expected = FILE[: FileUser.size]

    def check(self, service: Connection) -> None:
        expect(service, "/file?size=1000", FILE[:1000])

    def spread_s(self, step: dict[str, Any]) -> float:
        return FileUser.spread_s
