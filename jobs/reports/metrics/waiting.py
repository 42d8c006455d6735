"""Whether anybody waits too long."""

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Exists, F, Min, OuterRef, Subquery
from django.db.models.functions import Coalesce, Greatest
from prometheus_client.core import Metric

from jobs.models import Job, JobDependency
from jobs.models.clock import database_now
from jobs.reports.metrics.families import gauge, query
from scheduling.lifecycle import JobState

HOUR = timedelta(hours=1)
SHORTEST_RUN_SECONDS = 10
"""In a stretch a shorter run counts as this: else a job of a second that waited a minute would be the worst of all."""
STRETCH = """
    SELECT max((extract(epoch FROM started_at - created_at) + run) / run)::float8
    FROM (SELECT created_at, started_at, greatest(extract(epoch FROM finished_at - started_at), %s) AS run
          FROM jobs_job WHERE finished_at > now() - interval '1 day' AND started_at IS NOT NULL) AS ended
"""


def waits() -> Iterator[Metric]:
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
