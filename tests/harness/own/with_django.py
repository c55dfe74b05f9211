"""Django with urllib3, in one file: gunicorn --threads 20 with_django:application."""

from __future__ import annotations

import os

import django
import urllib3
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="a test's")
django.setup()
pool = urllib3.PoolManager(maxsize=20)


def order(request: HttpRequest, number: int) -> JsonResponse:
    answer = pool.request("GET", f"{os.environ['UPSTREAM']}/stock/{number}")
    return JsonResponse({"order": number, "stock": answer.json()})


urlpatterns = [path("orders/<int:number>", order)]
application = get_wsgi_application()
