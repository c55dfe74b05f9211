"""Every answer is JSON, those to errors, too."""

from sanic import HTTPResponse, Request, Sanic, raw
from sanic.exceptions import SanicException
from sanic.handlers import ErrorHandler

import contract


def answer(body: bytes, status: int = 200) -> HTTPResponse:
    return raw(body, status, content_type=contract.JSON)


def add_errors_to(app: Sanic) -> None:
    app.exception(contract.Problem)(problem)
    app.exception(SanicException)(http_error)
    app.exception(Exception)(fault)


async def problem(request: Request, error: contract.Problem) -> HTTPResponse:
    return answer(contract.error_body(error.message), error.status)


async def http_error(request: Request, error: SanicException) -> HTTPResponse:
    if error.status_code == 405 and request.raw_url == b"*":  # which Sanic takes for /
        return answer(contract.error_body(contract.NO_ROUTE), 404)
    message = contract.MESSAGES.get(error.status_code, str(error))
    response = answer(contract.error_body(message), error.status_code)
    response.headers.update(error.headers)
    return response


async def fault(request: Request, error: Exception) -> HTTPResponse:
    ErrorHandler.log(request, error)
    return answer(contract.error_body(contract.INTERNAL), 500)
