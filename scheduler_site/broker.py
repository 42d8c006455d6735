"""The broker as every process sees it: one that answers with an error is away, like one that does not answer.

kombu takes only lost connections for reasons to connect anew. Anything else that Redis answers (READONLY after a
failover, NOREPLICAS, OOM, MISCONF, NOPERM) ends a Celery worker, as an "unrecoverable error".
"""

import logging
import time
import warnings
from typing import Any

from celery.exceptions import CPendingDeprecationWarning
from celery.worker import consumer
from celery.worker.state import maybe_shutdown
from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import RedisError, ResponseError

log = logging.getLogger(__name__)
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
STEADY_SECONDS = 30.0
"""A connection that held for so long was a good one: what ends it is a new fault."""
GLANCE_SECONDS = 0.1


class Transport(redis.Transport):
    """kombu's own, for which each error that Redis answers is a reason to connect anew."""

    connection_errors = (*redis.Transport.connection_errors, RedisError)


class SentinelTransport(redis.SentinelTransport):
    """The same for a Redis that is found through its sentinels."""

    connection_errors = (*redis.SentinelTransport.connection_errors, RedisError)


def use() -> None:
    """Let every connection of this process to a Redis be of our kind."""
    ours = {"redis": Transport, "rediss": Transport, "sentinel": SentinelTransport}
    TRANSPORT_ALIASES.update({scheme: f"{__name__}:{kind.__name__}" for scheme, kind in ours.items()})


class Consumer(consumer.Consumer):
    """Celery's consumer, which connects anew however long the broker answers with errors, ever more slowly."""

    _pause = FIRST_PAUSE
    _tried_at = 0.0

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        try:
            with warnings.catch_warnings():  # seven lines about a setting that a check holds (E026)
                warnings.simplefilter("ignore", CPendingDeprecationWarning)
                super().on_connection_error_after_connected(exc)
        except Exception:  # the old connection is of no use to anybody: how it went away ends no worker
            log.debug("The lost connection to the broker could not be put away in order.", exc_info=True)
        if isinstance(exc, ResponseError):
            log.warning("The broker refuses what it is asked (%s): trying again in %.1f s.", exc, self._pause)
        self._wait_a_moment()

    def _wait_a_moment(self) -> None:
        """A broker that takes connections and refuses what is asked of it would be asked without a pause."""
        if time.monotonic() - self._tried_at > STEADY_SECONDS:
            self._pause = FIRST_PAUSE
        ends_at = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        while (left := ends_at - time.monotonic()) > 0:
            maybe_shutdown()
            time.sleep(min(left, GLANCE_SECONDS))
        self._tried_at = time.monotonic()

    def on_connection_error_before_connected(self, exc: Exception) -> Any:
        super().on_connection_error_before_connected(exc)
        self._wait_a_moment()
