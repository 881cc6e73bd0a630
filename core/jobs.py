"""Hands work to Celery after the commit, by the task's name: what asks for a job does not import what does it."""

import logging

from django.db import transaction
from django.utils.module_loading import import_string
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


def enqueue(task_path: str, *, expires_seconds: int | None = None, **arguments: object) -> None:
    """
    Send one job once the present transaction commits, or at once where none is open. `expires_seconds`: no worker takes it later.

    A broker that is down loses the job, and says so in the log: what was asked for over HTTP is done and stays done. Hand over ids,
    never secrets: the broker keeps its messages as plain text.
    """
    transaction.on_commit(lambda: _send(task_path, arguments, expires_seconds))


def _send(task_path: str, arguments: dict[str, object], expires_seconds: int | None) -> None:
    task = import_string(task_path)
    try:
        task.apply_async(kwargs=arguments, retry=False, expires=expires_seconds)
    except OperationalError:
        logger.exception("The broker refused the job %s.", task_path)
