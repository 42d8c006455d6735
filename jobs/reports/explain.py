"""Why a job waits and until when, or how it came to run where it did: the core's answer, with rows that the caller may see."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from jobs.models import Attempt, Job, queries
from jobs.planning import decisions, start_forecasts
from jobs.planning.policy_settings import rules
from jobs.planning.snapshot import queues, take_snapshot
from jobs.planning.start_forecasts import moment
from jobs.reports.job_history import HistoryEntry, history_of
from scheduling.forecast.forecast import Forecast
from scheduling.forecast.outlook import Outlook, outlook
from scheduling.forecast.whatif import Change
from scheduling.lifecycle import PLACED_STATES, JobState
from scheduling.plan_result import PlannedPreemption, PlannedReservation
from scheduling.planning.floor.follow import keeps_floor
from scheduling.planning.places.ranking import ranking
from scheduling.reasons import Reason, ReasonCode, listed
from scheduling.snapshot import Allocation, Snapshot, WaitingJob

REQUEST_PLANS = 40
"""Somebody waits for the answer: a forecast that is not on record is made with so many plans."""
NODES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Holder:
    """A job that holds what another needs, and when it is expected to end."""

    job: Job
    expected_end: datetime | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that can be said to one caller. Of jobs that they may not see, only ids in reasons and their number are told."""

    position: int | None = None
    line_length: int = 0
    starts_now: bool = False
    nodes: tuple[str, ...] = ()  # where it would start now
    reasons: tuple[Reason, ...] = ()
    holders: tuple[Holder, ...] = ()
    other_holders: int = 0
    start: Forecast | None = None
    reservation: PlannedReservation | None = None
    changes: tuple[Change, ...] = ()
    gives_way: tuple[PlannedPreemption, ...] = ()  # running jobs that are stopped for it
    history: tuple[HistoryEntry, ...] = ()
    before_its_turn: bool = False  # it runs, and gives way when another's turn comes that needs its place
    placement: Mapping[str, Any] | None = None  # why which node: see `jobs.planning.decisions`


def explain(job: Job, user: User) -> Explanation:
    """For a job that waits, what it waits for; for any other, what happened to it.

    One that stops waiting meanwhile is told of as what it is by then: `job` is read again.
    """
    if job.state == JobState.PENDING:
        needed = list(job.dependencies.values_list("needs_id", flat=True))
        told = explanation(take_snapshot(), job.pk, user, start_forecasts.last_forecasts([job.pk, *needed]))
        if told is not None:
            return replace(told, history=history_of(job))
        job.refresh_from_db()
    return Explanation(
        line_length=queries.line_length(),
        history=history_of(job),
        before_its_turn=runs_before_its_turn(job),
        placement=decided(job),
    )


def decided(job: Job) -> Mapping[str, Any] | None:
    """Why its last attempt was placed where it was, as it was written down then; None: never, or by a release that did not."""
    last = Attempt.objects.filter(job=job).order_by("-number").values_list("decision", "created_at").first()
    if last is None or not last[0]:
        return None
    return {**decisions.told(last[0]), "basis": "decided", "at": last[1]}


def runs_before_its_turn(job: Job) -> bool:
    """Whether a job that holds its place would still wait under the floor that the platform keeps, if it keeps one."""
    if job.state not in PLACED_STATES or not keeps_floor(Snapshot(queues=queues(), rules=rules())):
        return False
    shadow = take_snapshot().shadow
    known = None if shadow is None else shadow.jobs.get(job.pk)
    return known is not None and known.started_at is None


def explanation(
    snapshot: Snapshot, job_id: int, user: User, known: dict[int, Forecast] | None = None
) -> Explanation | None:
    """What the core says of a waiting job, for this user; None if it does not wait in the snapshot."""
    effort = start_forecasts.effort(len(snapshot.nodes), plans=REQUEST_PLANS)
    answer = outlook(snapshot, snapshot.taken_at, job_id, known, effort)
    if answer is None:
        return None
    job = next(one for one in snapshot.waiting if one.id == job_id)
    return replace(_for(user, answer), placement=_choice(snapshot, job))


def _choice(snapshot: Snapshot, job: WaitingJob) -> Mapping[str, Any]:
    found = ranking(snapshot, snapshot.taken_at, job, NODES_SHOWN)
    data = decisions.told(decisions.decision_data(found.decision))
    return {**data, "basis": "empty" if found.empty else "now", "at": moment(snapshot.taken_at)}


def _for(user: User, answer: Outlook) -> Explanation:
    held_by = {holder for reason in answer.reasons for holder in reason.held_by}
    held_by |= {one.job_id for one in answer.preemptions}
    visible = list(queries.visible_jobs(user).filter(pk__in=held_by).order_by("pk"))
    seen = {job.pk for job in visible}
    shares = answer.placement.shares if answer.placement else ()
    return Explanation(
        position=answer.position,
        line_length=answer.line_length,
        starts_now=answer.placement is not None,
        nodes=tuple(share.node for share in shares),
        reasons=tuple(_seen_of(reason, seen) for reason in answer.reasons) or (_about_to_start(shares),),
        holders=tuple(Holder(job, moment(answer.ends.get(job.pk))) for job in visible),
        other_holders=len(held_by) - len(visible),
        start=answer.start,
        reservation=answer.reservation,
        changes=answer.changes,
        gives_way=answer.preemptions,
    )


def _seen_of(reason: Reason, seen: Collection[int]) -> Reason:
    """What jobs hold is told of those alone that the caller may see."""
    return replace(reason, holds={job_id: held for job_id, held in reason.holds.items() if job_id in seen})


def _about_to_start(shares: Sequence[Allocation]) -> Reason:
    names = listed(share.node for share in shares)
    return Reason(ReasonCode.NEW, f"There is room for it on {names}: the next scheduling cycle starts it.")
