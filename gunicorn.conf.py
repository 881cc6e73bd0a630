"""Gunicorn reads this by itself, wherever it is started: each start's workers share one set of metrics (see /metrics)."""

import os
import shutil
import tempfile

from prometheus_client import multiprocess

# Set before the application is imported, which is when the first counter is made. A new folder each time: numbers start at 0.
_METRICS = tempfile.mkdtemp(prefix="metrics-", dir=os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
os.environ["PROMETHEUS_MULTIPROC_DIR"] = _METRICS


def child_exit(server: object, worker: object) -> None:  # noqa: ARG001 - gunicorn's signature
    """A worker that ended no longer counts among the living gauges."""
    multiprocess.mark_process_dead(getattr(worker, "pid", 0))


def on_exit(server: object) -> None:  # noqa: ARG001 - gunicorn's signature
    """The numbers end with the server."""
    shutil.rmtree(_METRICS, ignore_errors=True)
