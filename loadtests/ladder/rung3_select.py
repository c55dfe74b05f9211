"""Rung 3: generators and select. One thread waits for all sockets at once.

A generator stops at `yield`, where the thread of rung 2 stood in `recv`, and
says which socket it waits for. What select finds ready goes on.

    python -m loadtests.ladder.rung3_select HOST PORT DELAY REQUESTS

keeps so many requests under way. A second thread asks for one more now and
then; a line on stdout is how long that one was not even started, in seconds.
"""

import socket
import sys
import time
from collections import deque
from collections.abc import Generator
from select import select
from threading import Thread

HOST, PORT, DELAY = sys.argv[1], int(sys.argv[2]), sys.argv[3]
REQUESTS = int(sys.argv[4])
REQUEST = f"GET /delay/{DELAY} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()

Task = Generator[socket.socket, None, None]
tasks: deque[Task] = deque()  # can go on
stopped: dict[socket.socket, Task] = {}  # wait for a socket


def make_request() -> Generator[socket.socket, None, bytes]:
    with socket.create_connection((HOST, PORT)) as sock:
        sock.sendall(REQUEST)
        yield sock
        return sock.recv(1000)  # it is ready: this does not wait


def make_requests() -> Task:
    while True:
        yield from make_request()


def make_one_more(asked_at: float) -> Task:
    print(time.perf_counter() - asked_at, flush=True)
    yield from make_request()


def ask_for_more() -> None:
    while True:
        time.sleep(float(DELAY) / 7)
        # Nobody looks at the deque while select waits: this is what rung 4 mends.
        tasks.append(make_one_more(time.perf_counter()))


def run_tasks() -> None:
    while tasks or stopped:
        while not tasks:
            for sock in select(stopped, [], [])[0]:
                tasks.append(stopped.pop(sock))
        while tasks:
            task = tasks.popleft()
            try:
                sock = next(task)
            except StopIteration:
                continue
            stopped[sock] = task


tasks.extend(make_requests() for _ in range(REQUESTS))
Thread(target=ask_for_more, daemon=True).start()
run_tasks()
