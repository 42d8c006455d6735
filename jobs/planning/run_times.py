"""How long jobs run, learned from those that ended: what is expected of each job, and how good that was.

Learning happens beside the ends of jobs, every few seconds in one place, so that no end waits for it and a thousand ends
cost as many statements as one.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from jobs.models import Job
from jobs.models.planning import RunTimeHistory, RunTimeLearning
from jobs.models.queries import rows
from scheduling.forecast.runtime_prediction import ErrorTally, History, Prediction, Traits, corrected, scopes_of
from scheduling.nodes.hardware_types import type_of
from scheduling.resources import Request
from scheduling.speeds import ALL_KINDS, Speeds

BATCH = 2_000
"""So many ends are learned from at once; the next call goes on after them."""
REFRESHED = 5_000
"""So many waiting jobs, the oldest first, are foretold anew at once."""
WORTH_WRITING = 0.02
"""An expectation is written again when it changed by this part of itself, and by more than a second."""
SETTLED_SECONDS = 1.0
"""Ends are left alone for so long: by then those before them have been committed too. One that was not teaches nothing."""
KEPT_DAYS = 180
FIRST = datetime(1970, 1, 1, tzinfo=UTC)
NUMBERS = re.compile(r"\d+")
TEMPLATE_LENGTH = 200

# What a job that was stopped, cancelled or lost ran says nothing of its kind, nor does the last leg of one that went on
# from a checkpoint.
ENDED = """
    SELECT job.id, project.slug, coalesce(owner.username, ''), job.name,
           job.cpus, job.memory_mb, job.gpus, job.gpu_memory_mb, job.gpu_model, job.nodes, job.max_runtime_seconds,
           job.predicted_runtime_seconds, job.predicted_low_seconds, job.predicted_high_seconds, job.predicted_by,
           greatest(0, extract(epoch FROM attempt.ended_at - attempt.started_at)::float8 - job.suspended_seconds),
           job.finished_at, attempt.id
    FROM jobs_job AS job
    JOIN jobs_attempt AS attempt ON attempt.job_id = job.id AND attempt.number = job.attempt
    JOIN quotas_project AS project ON project.id = job.project_id
    LEFT JOIN auth_user AS owner ON owner.id = job.owner_id
    WHERE (job.finished_at, job.id) > (%s, %s) AND job.finished_at <= statement_timestamp() - make_interval(secs => %s)
        AND job.end_reason IN ('completed', 'timeout') AND attempt.started_at <= attempt.ended_at
        AND (attempt.number = 1 OR NOT job.checkpointable)
    ORDER BY job.finished_at, job.id LIMIT %s
"""
# On what an attempt ran: of each of its nodes the labels, and the models of the GPUs that it held there.
RAN_ON = """
    SELECT placement.attempt_id, node.labels::text, ARRAY(
        SELECT gpu ->> 'model' FROM jsonb_array_elements(node.gpus) AS gpu
        WHERE (gpu ->> 'index')::int = ANY(placement.gpu_indices) ORDER BY (gpu ->> 'index')::int)
    FROM jobs_placement AS placement JOIN workers_node AS node ON node.id = placement.node_id
    WHERE placement.attempt_id = ANY(%s)
"""
WAITING = """
    SELECT job.id, project.slug, coalesce(owner.username, ''), job.name,
           job.cpus, job.memory_mb, job.gpus, job.gpu_memory_mb, job.gpu_model, job.nodes, job.max_runtime_seconds,
           job.predicted_runtime_seconds, job.predicted_low_seconds, job.predicted_high_seconds, job.predicted_by
    FROM jobs_job AS job
    JOIN quotas_project AS project ON project.id = job.project_id
    LEFT JOIN auth_user AS owner ON owner.id = job.owner_id
    WHERE job.state = 'pending' AND project.slug = ANY(%s)
    ORDER BY job.id LIMIT %s
"""
# A job that somebody holds locked is left to the next time.
WRITE = """
    WITH waits AS (
        SELECT id FROM jobs_job WHERE state = 'pending' AND id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE jobs_job AS job
    SET predicted_runtime_seconds = told.expected, predicted_low_seconds = told.low,
        predicted_high_seconds = told.high, predicted_by = told.source
    FROM unnest(%(ids)s::bigint[], %(expected)s::float8[], %(low)s::float8[], %(high)s::float8[], %(source)s::text[])
        AS told (id, expected, low, high, source), waits
    WHERE job.id = told.id AND job.id = waits.id
"""


class Learned(NamedTuple):
    """From how many ends was learned, and of how many waiting jobs something else is expected now."""

    ends: int
    foretold: int


def traits_of(project: str, owner: str, name: str, request: Request, limit: float | None) -> Traits:
    """What a prediction goes by. Jobs of one sweep differ in numbers only: their names are one template."""
    return Traits(
        project=project,
        owner=owner,
        template=NUMBERS.sub("#", name)[:TEMPLATE_LENGTH],
        shape=f"{request.nodes} x {request.gpus} GPUs, {request.cpus} CPUs",
        hardware=request.gpu_model or request.hardware,
        limit_seconds=limit or None,
    )


def predict(jobs: Sequence[Job]) -> None:
    """Write down on these jobs, which are not saved yet, how long each is expected to run. One statement for all."""
    traits = [_traits_of_job(job) for job in jobs]
    history = _history(traits)
    for job, one in zip(jobs, traits, strict=True):
        expected = history.predict(one)
        if expected is not None:
            job.predicted_runtime_seconds, job.predicted_by = expected.expected, expected.source
            job.predicted_low_seconds, job.predicted_high_seconds = expected.low, expected.high


def expected_of(traits: Traits) -> float | None:
    """How long such a job is expected to run, as far as anybody knows."""
    told = _history([traits]).predict(traits)
    return told.expected if told else None


def _traits_of_job(job: Job) -> Traits:
    request = Request(job.cpus, job.memory_mb, job.gpus, job.gpu_memory_mb, job.gpu_model, job.nodes)
    owner = job.owner.get_username() if job.owner else ""
    return traits_of(job.project.slug, owner, job.name, request, job.max_runtime_seconds)


def remaining(expected: float, ran: float, limit: float | None) -> float:
    """How much longer a job will run of which so much was expected. It may have outlived that already."""
    return max(0.0, corrected(Prediction(expected, 0.0, expected, ""), ran, limit).expected - ran)


@transaction.atomic
def learn(*, settled_seconds: float = SETTLED_SECONDS) -> Learned:
    """Learn from the jobs that ended since the last time, measure what was expected of them, and expect anew."""
    # One learns at a time, whoever comes second goes: both would count the same ends twice.
    progress = RunTimeLearning.objects.select_for_update(skip_locked=True).filter(pk=1).first()
    if progress is None:  # somebody else is at it
        return Learned(0, 0)
    since = (progress.learned_until or FIRST, progress.learned_id)
    ended = rows(ENDED, *since, settled_seconds, BATCH)
    if not ended:
        return Learned(0, 0)
    traits = [_traits_of_row(row) for row in ended]
    history = _history(traits)
    for row, one in zip(ended, traits, strict=True):
        history.observe(one, row[15])
    # Together, in one transaction: what was learned from an end, and that it was, must not part.
    _write_history({**history.as_data(), **_learned_speeds(ended, traits)})
    _write_progress(ended)
    return Learned(len(ended), _predict_waiting(traits))


def forget() -> int:
    """Delete what nobody has added to for long; returns the number of rows."""
    return RunTimeHistory.objects.filter(updated_at__lt=Now() - timedelta(days=KEPT_DAYS)).delete()[0]


def _traits_of_row(row: Sequence[Any]) -> Traits:
    return traits_of(row[1], row[2], row[3], Request(*row[4:10]), row[10])


def _history(traits: Iterable[Traits]) -> History:
    """What is on record of all that predictions for such jobs depend on."""
    keys = {scope.key for one in dict.fromkeys(traits) for scope in scopes_of(one)}
    return History.from_data(dict(RunTimeHistory.objects.filter(pk__in=keys).values_list("key", "data")))


def speed_kind(traits: Traits | None) -> str:
    """The key of what is learned of how fast such jobs run on each type of machine; without any of all jobs together."""
    return json.dumps(["speed", *((traits.project, traits.owner, traits.template, traits.shape) if traits else ())])


def _learned_speeds(ended: Sequence[Any], traits: Sequence[Traits]) -> Mapping[str, Any]:
    """What is on record of their kinds, with these jobs. One whose nodes are of several types says nothing of either."""
    kinds, ran_on = [speed_kind(one) for one in traits], _ran_on([row[17] for row in ended])
    known = dict(RunTimeHistory.objects.filter(pk__in={*kinds, speed_kind(None)}).values_list("key", "data"))
    speeds = Speeds.from_data({(ALL_KINDS if key == speed_kind(None) else key): data for key, data in known.items()})
    for row, kind in zip(ended, kinds, strict=True):
        types = ran_on.get(row[17], set())
        if len(types) == 1:
            speeds.observe(kind, types.pop(), row[15])
    return {(kind or speed_kind(None)): data for kind, data in speeds.as_data().items()}


def _ran_on(attempts: Sequence[int]) -> Mapping[int, set[str]]:
    """The types of machine on which these attempts ran."""
    found: dict[int, set[str]] = defaultdict(set)
    for attempt, labels, models in rows(RAN_ON, attempts):
        found[attempt].add(type_of(models, json.loads(labels)))
    return found


def _write_history(history: Mapping[str, Any]) -> None:
    rows = (RunTimeHistory(key=key, data=data, updated_at=Now()) for key, data in history.items())
    RunTimeHistory.objects.bulk_create(
        rows, batch_size=1000, update_conflicts=True, update_fields=["data", "updated_at"], unique_fields=["key"]
    )


def _write_progress(ended: Sequence[Any]) -> None:
    errors = ErrorTally()
    for row in ended:
        if row[11] is not None:
            errors.add(Prediction(*row[11:15]), row[15])
    RunTimeLearning.objects.filter(pk=1).update(
        learned_until=ended[-1][16],
        learned_id=ended[-1][0],
        count=F("count") + errors.count,
        absolute_seconds=F("absolute_seconds") + errors.absolute_seconds,
        under=F("under") + errors.under,
        alike=F("alike") + errors.alike,
        inside=F("inside") + errors.inside,
    )


def _predict_waiting(learned: Sequence[Traits]) -> int:
    """Expect anew of the waiting jobs that share a key with these; write what is worth it."""
    # Only those of the projects that learned, and of them who shares a key: most ends change nothing for most jobs.
    changed = {scope.key for one in dict.fromkeys(learned) for scope in scopes_of(one)}
    found = rows(WAITING, sorted({one.project for one in learned}), REFRESHED)
    in_line = [(row, _traits_of_row(row)) for row in found]
    waiting = [(row, traits) for row, traits in in_line if any(one.key in changed for one in scopes_of(traits))]
    history = _history(traits for _, traits in waiting)
    known: dict[Traits, Prediction | None] = {traits: history.predict(traits) for _, traits in waiting}
    news = {row[0]: told for row, traits in waiting if (told := known[traits]) and _is_worth_writing(row, told)}
    if news:
        _write(news)
    return len(news)


def _is_worth_writing(row: Sequence[Any], told: Prediction) -> bool:
    before = row[11]
    if before is None or row[14] != told.source:
        return True
    return abs(told.expected - before) > max(1.0, WORTH_WRITING * float(before))


def _write(news: Mapping[int, Prediction]) -> None:
    told = list(news.values())
    with connection.cursor() as cursor:
        cursor.execute(
            WRITE,
            {
                "ids": list(news),
                "expected": [one.expected for one in told],
                "low": [one.low for one in told],
                "high": [one.high for one in told],
                "source": [one.source for one in told],
            },
        )
