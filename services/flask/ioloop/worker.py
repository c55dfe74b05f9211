"""gunicorn's sync worker, except for how it closes connections and how it ends."""

import gc
import os
import select
import signal
import socket
import time
from collections.abc import Iterator

from gunicorn.http.message import Request
from gunicorn.workers.sync import SyncWorker

import start


class Worker(SyncWorker):
    taken = ()

    def init_signals(self) -> None:
        super().init_signals()
        start.heed_sigterm()

    def handle_request(
        self, listener: socket.socket, req: Request, client: socket.socket, addr: tuple
    ) -> None:
        """Answer and close at once; gunicorn would wait two seconds for the client to do so."""
        super().handle_request(listener, req, client, addr)
        if not can_be_read(client):  # if something is left, closing would be a reset
            client.close()

    def handle_exit(self, sig: int, frame: object) -> None:
        """At SIGTERM accept all that are queued, which would be lost; no more can come."""
        if self.alive:
            self.taken = [connection for sock in self.sockets for connection in queued(sock)]
        super().handle_exit(sig, frame)

    def run(self) -> None:
        super().run()
        for listener, client, address in self.taken:
            client.setblocking(True)
            if can_be_read(client, 0.1):
                self.handle(listener, client, address)


def before_fork() -> None:
    gc.freeze()  # the workers share what was there at the start as long as nobody writes to it
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


# A process that has just been forked has the handler of its parent, which would lose a SIGTERM.
# So the signal is blocked until the worker has a handler of its own.
os.register_at_fork(before=before_fork, after_in_parent=start.heed_sigterm)


def queued(listener: socket.socket) -> Iterator[tuple]:
    """Accept until the backlog is empty."""
    while True:
        try:
            yield listener, *listener.accept()
            time.sleep(0.001)  # leave the other workers their share
        except BlockingIOError:
            return


def can_be_read(connection: socket.socket, timeout_s: float = 0) -> bool:
    return bool(select.select([connection], [], [], timeout_s)[0])
