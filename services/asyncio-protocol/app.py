"""A bare asyncio.Protocol on uvloop: an object with callbacks waits.

While the backend is slow, all that is left of a request is a `Call` in a table,
with the callback that its answer will go to. No coroutine, no stack.
"""

import asyncio
import socket
from functools import partial

import uvloop
from client import Backend, Result, Together, checked
from server import Connection, Request, Server

import contract
import start
from bare.tuning import calm_gc
from start import SETTINGS

backend = Backend()


def index(request: Request) -> None:
    delay = contract.delay_from(request.query)
    backend.call(delay, request.id(), request.answer)


def fanout(request: Request) -> None:
    number, delay = contract.fanout_from(request.query)
    ids = contract.call_ids(request.id(), number)

    def done(answers: list[bytes] | contract.Problem) -> None:
        request.answer(contract.fanout_body(SETTINGS, delay, checked(answers)))

    Together(backend, delay, ids, partial(request.attempt, done))


class Composite:
    """The steps of `/composite`: each is called back with what the one before asked for."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.delay, self.cycles = contract.composite_from(request.query)
        self.ids = contract.call_ids(request.id(), contract.COMPOSITE_CALLS)
        self.answers = [b""] * contract.COMPOSITE_CALLS
        self.branches: list[Together] = []
        backend.call(self.delay, self.ids[0], partial(request.attempt, self.first))

    def first(self, result: Result) -> None:
        self.answers[0] = checked(result)
        contract.burn(self.cycles)
        for place in (1, 6):
            done = partial(self.request.attempt, self.branch, place)
            branch = Together(backend, self.delay, self.ids[place : place + 5], done)
            self.branches.append(branch)

    def branch(self, place: int, results: list[bytes] | contract.Problem) -> None:
        if isinstance(results, contract.Problem):
            for branch in self.branches:
                branch.cancel()
            raise results
        self.answers[place : place + 5] = results
        contract.burn(self.cycles)
        if all(self.answers[1:11]):
            contract.burn(self.cycles)
            backend.call(self.delay, self.ids[11], partial(self.request.attempt, self.last))

    def last(self, result: Result) -> None:
        self.answers[11] = checked(result)
        contract.burn(self.cycles)
        body = contract.composite_body(SETTINGS, self.delay, self.cycles, self.answers)
        self.request.answer(body)


def cpu(request: Request) -> None:
    request.answer(contract.cpu_body(request.query))


def health(request: Request) -> None:
    request.answer(b'{"status":"ok"}')


def info(request: Request) -> None:
    request.answer(start.info())


async def serve(listener: socket.socket) -> None:
    server = Server(
        {
            b"/": index,
            b"/fanout": fanout,
            b"/composite": Composite,
            b"/cpu": cpu,
            b"/health": health,
            b"/info": info,
        }
    )
    loop = asyncio.get_running_loop()
    # uvloop listens anew, with a backlog of 100 where it is not told.
    listening = await loop.create_server(
        partial(Connection, server), sock=listener, backlog=start.BACKLOG
    )
    server.sweep()
    calm_gc()
    await start.sigterm()
    listening.close()
    server.stop()
    await start.drained(lambda: len(server.connections))
    backend.close()


if __name__ == "__main__":
    start.run(lambda listener: uvloop.run(serve(listener)))
