"""Flask in sync workers, an event loop inside each: the workaround of 2013.

While the backend is slow, the process waits: its loop runs until all calls of the
one request it serves are done. They wait at once; the next request waits outside.
"""

import asyncio
import functools
import gc
import json
import os
import platform
import tempfile
import tomllib
from collections.abc import Coroutine
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import aiohttp
import uvloop
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from yarl import URL

import contract

SETTINGS = contract.settings(os.environ)
FOLDER = Path(__file__).parent
INFO = {
    "service": FOLDER.name,
    "workers": SETTINGS.workers,
    "concurrency": SETTINGS.concurrency,
    "slots": SETTINGS.workers,  # a process holds one request, whatever CONCURRENCY says
    "client_pool": SETTINGS.concurrency,
    "backend_url": SETTINGS.backend_url,
    "backend_timeout_s": SETTINGS.backend_timeout_s,
    "versions": {"python": platform.python_version()}
    | {name: version(name) for name in (FOLDER / "requirements.in").read_text().split()},
}
CANNOT = tomllib.loads((FOLDER / "service.toml").read_text())["cannot"]
Result = TypeVar("Result")
FILE = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process


class Stale(Exception):
    """The backend closed the connection before anything came back."""


class BackendResponse(aiohttp.ClientResponse):
    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        # Else aiohttp asks again by itself, on a connection that may be as stale.
        try:
            return await super().start(connection)
        except aiohttp.ServerDisconnectedError as error:
            if isinstance(error.message, str):  # else it is the beginning of an answer
                raise Stale from None
            raise contract.BackendBroken(SETTINGS.backend_url) from None
        except aiohttp.ClientOSError:
            raise Stale from None


class Backend:
    """The way to the backend: one pool of kept-alive connections a process."""

    def __init__(self) -> None:
        # One connection for each call in flight; the rest wait in line here
        # and not in a connector, whose limit (100 by default) is off.
        self.slots = asyncio.Semaphore(SETTINGS.concurrency)
        self.pooled = self.open(aiohttp.TCPConnector(limit=0, keepalive_timeout=60))
        self.unpooled = self.open(aiohttp.TCPConnector(limit=0, force_close=True))

    def open(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            # Silence of the backend counts, waiting in line does not.
            timeout=aiohttp.ClientTimeout(
                sock_connect=SETTINGS.backend_timeout_s, sock_read=SETTINGS.backend_timeout_s
            ),
            cookie_jar=aiohttp.DummyCookieJar(),  # the backend sets none: no search for any
            auto_decompress=False,
            response_class=BackendResponse,
        )

    async def call(self, delay: str, request_id: str) -> bytes:
        """The body of the backend's answer; raises BackendBroken or BackendSlow."""
        try:
            async with self.slots:
                try:
                    return await self.exchange(self.pooled, delay, request_id)
                except Stale:
                    return await self.exchange(self.unpooled, delay, request_id)
        except TimeoutError:
            raise contract.BackendSlow(SETTINGS.backend_url, SETTINGS.backend_timeout_s) from None
        except (aiohttp.ClientError, Stale):
            raise contract.BackendBroken(SETTINGS.backend_url) from None

    async def exchange(self, session: aiohttp.ClientSession, delay: str, request_id: str) -> bytes:
        headers = {"X-Request-ID": request_id} if request_id else None
        url = URL(f"{SETTINGS.backend_url}/delay/{delay}", encoded=True)
        # Not `async with`: read() gives the connection back, or closes it (4 % of a request).
        response = await session.get(url, headers=headers, allow_redirects=False)
        if response.status != 200:
            response.close()
            raise contract.BackendBroken(SETTINGS.backend_url)
        return await response.read()

    async def line(self, delay: str, request_id: str) -> bytes:
        """The line that comes back; raises BackendBroken or BackendSlow."""
        try:
            async with self.slots:
                return await self.exchange_line(contract.line(delay, request_id))
        except TimeoutError:
            raise contract.BackendSlow(SETTINGS.backend_url, SETTINGS.backend_timeout_s) from None
        except OSError:
            raise contract.BackendBroken(SETTINGS.backend_url) from None

    async def exchange_line(self, line: bytes) -> bytes:
        address = contract.line_address(SETTINGS.backend_url)
        async with asyncio.timeout(SETTINGS.backend_timeout_s):
            reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(line)
            received = b""
            while received != line and line.startswith(received):  # else it is garbled
                async with asyncio.timeout(SETTINGS.backend_timeout_s):
                    data = await reader.read(len(line))
                if not data:
                    break
                received += data
            return received
        finally:
            writer.close()


@functools.cache
def backend() -> Backend:
    """The one of this process: it belongs to the loop that first asks for it."""
    return Backend()


# Makes its loop when it is first used, in the worker, and keeps it: with the
# loop, the connections to the backend outlive a request.
reactor = asyncio.Runner(loop_factory=uvloop.new_event_loop)


def wait_for(work: Coroutine[None, None, Result]) -> Result:
    """Run the loop until the work is done."""

    async def after_a_look() -> Result:
        # The loop stood still since the last request. Let it see what happened
        # meanwhile: which idle connections the backend has closed.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return await work

    return reactor.run(after_a_look())


async def together(*coroutines: Coroutine[None, None, object]) -> list:
    """All results, in order; the first failure cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


def make_file() -> None:
    for _ in range(16):
        FILE.write(contract.file_block())
    FILE.flush()


def read_file(size: int) -> bytes:
    parts, left = [], size
    while left:
        parts.append(os.pread(FILE.fileno(), left, size - left))
        left -= len(parts[-1])
    return b"".join(parts)


app = Flask(__name__, static_folder=None)  # which would be a route of its own
app.url_map.merge_slashes = False  # no redirects: a path is a route or a 404
app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False


def query() -> str:
    return request.query_string.decode("latin-1")


def request_id() -> str:
    return contract.checked_request_id(request.headers.get("X-Request-ID"))


def answer(body: bytes, status: int = 200) -> Response:
    return Response(body, status, content_type=contract.JSON)


@app.get("/")
def index() -> Response:
    async def work(delay: str, request_id: str) -> bytes:
        return await backend().call(delay, request_id)

    return answer(wait_for(work(contract.delay_from(query()), request_id())))


@app.get("/fanout")
def fanout() -> Response:
    async def work(delay: str, ids: list[str]) -> list[bytes]:
        return await together(*(backend().call(delay, call_id) for call_id in ids))

    calls, delay = contract.fanout_from(query())
    answers = wait_for(work(delay, contract.call_ids(request_id(), calls)))
    return answer(contract.fanout_body(SETTINGS.backend_url, delay, answers))


@app.get("/composite")
def composite() -> Response:
    async def branch(ids: list[str]) -> list[bytes]:
        answers = await together(*(backend().call(delay, call_id) for call_id in ids))
        contract.burn(cycles)
        return answers

    async def work(ids: list[str]) -> list[bytes]:
        answers = [await backend().call(delay, ids[0])]
        contract.burn(cycles)
        for part in await together(branch(ids[1:6]), branch(ids[6:11])):
            answers += part
        contract.burn(cycles)
        answers.append(await backend().call(delay, ids[11]))
        contract.burn(cycles)
        return answers

    delay, cycles = contract.composite_from(query())
    answers = wait_for(work(contract.call_ids(request_id(), contract.COMPOSITE_CALLS)))
    return answer(contract.composite_body(SETTINGS.backend_url, delay, cycles, answers))


@app.get("/cpu")
def cpu() -> Response:
    cycles = contract.cycles_from(query())
    contract.burn(cycles)
    return answer(contract.cpu_body(cycles))


@app.get("/line")
def line() -> Response:
    async def work(delay: str, request_id: str) -> bytes:
        return await backend().line(delay, request_id)

    delay, line_id = contract.delay_from(query()), request_id()
    received = wait_for(work(delay, line_id))
    sent = contract.line(delay, line_id)
    return answer(contract.line_body(SETTINGS.backend_url, sent, received))


@app.get("/file")
def file() -> Response:
    size = contract.size_from(query())
    return Response(read_file(size), content_type="application/octet-stream")


@app.get("/chat")
def chat() -> Response:
    raise contract.Cannot(CANNOT["/chat"])


@app.get("/health")
def health() -> Response:
    return answer(b'{"status":"ok"}')


@app.get("/info")
def info() -> Response:
    return answer(json.dumps(INFO).encode())


@app.errorhandler(contract.Problem)
def problem(error: contract.Problem) -> Response:
    return answer(contract.error_body(error.message), error.status)


@app.errorhandler(HTTPException)
def http_error(error: HTTPException) -> Response:
    messages = {404: contract.NO_ROUTE, 405: contract.WRONG_METHOD}
    message = messages.get(error.code, contract.INTERNAL)
    response = error.get_response()
    response.data = contract.error_body(message)
    response.content_type = contract.JSON
    return response


make_file()  # one for all processes: the workers are forked from the one that loads this
# Never look at what was there at the start, which the workers share as long as
# nobody writes to it.
gc.collect()
gc.freeze()
