"""An event loop from scratch. A task is a generator: it runs until it has to wait.

Then it yields what it waits for, a socket or a future, and is put aside. The
loop asks the kernel which sockets are ready, and goes on with those tasks.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import os
import queue
import select
import signal
import socket
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Sequence
from time import monotonic
from typing import Any, TypeVar

READ, WRITE = select.POLLIN, select.POLLOUT  # the same numbers as epoll's
THREADS = 4

T = TypeVar("T")
Waits = Generator[Any, None, T]  # what a function with `yield` returns: it waits, then gives a T
Stopped = dict[int, dict[int, Waits[Any]]]  # by what it waits for, READ or WRITE, and descriptor


class Select:
    """Is given every socket anew at every call, and the kernel looks at each of them."""

    most = 1024  # FD_SETSIZE: its sets are bitmaps, one bit for a descriptor

    def watch(self, fd: int, event: int) -> None:
        """A task has stopped for this; nothing to do, as `wait` is given all there are."""

    ignore = watch

    def wait(self, stopped: Stopped, timeout_s: float | None) -> list[tuple[int, int]]:
        """The descriptors that are ready, and for what."""
        readable, writable, _ = select.select(stopped[READ], stopped[WRITE], (), timeout_s)
        return [(fd, READ) for fd in readable] + [(fd, WRITE) for fd in writable]


class Poll:
    """Remembers the list of sockets, but the kernel still looks at each at every call."""

    most = math.inf

    def __init__(self) -> None:
        self.poller: Any = select.poll()
        self.watched: dict[int, int] = {}

    def watch(self, fd: int, event: int) -> None:
        """A task has stopped for this. It stays on the list: the next one will come soon."""
        watched = self.watched.get(fd, 0)
        if not watched & event:
            self._set(fd, watched | event)

    def ignore(self, fd: int, event: int) -> None:
        """Unregister an event that no task waits for: it would be ready for ever."""
        watched = self.watched.get(fd, 0)
        if watched & event:
            self._set(fd, watched & ~event)

    def wait(self, stopped: Stopped, timeout_s: float | None) -> list[tuple[int, int]]:
        """The descriptors that are ready, and for what."""
        return self.poller.poll(None if timeout_s is None else math.ceil(timeout_s * 1000))

    def _set(self, fd: int, events: int) -> None:
        if not events:
            self.poller.unregister(fd)
            del self.watched[fd]
            return
        (self.poller.modify if fd in self.watched else self.poller.register)(fd, events)
        self.watched[fd] = events


class Epoll(Poll):
    """Leaves the list in the kernel, which notes what becomes ready: it looks at nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.poller = select.epoll()

    def wait(self, stopped: Stopped, timeout_s: float | None) -> list[tuple[int, int]]:
        return self.poller.poll(timeout_s)


POLLERS: dict[str, type[Select | Poll]] = {"select": Select, "poll": Poll, "epoll": Epoll}


class EventLoop:
    """The tasks that can go on, those that are stopped, and the timers."""

    def __init__(self) -> None:
        self.tasks: deque[Waits[Any]] = deque()
        self.stopped: Stopped = {READ: {}, WRITE: {}}
        self.timers: list[tuple[float, int, Callable[[], None]]] = []  # a heap
        self.numbers = itertools.count()  # so that no two timers compare their functions
        self.jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()  # for the threads
        self.done: deque[tuple[Future, Any, BaseException | None]] = deque()  # by the threads
        self.is_running = True  # False lets `run` end with this turn

    def spawn(self, task: Waits[Any]) -> None:
        """Begin a task, at the next turn."""
        self.tasks.append(task)

    def run(self, poller: Select | Poll) -> None:
        """Run the tasks while `is_running`. Only here is made what belongs to one process."""
        self.poller = poller
        self.notify, event = socket.socketpair()
        self.notify.setblocking(False)
        signal.set_wakeup_fd(self.notify.fileno(), warn_on_full_buffer=False)
        self.spawn(self.monitor(Socket(self, event)))
        for _ in range(THREADS):
            threading.Thread(target=self.work, daemon=True).start()
        while self.is_running:
            for fd, events in poller.wait(self.stopped, self.pause_s()):
                self.wake(fd, events)
            while self.timers and self.timers[0][0] <= monotonic():
                heapq.heappop(self.timers)[2]()
            for _ in range(len(self.tasks)):  # those they spawn have to wait for the next turn
                self.step(self.tasks.popleft())
        for task in [*self.tasks, *self.stopped[READ].values(), *self.stopped[WRITE].values()]:
            task.close()  # now, while all they need is still there

    def step(self, task: Waits[Any], error: BaseException | None = None) -> None:
        """Let a task go on to where it has to wait, and put it where it will be found."""
        try:
            awaited = task.throw(error) if error else next(task)
        except StopIteration:
            return
        except Exception:  # a fault: the others go on
            traceback.print_exc()
            return
        if isinstance(awaited, Future):
            awaited.task = task
            return
        sock, event = awaited
        self.stopped[event][sock.fd] = task
        self.poller.watch(sock.fd, event)
        if sock.timeout_s is not None:
            sock.set_deadline(sock.timeout_s)

    def wake(self, fd: int, events: int) -> None:
        """Let the tasks go on that waited for this; a lost connection is news for all of them."""
        for event, other in ((READ, WRITE), (WRITE, READ)):
            if events & ~other:
                task = self.stopped[event].pop(fd, None)
                if task is None:
                    self.poller.ignore(fd, event)
                else:
                    self.tasks.append(task)

    def pause_s(self) -> float | None:
        """How long to wait for sockets at most; None is for ever."""
        if self.tasks:
            return 0
        return max(0, self.timers[0][0] - monotonic()) if self.timers else None

    def at(self, when: float, function: Callable[[], None]) -> None:
        """Call `function` at that time of the monotonic clock."""
        heapq.heappush(self.timers, (when, next(self.numbers), function))

    def sleep(self, seconds: float) -> Waits[None]:
        """Wait for time to pass."""
        awake = Future(self)
        self.at(monotonic() + seconds, awake.set)
        yield from awake

    def gather(self, generators: Sequence[Waits[T]]) -> Waits[list[T]]:
        """Run them all at once; their results in order. The first error ends them all."""
        together = Future(self)
        results: dict[int, Any] = {}

        def run(number: int, generator: Waits[T]) -> Waits[None]:
            try:
                results[number] = yield from generator
            except Exception as error:
                together.set(error=error)
            if len(results) == len(generators):
                together.set()

        tasks = [run(*numbered) for numbered in enumerate(generators)]
        self.tasks.extend(tasks)
        try:
            yield from together
        finally:
            for task in tasks:
                task.close()  # where it stands, as if an exception were raised there
        return [results[number] for number in range(len(tasks))]

    def in_thread(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """A future of the result of a function that blocks."""
        future = Future(self)
        self.jobs.put((future, function, arguments))
        return future

    def work(self) -> None:
        """In a thread: do the jobs. The loop may be waiting: a byte in its socket ends that."""
        while True:
            future, function, arguments = self.jobs.get()
            try:
                self.done.append((future, function(*arguments), None))
            except Exception as error:
                self.done.append((future, None, error))
            with contextlib.suppress(BlockingIOError):  # so many bytes will wake it, too
                self.notify.send(b"!")

    def monitor(self, event: Socket) -> Waits[None]:
        """In the loop: hand on what the threads have done. Signals send a byte as well."""
        while True:
            yield from event.read()
            while self.done:
                future, result, error = self.done.popleft()
                future.set(result, error)


class Future:
    """A result that may not be there yet: `yield from` it. One task can wait for it."""

    def __init__(self, loop: EventLoop) -> None:
        self.loop = loop
        self.task: Waits[Any] | None = None
        self.is_set = False

    def set(self, result: Any = None, error: BaseException | None = None) -> None:
        """Let the task go on that waits; only the first time counts."""
        if self.is_set:
            return
        self.is_set, self.result, self.error = True, result, error
        if self.task is not None:
            self.loop.tasks.append(self.task)

    def __iter__(self) -> Waits[Any]:
        if not self.is_set:
            yield self
        if self.error is not None:
            raise self.error
        return self.result


class Socket:
    """A socket whose methods stop the task where they would block.

    Where nothing comes or goes for `timeout_s`, they raise TimeoutError.
    """

    def __init__(
        self, loop: EventLoop, sock: socket.socket, timeout_s: float | None = None
    ) -> None:
        sock.setblocking(False)
        self.loop, self.sock, self.fd = loop, sock, sock.fileno()
        self.timeout_s = timeout_s
        self.deadline = 0.0
        self.has_timer = False

    def read(self) -> Waits[bytes]:
        """The next bytes; ConnectionError at the end."""
        while True:
            yield self, READ
            try:
                data = self.sock.recv(65536)
            except BlockingIOError:
                continue
            if not data:
                raise ConnectionError
            return data

    def write(self, data: bytes | memoryview) -> Waits[None]:
        """Send all of it."""
        while True:
            try:
                sent = self.sock.send(data)
            except BlockingIOError:
                sent = 0
            if sent == len(data):
                return
            data = memoryview(data)[sent:]
            yield self, WRITE

    def connect(self, address: tuple[Any, ...]) -> Waits[None]:
        """Connect to a numeric address; closed where that fails."""
        try:
            with contextlib.suppress(BlockingIOError):
                self.sock.connect(address)
                return
            yield self, WRITE
            if error := self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(error, os.strerror(error))
        except BaseException:
            self.close()
            raise

    def cut(self) -> None:
        """End the connection in both directions: whoever waits for it will see."""
        with contextlib.suppress(OSError):  # it had ended
            self.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give up the descriptor, which the next socket may get."""
        if self.fd >= 0:
            for waiting in self.loop.stopped.values():
                waiting.pop(self.fd, None)
            self.loop.poller.ignore(self.fd, READ | WRITE)
            self.sock.close()
            self.fd = -1

    def set_deadline(self, timeout_s: float) -> None:
        """One timer a socket, that is set anew when it goes off: most waits end long before."""
        self.deadline = monotonic() + timeout_s
        if not self.has_timer:
            self.has_timer = True
            self.loop.at(self.deadline, self.check_deadline)

    def check_deadline(self) -> None:
        waits = any(self.fd in waiting for waiting in self.loop.stopped.values())
        if waits and monotonic() < self.deadline:
            self.loop.at(self.deadline, self.check_deadline)
            return
        self.has_timer = False
        for waiting in self.loop.stopped.values():
            if self.timeout_s is not None and (task := waiting.pop(self.fd, None)):
                self.loop.step(task, TimeoutError())
