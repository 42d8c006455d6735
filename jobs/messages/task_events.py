"""What those who watch Celery's events (Flower) are told of runs: how each ended as the platform sees it.

To Celery a task whose function returns has succeeded, and a run that an agent left to the next one never ends. So the
ends are told by whoever records them, an agent or the sweep, once they are committed; Celery's own word is not sent.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from celery import current_app
from django.conf import settings
from django.utils import timezone

from jobs.messages import publishing
from jobs.messages.after_commit import after_commit
from jobs.models import Placement
from jobs.state.outcome import PlacementOutcome, sentence
from scheduling.failures.retry import GiveUp, Retry
from scheduling.lifecycle import EndReason, JobState, PlacementState

log = logging.getLogger(__name__)
AGENT = "node@{}"
"""How the Celery worker of a node's agent is called."""
ACQUIRE_SECONDS = 1.0
STOPPED = {"terminated": True, "signum": "SIGTERM", "expired": False}


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One event of Celery's about a run on a node."""

    node: str
    uuid: str
    kind: str
    fields: dict[str, Any]


def of_end(row: Placement, ending: PlacementOutcome, verdict: JobState | Retry | GiveUp | None) -> RunEvent:
    """The end of a placement. `verdict`: what becomes of its job, where this end decided on that."""
    attempt = row.attempt
    uuid = publishing.run_id(job_id=attempt.job_id, attempt=attempt.number, placement_id=row.pk)
    code = f" {ending.exit_code}" if ending.exit_code else ""
    words = f"{ending.reason}{code}: {sentence(ending)}"
    kind, fields = _as_celery_event(ending, verdict, words)
    begun = attempt.started_at or ending.started_at
    ran = {"runtime": max(0.0, (timezone.now() - begun).total_seconds())} if begun else {}
    return RunEvent(row.node.name, uuid, kind, fields | ran)


def _as_celery_event(
    ending: PlacementOutcome, verdict: JobState | Retry | GiveUp | None, words: str
) -> tuple[str, dict[str, Any]]:
    if ending.reason == EndReason.COMPLETED:
        return "task-succeeded", {"result": words}
    if ending.reason == EndReason.CANCELLED or verdict == JobState.CANCELLED:
        return "task-revoked", STOPPED
    if isinstance(verdict, Retry):
        return "task-retried", {"exception": words, "traceback": ""}
    if ending.reason == EndReason.GANG_ENDED:
        return "task-revoked", STOPPED
    return "task-failed", {"exception": words, "traceback": ""}


def was_claimed(row: Placement) -> bool:
    """Whether an agent had taken the placement: of the others nobody who watches has heard."""
    return row.state in (PlacementState.CLAIMED, PlacementState.RUNNING)


def send(events: Sequence[RunEvent]) -> None:
    """Send them as soon as the current transaction is committed; while the broker is away they are lost."""
    if events:
        after_commit(lambda: _send(events))


def _send(events: Sequence[RunEvent]) -> None:
    if publishing.circuit.is_open:
        return
    try:
        with current_app.producer_pool.acquire(block=True, timeout=ACQUIRE_SECONDS) as producer:
            for node, its in groupby(sorted(events, key=lambda event: event.node), key=lambda event: event.node):
                _send_of(node, its, producer)
    except Exception as error:  # noqa: BLE001  as in publishing
        publishing.circuit.trip()
        log.info("The broker did not take %d events of runs that ended: %r", len(events), error)


def _send_of(node: str, events: Iterable[RunEvent], producer: Any) -> None:
    dispatcher = current_app.events.Dispatcher(
        producer.connection,
        hostname=AGENT.format(node),
        channel=producer.channel,
        buffer_while_offline=False,
    )
    for event in events:
        dispatcher.send(
            event.kind,
            uuid=event.uuid,
            retry=True,
            retry_policy=settings.CELERY_TASK_PUBLISH_RETRY_POLICY,
            **event.fields,
        )
