"""Jobs that are not over: where they are, and for what they wait."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from itertools import product
from json import loads
from typing import NamedTuple

from django.db.models import Count
from django.db.models.functions import Now
from prometheus_client.core import GaugeMetricFamily, Metric

from jobs.messages.routing import HARDWARE
from jobs.models import Job, Queue
from jobs.reports.metrics.families import labelled, query
from quotas.models import Project
from scheduling.lifecycle import TERMINAL_STATES, JobState
from scheduling.priorities import CLASSES, NORMAL_FROM, URGENT_FROM
from scheduling.reasons import ReasonCode

HOUR = timedelta(hours=1)
MOST_QUEUES, MOST_PROJECTS = 50, 200
"""Of more, those that were made first have series of their own, and the rest have one together: `OTHER`."""
OTHER = "other"
OPEN_STATES = sorted(set(JobState) - TERMINAL_STATES)
# In two parts, as there is an index for each.
OPEN_JOBS = """
    SELECT state, queue_id, project_id,
           CASE WHEN priority >= %(urgent)s THEN 'urgent' WHEN priority >= %(normal)s THEN 'normal' ELSE 'background' END,
           CASE WHEN gpus > 0 THEN 'gpu' ELSE 'cpu' END,
           CASE state WHEN 'pending' THEN jsonb_path_query_array(reasons, '$[*].code') ELSE '[]' END #>> '{}', count(*)
    FROM (
        SELECT state, queue_id, project_id, priority, gpus, reasons FROM jobs_job
        WHERE state IN ('pending', 'queued', 'assigned', 'running')
        UNION ALL SELECT state, queue_id, project_id, priority, gpus, reasons FROM jobs_job WHERE state = 'paused'
    ) AS job GROUP BY 1, 2, 3, 4, 5, 6
"""


class Alike(NamedTuple):
    """So many jobs of which all of this is true."""

    state: str
    queue: str
    project: str
    priority: str
    hardware: str
    reasons: frozenset[str]
    number: int


def jobs() -> Iterator[Metric]:
    """What is empty is 0 and does not vanish, but for pairs of a queue and a project, of which there can be many."""
    queues = list(Queue.objects.order_by("pk").values_list("pk", "name")[:MOST_QUEUES])
    found = _open_jobs(dict(queues))
    text = "Jobs that are not over, by state, queue and project."
    placed = _sum(((one.state, one.queue, one.project), one.number) for one in found)
    yield _gauges("jobs", text, ("state", "queue", "project"), placed)
    text = "Jobs that are not over, by state."
    states = _sum(((one.state,), one.number) for one in found)
    yield _gauges("active_jobs", text, ("state",), _with_zeros(states, OPEN_STATES))
    yield from _lengths([one for one in found if one.state == JobState.PENDING], [name for _, name in queues])
    ended = Job.objects.filter(finished_at__gt=Now() - HOUR).order_by().values_list("state")
    lately = dict.fromkeys(sorted(TERMINAL_STATES), 0) | dict(ended.annotate(n=Count("pk")))
    text = "Jobs that ended in the last hour, by state."
    yield labelled(GaugeMetricFamily, "jobs_ended_last_hour", text, ("state",), lately.items())


def _lengths(waiting: list[Alike], queues: list[str]) -> Iterator[Metric]:
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
    rows = query(OPEN_JOBS, {"urgent": URGENT_FROM, "normal": NORMAL_FROM})
    first = sorted({project for _, _, project, *_ in rows})[:MOST_PROJECTS]
    projects = dict(Project.objects.filter(pk__in=first).values_list("pk", "slug"))
    return [
        Alike(
            state,
            queues.get(queue, OTHER),
            projects.get(project, OTHER),
            priority,
            hardware,
            frozenset(loads(codes)),
            n,
        )
        for state, queue, project, priority, hardware, codes, n in rows
    ]


def _sum(rows: Iterable[tuple[tuple[str, ...], int]]) -> dict[tuple[str, ...], int]:
    sums: dict[tuple[str, ...], int] = defaultdict(int)
    for key, number in rows:
        sums[key] += number
    return sums


def _with_zeros(sums: Mapping[tuple[str, ...], int], *values: Iterable[str]) -> dict[tuple[str, ...], int]:
    return {**dict.fromkeys(product(*values), 0), **sums}


def _gauges(name: str, text: str, labels: tuple[str, ...], sums: Mapping[tuple[str, ...], int]) -> Metric:
    return labelled(GaugeMetricFamily, name, text, labels, ((*values, number) for values, number in sums.items()))
