"""`/file`: a plain read, in the thread that serves the request. (Every greenlet waits for it.)"""

import os
import tempfile

from flask import Blueprint, Response, request

import contract

FILE = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
for _ in range(16):
    FILE.write(contract.file_block())
FILE.flush()

blueprint = Blueprint("file", __name__)


@blueprint.get("/file")
def file() -> Response:
    size = contract.size_from(request.query_string.decode("latin-1"))
    return Response(read(size), content_type="application/octet-stream")


def read(size: int) -> bytes:
    """The first bytes; one read may return fewer than it was asked for."""
    data = b""
    while len(data) < size:
        data += os.pread(FILE.fileno(), size - len(data), len(data))
    return data
