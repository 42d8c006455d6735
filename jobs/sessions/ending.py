"""Sessions end: once each, with a line in the job's history."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from jobs.models import JobSession
from jobs.sessions.meeting import facts
from jobs.sessions.opening import COME_SECONDS
from jobs.state import transitions
from quotas.clock import database_now

ENDED = "session_ended"
NOBODY_CAME = "Its two ends did not meet."
WITH_ITS_ATTEMPT = "It ended with its attempt."
LEFT_BY_AGENT = "The node's agent ended, and the session with it."


@dataclass(frozen=True, slots=True)
class Ended:
    """How one ended: with which exit code, or why without one."""

    session_id: UUID
    exit_code: int | None = None
    outcome: str = ""


@transaction.atomic
def end(ended: Sequence[Ended]) -> None:
    """Write down those that nobody has yet."""
    said = {one.session_id: one for one in ended}
    rows = JobSession.objects.select_for_update(of=("self",)).filter(pk__in=said, ended_at__isnull=True)
    now = database_now()
    for row in rows.select_related("placement__attempt").annotate(who=F("user__username")).order_by("pk"):
        one = said[row.pk]
        row.ended_at, row.exit_code, row.outcome = now, one.exit_code, one.outcome[:500]
        row.save(update_fields=["ended_at", "exit_code", "outcome"])
        if row.agent_at is None:  # it never began: nothing happened beside the job
            continue
        seconds = round((now - row.agent_at).total_seconds(), 1)
        how = f"exit code {one.exit_code}" if one.exit_code is not None else ""
        words = "; ".join(filter(None, (f"{row.who} left after {seconds:g} s: {row.words}", how, one.outcome)))
        transitions.note(
            [row.placement.attempt.job_id],
            ENDED,
            message=words,
            data={**facts(row), "seconds": seconds, "exit_code": one.exit_code},
            actor=row.who,
        )


def end_left_behind(placement_ids: Collection[int]) -> None:
    """An agent has just begun: whatever its predecessor had beside these placements went with it."""
    left = JobSession.objects.filter(placement__in=placement_ids, agent_at__isnull=False, ended_at__isnull=True)
    end([Ended(pk, outcome=LEFT_BY_AGENT) for pk in left.values_list("pk", flat=True)])


def end_forgotten() -> int:
    """Those of attempts that are over, and those whose ends never met; how many."""
    late = Now() - timedelta(seconds=2 * COME_SECONDS)
    over = JobSession.objects.filter(ended_at__isnull=True).filter(
        Q(placement__closed_at__lt=late) | Q(agent_at__isnull=True, created_at__lt=late)
    )
    found = list(over.values_list("pk", "agent_at")[:500])
    end([Ended(pk, outcome=NOBODY_CAME if agent_at is None else WITH_ITS_ATTEMPT) for pk, agent_at in found])
    return len(found)
