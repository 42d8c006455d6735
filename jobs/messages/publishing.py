"""Outbound Celery messages. Each is a doorbell: losing one, or ringing twice, must be harmless.

The database is the outbox: a placement that nobody claims is published again by `recovery`, and beat asks for a cycle
every few seconds. So a broker that is down costs time, never a job, and never an answer to a user.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from celery import current_app
from django.conf import settings

from jobs.messages.after_commit import after_commit
from jobs.messages.routing import CONTROL_QUEUE, Route, broker_priority, node_queues, transport_of
from scheduling.priorities import HIGHEST
from telemetry import subject, traces
from telemetry.origin import UNKNOWN, Origin, life

log = logging.getLogger(__name__)
RUN = "trainyard.run_placement"
"""The name of every run's message: who watches Celery's events counts by it, so it must not be the job's."""
BROKEN_PAUSE_SECONDS = 3.0
BATCH = 500


@dataclass(frozen=True, slots=True)
class PlacementMessage:
    """What rings for one placement: ids for the agent, words for the people who look at Flower."""

    placement_id: int
    token: str
    route: Route
    job_id: int
    job_name: str
    attempt: int
    node: str = ""
    origin: Origin = UNKNOWN

    @property
    def plan_span(self) -> str:
        return traces.step(self.origin.traceparent, self.token, traces.PLAN)

    @property
    def subject(self) -> dict[str, object]:
        """As a span about it has them."""
        return {"job": self.job_id, "attempt": self.attempt, "node": self.node, "queue": self.route.queue}

    @property
    def ids(self) -> dict[str, object]:
        """As a line about it has them."""
        known = {"job": self.job_id, "attempt": self.attempt, "placement": self.placement_id, "node": self.node}
        return {**known, **self.origin.ids}


class CircuitBreaker:
    """After a failure, publishing is not even tried for a moment: a broker that hangs must not slow every request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open_again_at = 0.0

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self._open_again_at

    def trip(self) -> None:
        with self._lock:
            self._open_again_at = time.monotonic() + BROKEN_PAUSE_SECONDS


circuit = CircuitBreaker()


def request_cycle() -> None:
    """Ask for a scheduling cycle as soon as the current transaction is committed."""
    after_commit(_send_cycle_request)


def request_quota_sync(project: str) -> None:
    """Ask for the provider to be told of the project's quota as soon as the current transaction is committed."""
    message = {**_most_urgent("trainyard.sync_quotas", CONTROL_QUEUE), "args": [project]}
    after_commit(lambda: _publish([message]))


def request_placements(messages: Sequence[PlacementMessage], *, planned_since: float | None = None) -> None:
    """Tell the agents of their placements as soon as the current transaction is committed; if they were planned in it, since when."""
    if messages:
        after_commit(lambda: _tell(messages, planned_since))


def _tell(messages: Sequence[PlacementMessage], planned_since: float | None) -> None:
    now = time.time()
    for one in messages:
        life.info("Job %d, attempt %d: told %s.", one.job_id, one.attempt, one.node or "its node", extra=one.ids)
        if planned_since is not None:
            traces.told("plan", one.plan_span, one.origin.traceparent, (planned_since, now), one.subject)
    send_placements(messages)
    for one in messages:
        traces.told(
            "publish",
            traces.step(one.plan_span, one.token, f"publish {now}"),
            one.plan_span,
            (now, time.time()),
            one.subject,
        )


def send_placements(messages: Sequence[PlacementMessage]) -> None:
    """Publish now; a failure is logged, and the sweep publishes again."""
    if messages:
        _publish([_placement_message(message) for message in messages])


def run_id(*, job_id: int, attempt: int, placement_id: int) -> str:
    """The id of a run's message, however often it is sent: one run, whoever saw its start and its end."""
    return f"job-{job_id}-attempt-{attempt}-placement-{placement_id}"


def send_probe(node: str) -> bool:
    """Send the node's agent a message that only wants to be heard; says whether the broker took it."""
    return _publish([_most_urgent("trainyard.hear", node_queues(node)[0])])


def _send_cycle_request() -> None:
    _publish([_most_urgent("trainyard.run_cycle", CONTROL_QUEUE)])


def _most_urgent(task: str, queue: str) -> dict[str, Any]:
    priority = broker_priority(HIGHEST, transport_of(settings.BROKER_URL))
    return {"name": task, "queue": queue, "priority": priority, "headers": _headers(subject.request_id())}


def _headers(request_id: str) -> dict[str, str]:
    return {subject.REQUEST_HEADER: request_id} if request_id else {}


def _placement_message(message: PlacementMessage) -> dict[str, Any]:
    return {
        "name": RUN,
        "task_id": run_id(job_id=message.job_id, attempt=message.attempt, placement_id=message.placement_id),
        "args": [message.placement_id, message.token],
        "queue": message.route.queue,
        "priority": message.route.priority,
        "headers": _headers(message.origin.request_id),
        "argsrepr": f"job {message.job_id} {message.job_name!r}, attempt {message.attempt}, queue {message.route.queue}",
        "kwargsrepr": "",
    }


def _publish(messages: Sequence[dict[str, Any]]) -> bool:
    """Whether the broker took them."""
    if circuit.is_open:
        log.info("The broker was out of reach a moment ago: %d messages are left to the sweep.", len(messages))
        return False
    try:
        with current_app.producer_pool.acquire(block=True, timeout=5) as producer:
            _send(messages, producer)
    except Exception as error:  # noqa: BLE001  a client that is reconnecting raises anything, an AttributeError too
        circuit.trip()
        log.warning("The broker did not take %d messages (%r): the sweep will send them.", len(messages), error)
        return False
    return True


def _send(messages: Sequence[dict[str, Any]], producer: Any) -> None:
    if len(messages) == 1:
        current_app.send_task(**messages[0], producer=producer)
        return
    with producer.batch(max_size=BATCH):
        for message in messages:
            current_app.send_task(**message, producer=producer)
