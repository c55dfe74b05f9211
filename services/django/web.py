"""Settings, routes and errors of Django: all that no request waits in.

No database, no apps, no middleware: what the contract does not ask for is left out.
"""

import inspect
import logging
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path

import contract

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], USE_I18N=False, LOGGING_CONFIG=None)
# Every answer but 200 would be a line of the log. What is left has a traceback.
logging.getLogger("django.request").addFilter(lambda record: bool(record.exc_info))

urlpatterns = []


def get(route: str) -> Callable:
    """Answer GET and HEAD of `route` with the body that the decorated function returns."""

    def decorate(view: Callable) -> Callable:
        def answered(request: HttpRequest) -> HttpResponse:
            try:
                return answer(view(safe(request)))
            except contract.Problem as error:
                return problem(error)

        async def answered_async(request: HttpRequest) -> HttpResponse:
            try:
                return answer(await view(safe(request)))
            except contract.Problem as error:
                return problem(error)

        is_async = inspect.iscoroutinefunction(view)
        urlpatterns.append(path(route, answered_async if is_async else answered))
        return view

    return decorate


def query(request: HttpRequest) -> str:
    return request.META["QUERY_STRING"]


def request_id(request: HttpRequest) -> str:
    return contract.checked_request_id(request.META.get("HTTP_X_REQUEST_ID"))


def safe(request: HttpRequest) -> HttpRequest:
    if request.method in ("GET", "HEAD"):
        return request
    raise contract.Problem(405, contract.WRONG_METHOD)


def answer(body: bytes, status: int = 200) -> HttpResponse:
    # Content-Length would be CommonMiddleware's work, which does more.
    headers = {"Content-Type": contract.JSON, "Content-Length": str(len(body))}
    return HttpResponse(body, status=status, headers=headers)


def problem(error: contract.Problem) -> HttpResponse:
    response = answer(contract.error_body(error.message), error.status)
    if error.status == 405:
        response["Allow"] = "GET, HEAD"
    return response


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(contract.error_body(contract.NO_ROUTE), 404)


def handler500(request: HttpRequest) -> HttpResponse:
    return answer(contract.error_body(contract.INTERNAL), 500)
