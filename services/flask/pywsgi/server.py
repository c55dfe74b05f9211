"""gevent's own server for `app.py`: where it listens, its processes, and how it ends."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import sys
from contextlib import suppress

import contract

SETTINGS = contract.settings(os.environ)


def serve(listener: socket.socket) -> None:
    """Answer until SIGTERM or SIGINT; then finish what is in flight."""
    # Here and not above: what is patched, the processes would have to be forked with.
    from gevent import monkey

    monkey.patch_all()
    import gevent
    from gevent import pywsgi
    from gevent.event import Event

    class Handler(pywsgi.WSGIHandler):
        """Tells which connections wait for a request, and forgives those that hang up."""

        def handle(self) -> None:
            with suppress(OSError):  # it would be a traceback
                super().handle()

        def read_requestline(self) -> str:
            if stop.is_set():
                end(self.socket)
            idle.add(self.socket)
            try:
                return super().read_requestline()
            finally:
                idle.discard(self.socket)

        def read_request(self, requestline: str) -> bool:
            if not requestline.rstrip("\r\n").isprintable():  # it splits at any white space
                raise ValueError("a request line with control characters")
            return super().read_request(requestline)

        def handle_one_response(self) -> None:
            super().handle_one_response()
            if self.status is None:  # it was a WebSocket
                self.close_connection = True

        def _handle_client_error(self, error: Exception) -> tuple[str, bytes]:
            if isinstance(error, OSError):
                raise error
            return super()._handle_client_error(error)

    def end(connection: gevent.socket.socket) -> None:
        """Let it read what has arrived, and no more."""
        with suppress(OSError):  # the client was faster
            connection.shutdown(socket.SHUT_RD)

    idle = set()
    stop = Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    from app import app  # which has something to do at SIGTERM, too

    server = pywsgi.WSGIServer(
        gevent.socket.socket(fileno=listener.detach()),
        app,
        # Connections, not requests: kept-alive ones count. `app.py` limits what is in flight.
        spawn=20_000,
        log=None,
        handler_class=Handler,
        # With more than one process: one new connection a turn, so that all get some.
        environ={"wsgi.multiprocess": SETTINGS.workers > 1},
    )
    server.start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    stop.wait()
    gevent.sleep(0.1)  # what came before the signal may still be in the backlog
    server.close()
    for connection in idle.copy():
        end(connection)
    server.stop(timeout=30)


def main() -> None:
    try:
        # A backlog for as many as may connect in one instant (gevent's default is 128).
        listener = socket.create_server((SETTINGS.host, SETTINGS.port), backlog=4096)
    except OSError as error:
        sys.exit(f"cannot listen on {SETTINGS.host}:{SETTINGS.port}: {error.strerror}")
    # Connections inherit it. Without it a body waits until the client acknowledges the head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until somebody can heed it
    if SETTINGS.workers == 1:
        serve(listener)
        return
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=serve, args=[listener]) for _ in range(SETTINGS.workers)]
    for worker in workers:
        worker.start()
    running = list(workers)

    def stop(*_: object) -> None:
        while running:
            running.pop().terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    multiprocessing.connection.wait([worker.sentinel for worker in workers])
    stop()  # one is gone: without it the service is not what it says
    for worker in workers:
        worker.join()
    sys.exit(max(abs(worker.exitcode) for worker in workers))


if __name__ == "__main__":
    main()
