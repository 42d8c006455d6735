"""Predicted starts: foretold beside the cycles, never inside one, and measured against what came true."""

import logging
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from jobs.models import Job
from jobs.planning.snapshot import take_snapshot
from scheduling.forecast.effort import Effort
from scheduling.forecast.forecast import Forecast, forecast
from scheduling.lifecycle import JobState

log = logging.getLogger(__name__)

START_SECONDS = 1.0
"""What usually passes between the end of one job and the start of the next in its place."""
SHARE_OF_A_CORE = 0.1
"""Foretelling may take so much of one processor; on a large yard it happens less often."""
NODE_PLANS = 3_000
"""A forecast makes so many plans times nodes, at least FEWEST_PLANS: a plan's cost grows with the nodes."""
FEWEST_PLANS, MOST_PLANS = 12, 100
WORTH_WRITING = 0.02
"""A prediction is written again when it moved by this share of its distance, or by more than a second."""
KEPT_DAYS = 30
MEASURED = 1_000
"""Accuracy is told of so many of the last starts."""
MOMENTS = ("expected", "soonest", "latest", "floor")
TOLD = Q(predicted_start__isnull=False) | Q(floor_start__isnull=False)

# Jobs that somebody holds locked are left to the next forecast: a prediction is not worth a wait, and the planner may be
# writing the reasons of the same jobs in another order.
WRITE = """
    WITH told(id, expected, soonest, latest, floor) AS (
        SELECT * FROM unnest(%(ids)s::bigint[], %(expected)s::timestamptz[], %(soonest)s::timestamptz[], %(latest)s::timestamptz[],
                             %(floor)s::timestamptz[])
    ), waits AS (
        SELECT job.id, job.attempt FROM jobs_job AS job JOIN told USING (id)
        WHERE job.state = 'pending' ORDER BY job.id FOR NO KEY UPDATE OF job SKIP LOCKED
    ), kept AS (
        INSERT INTO jobs_startprediction (job_id, attempt, first_made_at, first_expected, first_soonest, first_latest,
                                          last_made_at, last_expected, last_soonest, last_latest)
        SELECT id, attempt + 1, %(now)s, expected, soonest, latest, %(now)s, expected, soonest, latest
        FROM waits JOIN told USING (id) WHERE expected IS NOT NULL
        ON CONFLICT (job_id, attempt) DO UPDATE
        SET last_made_at = excluded.last_made_at, last_expected = excluded.last_expected,
            last_soonest = excluded.last_soonest, last_latest = excluded.last_latest
    )
    UPDATE jobs_job AS job
    SET predicted_start = told.expected, predicted_start_soonest = told.soonest, predicted_start_latest = told.latest,
        floor_start = told.floor
    FROM told JOIN waits USING (id) WHERE job.id = told.id
"""
SETTLE = """
    UPDATE jobs_startprediction AS told
    SET started_at = attempt.started_at,
        first_error_seconds = extract(epoch FROM attempt.started_at - first_expected),
        last_error_seconds = extract(epoch FROM attempt.started_at - last_expected),
        first_held = attempt.started_at BETWEEN first_soonest AND coalesce(first_latest, 'infinity'),
        last_held = attempt.started_at BETWEEN last_soonest AND coalesce(last_latest, 'infinity')
    FROM jobs_attempt AS attempt
    WHERE attempt.job_id = told.job_id AND attempt.number = told.attempt
      AND attempt.started_at IS NOT NULL AND told.started_at IS NULL
"""
# An attempt that was placed and ended before its command began has no start to measure by.
FORGET = """
    DELETE FROM jobs_startprediction AS told USING jobs_job AS job
    WHERE job.id = told.job_id AND told.started_at IS NULL
      AND (job.state IN ('completed', 'failed', 'cancelled') OR (job.state = 'pending' AND job.attempt >= told.attempt))
"""
FORGET_OLD = "DELETE FROM jobs_startprediction WHERE started_at < now() - make_interval(days => %s)"
ACCURACY = """
    SELECT count(*),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(first_error_seconds)),
           percentile_cont(0.9) WITHIN GROUP (ORDER BY abs(first_error_seconds)),
           avg(first_held::int),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(last_error_seconds)),
           percentile_cont(0.9) WITHIN GROUP (ORDER BY abs(last_error_seconds)),
           avg(last_held::int)
    FROM (SELECT * FROM jobs_startprediction WHERE started_at IS NOT NULL ORDER BY started_at DESC LIMIT %s) AS recent
"""


@dataclass(frozen=True, slots=True)
class Errors:
    """How far off predictions were, in seconds either way, and how many intervals held the start (0 to 1)."""

    p50_seconds: float
    p90_seconds: float
    held: float


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Of the last starts that were foretold: by the first prediction of each, and by the last one before it came."""

    starts: int
    first: Errors
    last: Errors


class ForecastRateLimit:
    """Lets one forecast run at a time in this process, and none too soon after the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 0.0

    def acquire(self) -> bool:
        return time.monotonic() >= self._next and self._lock.acquire(blocking=False)

    def release(self, seconds: float) -> None:
        self._next = time.monotonic() + seconds / SHARE_OF_A_CORE
        self._lock.release()


rate_limit = ForecastRateLimit()


def refresh_when_due() -> None:
    """Refresh, unless that is going on already or took too much of a processor lately."""
    if not rate_limit.acquire():
        return
    began = time.thread_time()  # processor time: what other threads or a busy machine take is no cost of ours
    try:
        refresh()
    finally:
        rate_limit.release(time.thread_time() - began)


def refresh() -> int:
    """Measure what has started, and foretell the first in line anew. How many predictions were written."""
    settle()
    if not Job.objects.filter(state=JobState.PENDING).exists():
        return 0
    # Without the planner's lock: a forecast may take seconds, and a picture that is a moment old does for it.
    snapshot = take_snapshot()
    told = forecast(snapshot, snapshot.taken_at, effort=effort(len(snapshot.nodes)))
    return _write(told, snapshot.taken_at)


def effort(nodes: int, jobs: int = 200, plans: int = MOST_PLANS) -> Effort:
    """As thorough as a yard of this size allows."""
    return Effort(
        jobs=jobs,
        plans=max(FEWEST_PLANS, min(plans, NODE_PLANS // max(1, nodes))),
        usual_lag=START_SECONDS,
        worst_lag=settings.KILL_GRACE_SECONDS + settings.CYCLE_SECONDS + START_SECONDS,
    )


def settle() -> None:
    """Measure the predictions of jobs that have started; forget those of jobs that never did, and very old ones."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SETTLE)
        cursor.execute(FORGET)
        cursor.execute(FORGET_OLD, [KEPT_DAYS])


def accuracy() -> Accuracy | None:
    """None before the first start that was foretold."""
    with connection.cursor() as cursor:
        cursor.execute(ACCURACY, [MEASURED])
        starts, *figures = cursor.fetchone()
    if not starts:
        return None
    first, last = (Errors(*(float(one) for one in figures[at : at + 3])) for at in (0, 3))
    return Accuracy(starts, first, last)


def last_forecasts(job_ids: Iterable[int]) -> dict[int, Forecast]:
    """What was last foretold of these jobs, if anything was."""
    return {job_id: one for job_id, one in _on_record(job_ids).items() if one.expected is not None}


def _on_record(job_ids: Iterable[int]) -> dict[int, Forecast]:
    rows = Job.objects.filter(TOLD, pk__in=list(job_ids), state=JobState.PENDING)
    moments = rows.values_list(
        "pk", "predicted_start", "predicted_start_soonest", "predicted_start_latest", "floor_start"
    )
    return {
        job_id: Forecast(**{name: one.timestamp() if one else None for name, one in zip(MOMENTS, of, strict=True)})
        for job_id, *of in moments
    }


def _write(told: Mapping[int, Forecast], now: float) -> int:
    """Write those that moved; who is not foretold any more has none. Whom somebody holds locked is left to the next forecast."""
    # Only what moved: each write is a new version of a job's row, which the next cycle reads anew.
    before = _on_record(told.keys())
    moved = [job_id for job_id, one in told.items() if _differs(before.get(job_id), one, now)]
    _clear(told.keys())
    if moved:
        columns = {name: [moment(getattr(told[job_id], name)) for job_id in moved] for name in MOMENTS}
        with connection.cursor() as cursor:
            cursor.execute(WRITE, {"now": moment(now), "ids": moved, **columns})
    return len(moved)


@transaction.atomic
def _clear(told: Collection[int]) -> None:
    untold = Job.objects.filter(TOLD, state=JobState.PENDING).exclude(pk__in=list(told))
    free = untold.order_by("pk").select_for_update(skip_locked=True, no_key=True).values("pk")
    Job.objects.filter(pk__in=free).update(
        predicted_start=None, predicted_start_soonest=None, predicted_start_latest=None, floor_start=None
    )


def _differs(old: Forecast | None, new: Forecast, now: float) -> bool:
    if old is None:
        return new.expected is not None or new.floor is not None
    pairs = ((getattr(old, name), getattr(new, name)) for name in MOMENTS)
    return any(_has_shifted(before, after, now) for before, after in pairs)


def _has_shifted(before: float | None, after: float | None, now: float) -> bool:
    if before is None or after is None:
        return before is not after
    return abs(after - before) > max(1.0, WORTH_WRITING * (after - now))


def moment(seconds: float | None) -> datetime | None:
    """A time of the core's as a moment."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
