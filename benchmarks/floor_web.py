"""
The floor of holds and captures: a bare Django application whose one view decodes a body and makes one debit.

No authentication, no middleware, no pricing, no hold, no event, no roll-up: one SQL function in one round trip, which locks a row like
a wallet, updates it and inserts a row into a table with the ledger's columns, indexes and constraints. Connections are kept and not
tested before use. This is no part of the product.
"""

import json
from typing import Final

import environ
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(
    DATABASES={
        "default": environ.Env().db_url("DATABASE_URL")
        | {"CONN_MAX_AGE": 60, "OPTIONS": {"connect_timeout": 5, "options": "-c jit=off -c timezone=UTC -c lock_timeout=30s"}}
    },
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    SECRET_KEY="nothing is signed here",  # noqa: S106
    USE_TZ=True,
)

DEBIT: Final = "SELECT floor_debit(%s, %s, %s, clock_timestamp())"


def debit(request: HttpRequest) -> HttpResponse:
    """One debit: `account` (internal id), `amount` in nanos, `event_id`."""
    asked = json.loads(request.body)
    with connection.cursor() as cursor:
        cursor.execute(DEBIT, (asked["account"], asked["amount"], asked["event_id"]))
        (balance,) = cursor.fetchone()
    body = json.dumps({"balance_nanos": balance}).encode()
    return HttpResponse(body, content_type="application/json", headers={"Content-Length": str(len(body))})


def healthz(_request: HttpRequest) -> HttpResponse:
    """It is up."""
    return HttpResponse(b"ok")


urlpatterns = [path("debit", debit), path("healthz", healthz)]
application = get_wsgi_application()
