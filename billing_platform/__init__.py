"""Composition root: settings, URLs, Celery, wiring. Connects everything, decides nothing."""

from billing_platform.celery import app as celery_app

__all__ = ("celery_app",)
