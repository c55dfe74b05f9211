"""Rung 5: the same with names. An event loop, a future, a socket that can be waited for.

    python -m loadtests.ladder.rung5_classes HOST PORT DELAY REQUESTS

keeps so many requests under way. A second thread asks for one more now and
then; a line on stdout is how long that one was not even started, in seconds.
"""

import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Generator
from select import select
from threading import Thread

HOST, PORT, DELAY = sys.argv[1], int(sys.argv[2]), sys.argv[3]
REQUESTS = int(sys.argv[4])
REQUEST = f"GET /delay/{DELAY} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()

Task = Generator[socket.socket, None, None]


class EventLoop:
    """Runs the tasks that can go on, and waits for the sockets of all others."""

    def __init__(self) -> None:
        self.tasks: deque[Task] = deque()
        self.stopped: dict[socket.socket, Task] = {}

    def add_task(self, task: Task) -> None:
        self.tasks.append(task)

    def run_forever(self) -> None:
        while self.tasks or self.stopped:
            while not self.tasks:
                for sock in select(self.stopped, [], [])[0]:
                    self.tasks.append(self.stopped.pop(sock))
            while self.tasks:
                task = self.tasks.popleft()
                try:
                    sock = next(task)
                except StopIteration:
                    continue
                self.stopped[sock] = task


class Future:
    """A result that another thread will hand in; then `callback` is called in the loop's."""

    def __init__(self, loop: EventLoop, callback: Callable[[float], None]) -> None:
        self.notify, self.event = socket.socketpair()
        self.callback = callback
        self.result: float
        loop.add_task(self.monitor())

    def set_result(self, result: float) -> None:
        self.result = result
        self.notify.send(b"!")

    def monitor(self) -> Task:
        with self.notify, self.event:
            yield self.event
            self.callback(self.result)


class AsyncSocket(socket.socket):
    """A socket whose `read` lets others go on."""

    def read(self, size: int) -> Generator[socket.socket, None, bytes]:
        yield self
        return self.recv(size)


def make_request() -> Generator[socket.socket, None, bytes]:
    with AsyncSocket() as sock:
        sock.connect((HOST, PORT))
        sock.sendall(REQUEST)
        return (yield from sock.read(1000))


def make_requests() -> Task:
    while True:
        yield from make_request()


def make_one_more(asked_at: float) -> Task:
    print(time.perf_counter() - asked_at, flush=True)
    yield from make_request()


loop = EventLoop()
waiting: deque[Future] = deque()


def await_more() -> None:
    """Have a future waiting that the other thread can fulfil."""
    waiting.append(Future(loop, start_one_more))


def start_one_more(asked_at: float) -> None:
    loop.add_task(make_one_more(asked_at))
    await_more()


def ask_for_more() -> None:
    while True:
        time.sleep(float(DELAY) / 7)
        if waiting:
            waiting.popleft().set_result(time.perf_counter())


for _ in range(REQUESTS):
    loop.add_task(make_requests())
await_more()
Thread(target=ask_for_more, daemon=True).start()
loop.run_forever()
