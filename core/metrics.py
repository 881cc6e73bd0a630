"""What /metrics counts. With PROMETHEUS_MULTIPROC_DIR set, every web process adds to the same numbers."""

from typing import Final

from prometheus_client import Counter, Histogram

REQUESTS: Final = Counter("billing_http_requests", "HTTP requests answered.", ("method", "route", "status"))
SECONDS: Final = Histogram(
    "billing_http_request_seconds",
    "Time to answer an HTTP request.",
    ("route",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
DEADLOCKS: Final = Counter("billing_database_deadlocks", "Transactions that PostgreSQL ended to break a deadlock.")
CONFLICTS: Final = Counter("billing_event_conflicts", "Usage events refused because their id is known with other content.")
EXCEPTIONS: Final = Counter("billing_unexpected_errors", "Requests that met an error nobody foresaw (answered 500).")
