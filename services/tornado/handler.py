"""The parts that all answers have in common, and rules of HTTP that Tornado leaves out."""

import re

from tornado.httputil import HTTPServerRequest
from tornado.web import Application, RequestHandler

import contract

scheme_and_host = re.compile(r"https?://[^/]+", re.IGNORECASE).match


class Service(Application):
    """Tornado's Application, which also finds `GET http://any.host/health`."""

    def find_handler(self, request: HTTPServerRequest, **kwargs: object) -> object:
        if found := scheme_and_host(request.path):
            request.path = request.path[found.end() :] or "/"
        return super().find_handler(request, **kwargs)


class Handler(RequestHandler):
    in_flight = 0
    stopping = False

    def prepare(self) -> None:
        Handler.in_flight += 1
        if Handler.stopping:
            raise contract.Problem(503, contract.SHUTTING_DOWN)

    def on_finish(self) -> None:
        Handler.in_flight -= 1

    def head(self) -> object:
        return self.get()

    def request_id(self) -> str:
        return contract.checked_request_id(self.request.headers.get("X-Request-ID"))

    def answer(self, body: bytes, status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Content-Type", contract.JSON)
        if not self.is_last():
            self.finish(body)
            return
        self.set_header("Connection", "close")
        connection = self.request.connection  # before finish() lets go of it
        self.finish(body).add_done_callback(lambda _: connection.close())

    def is_last(self) -> bool:
        """True to close the connection; Tornado itself sees `close` but not `close, TE`."""
        options = self.request.headers.get("Connection", "").lower()
        return Handler.stopping or "close" in options.replace(" ", "").split(",")

    def compute_etag(self) -> None:
        return None  # a hash of every body, for clients that never ask

    def log_exception(self, kind: type, error: BaseException, *rest: object) -> None:
        if not isinstance(error, contract.Problem):
            super().log_exception(kind, error, *rest)

    def write_error(self, status_code: int, **kwargs: object) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, contract.Problem):
            self.answer(contract.error_body(error.message), error.status)
            return
        if status_code == 405:
            self.set_header("Allow", "GET, HEAD")
        message = contract.MESSAGES.get(status_code, contract.INTERNAL)
        self.answer(contract.error_body(message), status_code)


class NoRoute(Handler):
    def prepare(self) -> None:
        super().prepare()
        raise contract.Problem(404, contract.NO_ROUTE)
