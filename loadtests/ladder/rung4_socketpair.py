"""Rung 4: a socketpair wakes select, so that another thread can hand in work.

The loop is that of rung 3. New is a task which waits for one end of a pair of
connected sockets; whoever writes a byte into the other end ends the select.

    python -m loadtests.ladder.rung4_socketpair HOST PORT DELAY REQUESTS

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
notify, event = socket.socketpair()


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
        tasks.append(make_one_more(time.perf_counter()))
        notify.send(b"!")


def wait_for_notice() -> Task:
    while True:
        yield event
        event.recv(1000)  # that it came is all it says; the work is in the deque


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


tasks.append(wait_for_notice())
tasks.extend(make_requests() for _ in range(REQUESTS))
Thread(target=ask_for_more, daemon=True).start()
run_tasks()
