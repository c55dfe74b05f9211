"""`/file` through the kernel's completion interface: not "may I read?" but "read, and tell me".

No thread waits for the read.
"""

import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import caio
from aiohttp import web

import contract

# The best there is: a container may forbid io_uring, and something stranger Linux AIO, too.
INTERFACE = caio.linux_uring_asyncio or caio.linux_aio_asyncio or caio.thread_aio_asyncio
# Not by a kernel thread that polls: it would use another core, and be nobody's CPU time.
OPTIONS = {"sqpoll": False} if INTERFACE is caio.linux_uring_asyncio else {}

FILE = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the service runs)
for _ in range(16):
    FILE.write(contract.file_block())
FILE.flush()


@asynccontextmanager
async def reading() -> AsyncIterator[None]:
    global reads
    print(f"files are read by {INTERFACE.__name__}", file=sys.stderr)
    reads = INTERFACE.AsyncioContext(**OPTIONS)
    yield
    reads.close()


async def file(request: web.BaseRequest) -> web.Response:
    size = contract.size_from(request.rel_url.raw_query_string)
    data = await read(size)  # here it waits
    return web.Response(body=data, headers={"Content-Type": "application/octet-stream"})


async def read(size: int) -> bytes:
    parts, left = [], size
    while left:
        parts.append(await reads.read(left, FILE.fileno(), size - left))
        left -= len(parts[-1])
    return b"".join(parts)
