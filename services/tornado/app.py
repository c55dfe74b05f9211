"""Tornado on uvloop: a coroutine waits.

While the backend is slow, the coroutine that asked it is suspended at `await`;
the one event loop of the process goes on with all the others.
"""

import socket

import uvloop
from chat import PING_S, Chat
from client import Backend
from handler import Handler, NoRoute, Service
from tornado.httpserver import HTTPServer

import contract
import start
from start import KEEP_ALIVE_S, SETTINGS
from tasks import together


class Index(Handler):
    async def get(self) -> None:
        delay = contract.delay_from(self.request.query)
        self.answer(await backend.call(delay, self.request_id()))


class Fanout(Handler):
    async def get(self) -> None:
        number, delay = contract.fanout_from(self.request.query)
        ids = contract.call_ids(self.request_id(), number)
        answers = await together(*[backend.call(delay, call_id) for call_id in ids])
        self.answer(contract.fanout_body(SETTINGS, delay, answers))


class Composite(Handler):
    async def get(self) -> None:
        delay, cycles = contract.composite_from(self.request.query)
        ids = contract.call_ids(self.request_id(), contract.COMPOSITE_CALLS)

        async def branch(ids: list[str]) -> list[bytes]:
            answers = await together(*[backend.call(delay, call_id) for call_id in ids])
            contract.burn(cycles)
            return answers

        first = await backend.call(delay, ids[0])
        contract.burn(cycles)
        left, right = await together(branch(ids[1:6]), branch(ids[6:11]))
        contract.burn(cycles)
        last = await backend.call(delay, ids[11])
        contract.burn(cycles)
        self.answer(contract.composite_body(SETTINGS, delay, cycles, [first, *left, *right, last]))


class Cpu(Handler):
    def get(self) -> None:
        self.answer(contract.cpu_body(self.request.query))


class Json(Handler):
    async def get(self) -> None:
        delay, size = contract.json_from(self.request.query)
        answer = await backend.call(f"{delay}/{size}", self.request_id())
        self.answer(contract.json_body(SETTINGS, answer))


class Health(Handler):
    def get(self) -> None:
        self.answer(b'{"status":"ok"}')


class Info(Handler):
    def get(self) -> None:
        self.answer(start.info())


service = Service(
    [
        ("/", Index),
        ("/fanout", Fanout),
        ("/composite", Composite),
        ("/cpu", Cpu),
        ("/json", Json),
        ("/chat", Chat),
        ("/health", Health),
        ("/info", Info),
    ],
    default_handler_class=NoRoute,
    log_function=lambda handler: None,  # no access log
    websocket_max_message_size=contract.MAX_MESSAGE,  # 1009 above it
    websocket_ping_interval=PING_S,
)


async def serve(listener: socket.socket) -> None:
    """Answer until SIGTERM or SIGINT; then finish what is in flight."""
    global backend
    backend = Backend()
    server = HTTPServer(service, ssl_options=start.tls(), idle_connection_timeout=KEEP_ALIVE_S)
    listener.setblocking(False)
    server.add_socket(listener)
    await start.sigterm()
    server.stop()
    Handler.stopping = True
    Chat.close_all()
    await start.drained(lambda: Handler.in_flight + len(Chat.members))
    await server.close_all_connections()
    await backend.close()


if __name__ == "__main__":
    start.run(lambda listener: uvloop.run(serve(listener)))
