"""The app, and the parts of a request that handlers read; every answer is JSON, errors too."""

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

import contract

app = Flask("app", static_folder=None)
app.url_map.merge_slashes = False  # no redirects: a path is a route or a 404
app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False


def query() -> str:
    return request.query_string.decode("latin-1")


def request_id() -> str:
    return contract.checked_request_id(request.headers.get("X-Request-ID"))


def answer(body: bytes, status: int = 200) -> Response:
    # It is bytes already: nothing to encode on the way out (3 % of a request).
    return Response(body, status, content_type=contract.JSON, direct_passthrough=True)


@app.errorhandler(contract.Problem)
def problem(error: contract.Problem) -> Response:
    return answer(contract.error_body(error.message), error.status)


@app.errorhandler(HTTPException)
def http_error(error: HTTPException) -> Response:
    messages = {**contract.MESSAGES, 500: contract.INTERNAL}
    response = error.get_response()
    response.data = contract.error_body(messages.get(error.code, error.description))
    response.content_type = contract.JSON
    return response


def ignore_upgrades() -> None:
    """Answer a request for an upgrade that it does not get as any other; werkzeug says 400."""
    for rule in list(app.url_map.iter_rules()):
        app.url_map.add(Rule(rule.rule, endpoint=rule.endpoint, methods=["GET"], websocket=True))
