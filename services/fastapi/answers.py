"""The parts of a request that handlers read; every answer is JSON, those to errors, too."""

from fastapi import Request, Response
from starlette.exceptions import HTTPException

import contract


def query(request: Request) -> str:
    return request.scope["query_string"].decode("latin-1")


def request_id(request: Request) -> str:
    given = request.headers.getlist("X-Request-ID")
    return contract.checked_request_id(",".join(given) if given else None)


def answer(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type=contract.JSON)


async def problem(request: Request, error: contract.Problem) -> Response:
    return answer(contract.error_body(error.message), error.status)


async def http_error(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    message = contract.MESSAGES.get(status, contract.INTERNAL)
    response = answer(contract.error_body(message), status)
    response.headers.update(getattr(error, "headers", None) or {})
    return response


ERRORS = {contract.Problem: problem, HTTPException: http_error, Exception: http_error}
