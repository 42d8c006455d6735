"""Jobs that are not over, and for what they wait."""

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Count, Exists, F, Min, OuterRef, Subquery
from django.db.models.functions import Coalesce, Greatest, Now
from prometheus_client.core import GaugeMetricFamily, Metric

from jobs.models import Job, JobDependency
from jobs.models.clock import database_now
from jobs.reports.dashboard import WAITING_FOR
from jobs.reports.metrics.families import gauge, labelled, query
from scheduling.lifecycle import TERMINAL_STATES, JobState

HOUR = timedelta(hours=1)
SHORTEST_RUN_SECONDS = 10
"""In a stretch a shorter run counts as this: else a job of a second that waited a minute would be the worst of all."""
STRETCH = """
    SELECT max((extract(epoch FROM started_at - created_at) + run) / run)::float8
    FROM (SELECT created_at, started_at, greatest(extract(epoch FROM finished_at - started_at), %s) AS run
          FROM jobs_job WHERE finished_at > now() - interval '1 day' AND started_at IS NOT NULL) AS ended
"""


def jobs() -> Iterator[Metric]:
    open_jobs = Job.objects.exclude(state__in=TERMINAL_STATES).order_by()
    rows = open_jobs.values_list("state", "queue__name", "project__slug").annotate(n=Count("pk"))
    text = "Jobs that are not over, by state, queue and project."
    yield labelled(GaugeMetricFamily, "jobs", text, ("state", "queue", "project"), rows)
    ended = Job.objects.filter(finished_at__gt=Now() - HOUR).order_by().values_list("state")
    text = "Jobs that ended in the last hour, by state."
    yield labelled(GaugeMetricFamily, "jobs_ended_last_hour", text, ("state",), ended.annotate(n=Count("pk")))


def waits() -> Iterator[Metric]:
    text = "Waiting jobs by the code of each of their reasons."
    yield labelled(
        GaugeMetricFamily, "waiting_jobs", text, ("reason",), query(WAITING_FOR, {"all": True, "projects": []})
    )
    in_line = Job.objects.filter(state=JobState.PENDING, held_at__isnull=True)
    needs = JobDependency.objects.filter(job=OuterRef("pk"))
    able = in_line.exclude(Exists(needs.exclude(needs__state=JobState.COMPLETED)))
    last = Subquery(needs.order_by(F("needs__finished_at").desc(nulls_last=True)).values("needs__finished_at")[:1])
    since = Greatest(Coalesce("in_line_since", "created_at"), last)
    oldest = able.annotate(since=since).aggregate(at=Min("since"))["at"]
    longest = (database_now() - oldest).total_seconds() if oldest else 0
    yield gauge("longest_wait_seconds", "How long the job has waited that waits longest now.", longest)
    [[worst]] = query(STRETCH, [SHORTEST_RUN_SECONDS])
    text = "The largest (wait + run) / run of jobs that ended in the last day; runs count as 10 s at least."
    yield gauge("worst_stretch", text, worst or 0)
