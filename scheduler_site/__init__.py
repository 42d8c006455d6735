"""Wiring: settings, URLs, the Celery app. Nobody imports this package but the processes that start."""

from scheduler_site.celery import app as celery_app

__all__ = ("celery_app",)
