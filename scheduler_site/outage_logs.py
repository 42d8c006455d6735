"""One line a minute for each kind of trouble with the broker or the database, without a traceback.

While one of them is away, each tick of beat and each try of a worker has something to say, and Celery says it with a
stack. What is wrong is in the first line; the others only say that it is still so.
"""

import logging
import threading
import time
from collections.abc import Callable

import redis
from django.db import InterfaceError, OperationalError
from kombu.exceptions import KombuError

OUTAGES = (redis.RedisError, KombuError, OSError, OperationalError, InterfaceError)
TALKATIVE = ("celery.beat", "django_celery_beat", "celery.worker.consumer", "kombu", "opentelemetry")
EVERY_SECONDS = 60.0


class OutageFilter(logging.Filter):
    """For handlers. Takes tracebacks out of what tells of an outage, and what it has told a moment ago away."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[tuple[str, str], tuple[float, int]] = {}
        """By logger and message: when it was told, and how many were left out since."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or not record.name.startswith(TALKATIVE):
            return True
        key = (record.name, str(record.msg))
        _without_stack(record)
        return self._is_due(key, record)

    def _is_due(self, key: tuple[str, str], record: logging.LogRecord) -> bool:
        now = self._clock()
        with self._lock:
            told_at, left_out = self._told.get(key, (float("-inf"), 0))
            if now - told_at < EVERY_SECONDS:
                self._told[key] = (told_at, left_out + 1)
                return False
            self._told[key] = (now, 0)
        if left_out:
            record.msg = f"{record.getMessage()} ({left_out} more like it were left out)"
            record.args = ()
        return True


def _without_stack(record: logging.LogRecord) -> None:
    """Beat hands its stack over as the message's second argument, as a list of lines."""
    if record.exc_info and _is_outage(record.exc_info[1]):
        record.exc_info = record.exc_text = None
    if isinstance(record.args, tuple) and any(isinstance(one, list) for one in record.args):
        record.msg, record.args = str(record.msg).replace("\n%s", ""), record.args[:1]
    message = record.getMessage()
    if "\n" in message:
        record.msg, record.args = message.strip().splitlines()[0], ()


def _is_outage(error: BaseException | None) -> bool:
    """Also behind an error that somebody made of it, as beat does."""
    return error is not None and (isinstance(error, OUTAGES) or _is_outage(error.__cause__ or error.__context__))
