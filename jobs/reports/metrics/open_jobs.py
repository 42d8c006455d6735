"""Jobs that are not over: where they are, for what and how long they wait, and what they may cost."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from itertools import product
from json import loads
from typing import NamedTuple

from jobs.messages.routing import HARDWARE
from jobs.reports.metrics.families import Family, gauge, gauges, query
from jobs.submission.pricing import PER_HOUR
from scheduling.lifecycle import TERMINAL_STATES, JobState
from scheduling.priorities import CLASSES, NORMAL_FROM, URGENT_FROM
from scheduling.reasons import ReasonCode

MOST_QUEUES, MOST_PROJECTS = 50, 200
"""Of more, those that were made first have series of their own, and the rest have one together: `OTHER`."""
OTHER = "other"
RISING = CLASSES[::-1]
OPEN_STATES = sorted(set(JobState) - TERMINAL_STATES)
COLUMNS = "id, state, queue_id, project_id, priority, gpus, reasons, created_at, in_line_since, begin_at, held_at, estimated_cost, cost_basis"
# One look at all of them, in two parts, as there is an index for each; the states in the order of that index, as PostgreSQL
# would otherwise read another one beside it. Most have one reason: its code is found faster by itself
# than by a path. Of those that could start, as far as it depends on others, since when the first of them could: in line, and
# all that it needs over.
OPEN_JOBS = """
    SELECT state, queue_id, project_id,
           (priority >= %(normal)s)::int + (priority >= %(urgent)s)::int, gpus > 0,
           CASE WHEN state <> 'pending' THEN NULL WHEN reasons -> 1 IS NULL THEN reasons -> 0 ->> 'code'
                ELSE jsonb_path_query_array(reasons, '$[*].code') #>> '{}' END,
           count(*),
           extract(epoch FROM statement_timestamp() - min(greatest(coalesce(in_line_since, created_at), needs.ended_at, begin_at))
               FILTER (WHERE state = 'pending' AND held_at IS NULL AND coalesce(needs.done, true)
                       AND coalesce(begin_at <= statement_timestamp(), true)))::float8,
           sum(estimated_cost) FILTER (WHERE state = 'pending' AND cost_basis <> %(per_hour)s)
    FROM (
        SELECT {columns} FROM jobs_job WHERE state IN ('assigned', 'pending', 'queued', 'running')
        UNION ALL SELECT {columns} FROM jobs_job WHERE state = 'paused'
    ) AS job LEFT JOIN (
        SELECT link.job_id, bool_and(needed.state = 'completed') AS done, max(needed.finished_at) AS ended_at
        FROM jobs_jobdependency AS link JOIN jobs_job AS needed ON needed.id = link.needs_id
        WHERE link.job_id IN (SELECT id FROM jobs_job WHERE state = 'pending') GROUP BY 1
    ) AS needs ON needs.job_id = job.id
    GROUP BY 1, 2, 3, 4, 5, 6
""".replace("{columns}", COLUMNS)


QUEUES = "SELECT id, name FROM jobs_queue ORDER BY id LIMIT %s"
PROJECTS = "SELECT id, slug FROM quotas_project WHERE id = ANY(%s)"
ENDED = "SELECT state, count(*) FROM jobs_job WHERE finished_at > statement_timestamp() - interval '1 hour' GROUP BY 1"


class Alike(NamedTuple):
    """So many jobs of which all of this is true."""

    state: str
    queue: str
    project: str
    priority: str
    hardware: str
    reasons: frozenset[str]
    number: int
    waited_seconds: float | None
    """How long that one has waited that waits longest, of those that could start."""
    cost: Decimal | None
    """What they are expected to cost, as in `pending_cost`."""


def jobs() -> Iterator[Family]:
    """What is empty is 0 and does not vanish, but for pairs of a queue and a project, of which there can be many."""
    queues = query(QUEUES, [MOST_QUEUES])
    found = _open_jobs(dict(queues))
    text = "Jobs that are not over, by state, queue and project."
    placed = _sum(((one.state, one.queue, one.project), one.number) for one in found)
    yield _gauges("jobs", text, ("state", "queue", "project"), placed)
    text = "Jobs that are not over, by state."
    states = _sum(((one.state,), one.number) for one in found)
    yield _gauges("active_jobs", text, ("state",), _with_zeros(states, OPEN_STATES))
    yield from _lengths([one for one in found if one.state == JobState.PENDING], [name for _, name in queues])
    longest = max((one.waited_seconds for one in found if one.waited_seconds is not None), default=0)
    yield gauge("longest_wait_seconds", "How long the job has waited that waits longest now.", longest)
    pending = sum(one.cost for one in found if one.cost is not None)
    yield gauge("cost_pending", "What the jobs that wait are expected to cost.", float(pending))
    lately = dict.fromkeys(sorted(TERMINAL_STATES), 0) | dict(query(ENDED, []))
    text = "Jobs that ended in the last hour, by state."
    yield gauges("jobs_ended_last_hour", text, ("state",), lately.items())


def _lengths(waiting: list[Alike], queues: list[str]) -> Iterator[Family]:
    classes = ("priority", "hardware")
    text = "Jobs that wait, by queue, class of priority and hardware."
    lengths = _sum(((one.queue, one.priority, one.hardware), one.number) for one in waiting)
    yield _gauges("queue_length", text, ("queue", *classes), _with_zeros(lengths, queues, CLASSES, HARDWARE))
    text = "The same by what they wait for: one that waits for several things is in each."
    each = [(reason, one) for one in waiting for reason in one.reasons]
    reasons = _sum(((reason, one.priority, one.hardware), one.number) for reason, one in each)
    known = _with_zeros(reasons, ReasonCode, CLASSES, HARDWARE)
    yield _gauges("queue_length_by_reason", text, ("reason", *classes), known)
    text = "Waiting jobs by the code of each of their reasons."
    yield _gauges("waiting_jobs", text, ("reason",), _sum(((reason,), n) for (reason, *_), n in known.items()))


def _open_jobs(queues: Mapping[int, str]) -> list[Alike]:
    rows = query(OPEN_JOBS, {"urgent": URGENT_FROM, "normal": NORMAL_FROM, "per_hour": PER_HOUR})
    first = sorted({project for _, _, project, *_ in rows})[:MOST_PROJECTS]
    projects = dict(query(PROJECTS, [first]))
    return [
        Alike(
            state,
            queues.get(queue, OTHER),
            projects.get(project, OTHER),
            RISING[priority],
            "gpu" if gpus else "cpu",
            _codes(codes) if codes else frozenset(),
            *told,
        )
        for state, queue, project, priority, gpus, codes, *told in rows
    ]


@lru_cache(maxsize=1_000)
def _codes(told: str) -> frozenset[str]:
    """Of one reason its code, of several a list of them: few that are different, in hundreds of rows."""
    return frozenset(loads(told) if told.startswith("[") else [told])


def _sum(rows: Iterable[tuple[tuple[str, ...], int]]) -> dict[tuple[str, ...], int]:
    sums: dict[tuple[str, ...], int] = defaultdict(int)
    for key, number in rows:
        sums[key] += number
    return sums


def _with_zeros(sums: Mapping[tuple[str, ...], int], *values: Iterable[str]) -> dict[tuple[str, ...], int]:
    return {**dict.fromkeys(product(*values), 0), **sums}


def _gauges(name: str, text: str, labels: tuple[str, ...], sums: Mapping[tuple[str, ...], int]) -> Family:
    return gauges(name, text, labels, ((*values, number) for values, number in sums.items()))
