"""A doorbell as the Celery worker of an agent handles it; see `jobs.messages.task_events`."""

from typing import Any

from celery.worker.request import Request


class RunRequest(Request):
    """A doorbell that an agent received. That its function returned says nothing of how the run ended."""

    def send_event(self, type: str, **fields: Any) -> None:  # noqa: A002  Celery's own name for it
        if type == "task-succeeded":
            if fields.get("result") != repr(False):
                return
            type, fields = "task-rejected", {"requeue": False}  # noqa: A001
        super().send_event(type, **fields)
