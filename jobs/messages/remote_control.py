"""Calls to agents by Celery's remote control, so that what is wished of their jobs reaches them in milliseconds.

A call says only "look": what is wished stands in the database, where agents look every second anyway. So a call may be
lost, doubled or late, and nobody waits for one: it leaves from a thread of its own, after the commit, and while the
broker is away it is dropped.
"""

import logging
import threading
from collections.abc import Collection
from typing import Any

from celery import current_app
from django.conf import settings
from django.db.models.functions import Coalesce

from jobs.messages.after_commit import after_commit
from jobs.messages.publishing import circuit
from jobs.messages.task_events import AGENT
from jobs.models import Placement
from scheduling.lifecycle import LEASED_STATES

log = logging.getLogger(__name__)
LOOK = "look"
ACQUIRE_SECONDS = 1.0


def notify(job_ids: Collection[int]) -> None:
    """Have the agents that hold the jobs look at what is wished of them, as soon as the current transaction is committed."""
    held = Placement.objects.filter(attempt__job__in=list(job_ids), state__in=LEASED_STATES)
    names = frozenset(held.order_by().values_list(Coalesce("node__cluster__name", "node__name"), flat=True).distinct())
    if names:
        after_commit(lambda: caller.call(names))


class Notifier:
    """Calls nodes, in a thread that is there once the first call was made; calls that come meanwhile go together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._names: set[str] = set()
        self._thread: threading.Thread | None = None

    def call(self, names: Collection[str]) -> None:
        """Returns at once, whatever becomes of the call."""
        with self._lock:
            self._names.update(names)
            if self._thread is None or not self._thread.is_alive():  # not there yet, or left behind by a fork
                self._thread = threading.Thread(target=self._work, name="hailing", daemon=True)
                self._thread.start()
        self._wake.set()

    def _work(self) -> None:
        while self._wake.wait():
            self._wake.clear()
            with self._lock:
                names, self._names = sorted(self._names), set()
            if names:
                send(names)


caller = Notifier()


def send(names: Collection[str]) -> None:
    """Tell the agents of these nodes to look, now. What goes wrong is logged, and harmless."""
    if circuit.is_open:
        return
    try:
        with current_app.producer_pool.acquire(block=True, timeout=ACQUIRE_SECONDS) as producer:
            _publish(names, producer)
    except Exception as error:  # noqa: BLE001  as in publishing
        circuit.trip()
        log.info("The broker did not take a call to %d nodes (%r): they look by themselves.", len(names), error)


def _publish(names: Collection[str], producer: Any) -> None:
    """As `app.control.broadcast` does it, which would go on trying for as long as the broker is away."""
    control: Any = current_app.control
    mailbox = control.mailbox
    producer.publish(
        {
            "method": LOOK,
            "arguments": {},
            "destination": [AGENT.format(name) for name in names],
            "pattern": None,
            "matcher": None,
        },
        exchange=mailbox.exchange.name,
        declare=[mailbox.exchange],
        headers={"clock": mailbox.clock.forward(), "expires": 0},
        serializer="json",
        retry=True,
        retry_policy=settings.CELERY_TASK_PUBLISH_RETRY_POLICY,
    )
