"""Alive, ready, measured: what load balancers and Prometheus ask."""

import os
import time
from collections.abc import Callable
from typing import Any, ClassVar, Final

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.views import ApiView

_REMEMBERED_SECONDS: Final = 1.0


class HealthOutput(serializers.Serializer[Any]):
    """The process answers."""

    status = serializers.CharField()


class ReadyOutput(serializers.Serializer[Any]):
    """Each part, and all of them."""

    status = serializers.ChoiceField(["ready", "not ready"])
    database = serializers.CharField(help_text="`ok`, or what is wrong.")
    broker = serializers.CharField()
    migrations = serializers.CharField()


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
        """Prometheus's text format, over all web processes. Keep it inside: a proxy need not forward it."""
        return HttpResponse(generate_latest(_registry()), content_type=CONTENT_TYPE_LATEST)


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
