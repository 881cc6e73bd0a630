"""Alive, ready, measured: what load balancers and Prometheus ask."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Final

import redis
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db import Error as DatabaseFailure
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.api.views import ApiView
from payments.selectors import PaymentReview
from payments.services.inbox import count_stuck_events

logger = logging.getLogger(__name__)

_REMEMBERED_SECONDS: Final = 1.0
_SCRAPE_SECONDS: Final = 2


class HealthOutput(serializers.Serializer[Any]):
    """The process answers."""

    status = serializers.CharField()


class ReadyOutput(serializers.Serializer[Any]):
    """Each part, and all of them."""

    status = serializers.ChoiceField(["ready", "not ready"])
    database = serializers.CharField(help_text="`ok`, or what is wrong.")
    broker = serializers.CharField()
    migrations = serializers.CharField()


class _Kept(Collector):
    """
    What stands in the database, read at the scrape: any web process says the same, so it is no matter which is asked.

    A database that does not answer, or not soon, leaves these out: /metrics has to tell of the rest just then.
    """

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            stuck, reviews = _payments_waiting()
        except DatabaseFailure as error:
            logger.warning("Metrics of the database were left out: %s.", type(error).__name__)
            return
        yield GaugeMetricFamily("billing_provider_events_stuck", "Provider events given up, or waiting for over 15 minutes.", stuck)
        yield GaugeMetricFamily("billing_payment_reviews_open", "Payment reviews that wait for an operator.", reviews)


def _payments_waiting() -> tuple[int, int]:
    """Events that are stuck, and open reviews. Partial indexes hold these alone; a bound in time holds for whatever happens."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{_SCRAPE_SECONDS}s'")
        return count_stuck_events(now=clock.now()), PaymentReview.objects.filter(resolved_at=None).count()


class _ProbeView(ApiView):
    """Asked by machines of the deployment, without a token."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()


class HealthView(_ProbeView):
    """/healthz."""

    @extend_schema(operation_id="get_health", tags=["operations"], responses=HealthOutput)
    def get(self, request: Request) -> Response:
        """The process answers; nothing else is asked."""
        return Response({"status": "ok"})


class ReadyView(_ProbeView):
    """/readyz; remembers its answer for a second."""

    remembered: ClassVar[tuple[float, dict[str, str]]] = (0.0, {})

    @extend_schema(
        operation_id="get_readiness",
        tags=["operations"],
        responses={
            200: ReadyOutput,
            503: OpenApiResponse(ReadyOutput, description="Not ready; the part that is not says why."),
        },
    )
    def get(self, request: Request) -> Response:
        """Database, broker and migrations, asked at most once a second."""
        asked_at, parts = ReadyView.remembered
        if time.monotonic() - asked_at > _REMEMBERED_SECONDS:
            parts = {name: check() for name, check in _CHECKS.items()}
            ReadyView.remembered = (time.monotonic(), parts)
        ready = all(state == "ok" for state in parts.values())
        return Response({"status": "ready" if ready else "not ready", **parts}, status=200 if ready else 503)


class MetricsView(_ProbeView):
    """/metrics."""

    @extend_schema(operation_id="get_metrics", tags=["operations"], responses={(200, "text/plain"): OpenApiTypes.STR})
    def get(self, request: Request) -> HttpResponse:
        """Prometheus's text format: counts over all web processes, and the database's own. Keep it inside."""
        kept = CollectorRegistry()
        kept.register(_Kept())
        return HttpResponse(generate_latest(_registry()) + generate_latest(kept), content_type=CONTENT_TYPE_LATEST)


def _registry() -> CollectorRegistry:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library has no types here
    return registry


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "does not answer"
    return "ok"


def _broker() -> str:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
            client.ping()
    except redis.RedisError:
        return "does not answer"
    return "ok"


def _migrations() -> str:
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return "unknown"
    return f"{len(pending)} to apply" if pending else "ok"


_CHECKS: Final[dict[str, Callable[[], str]]] = {"database": _database, "broker": _broker, "migrations": _migrations}
