"""`/file` in the loop's pool of threads.

epoll calls every file ready, and the read then blocks: in a thread, it may.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

import contract

FILE = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the service runs)
for _ in range(16):
    FILE.write(contract.file_block())
FILE.flush()


@asynccontextmanager
async def reading() -> AsyncIterator[None]:
    """Nothing to open: asyncio starts its threads when they are needed."""
    yield


async def file(request: web.BaseRequest) -> web.Response:
    size = contract.size_from(request.rel_url.raw_query_string)
    data = await asyncio.to_thread(read, size)  # here it waits
    return web.Response(body=data, headers={"Content-Type": "application/octet-stream"})


def read(size: int) -> bytes:
    parts, left = [], size
    while left:
        parts.append(os.pread(FILE.fileno(), left, size - left))
        left -= len(parts[-1])
    return b"".join(parts)
