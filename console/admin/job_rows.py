"""Jobs with the times that their list shows, all in the list's own query."""

from datetime import timedelta

from django.db.models import (
    Case,
    DurationField,
    ExpressionWrapper,
    F,
    Max,
    OuterRef,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Greatest, Now

from jobs.models import Attempt, Job
from scheduling.lifecycle import JobState


def with_times(jobs: QuerySet[Job]) -> QuerySet[Job]:
    """Each job with `waited` (until it was placed, or until now), `ran` (null before it started) and the `now` of that."""
    return jobs.annotate(now=Now(), waited=_waited(), ran=_ran())


def _waited() -> Greatest:
    """Counted from the job's creation or its begin, or from the end of the attempt before; the clock is PostgreSQL's."""
    until = Case(When(state=JobState.PENDING, then=Now()), default=Coalesce(F("queued_at"), F("finished_at"), Now()))
    first = Greatest("created_at", "begin_at")
    retried = Coalesce(_last_end(number__lt=OuterRef("attempt")), first)
    waits_again = Coalesce(_last_end(number__lte=OuterRef("attempt")), first)
    since = Case(
        When(state=JobState.PENDING, attempt__gt=0, then=waits_again),
        When(attempt__gt=1, then=retried),
        default=first,
    )
    span = ExpressionWrapper(until - since, output_field=DurationField())
    return Greatest(span, Value(timedelta(0), output_field=DurationField()))


def _last_end(**numbers: OuterRef) -> Subquery:
    attempts = Attempt.objects.filter(job=OuterRef("pk"), **numbers).order_by().values("job")
    return Subquery(attempts.values(last=Max("ended_at")))


def _ran() -> Coalesce:
    """All its attempts together: the time between them does not count. Of older jobs nothing better may be known."""
    attempts = Attempt.objects.filter(job=OuterRef("pk"), started_at__isnull=False).order_by().values("job")
    span = Coalesce(F("ended_at"), Now()) - F("started_at")
    each = Subquery(attempts.values(ran=Sum(span, output_field=DurationField())))
    whole = ExpressionWrapper(F("finished_at") - F("started_at"), output_field=DurationField())
    return Coalesce(each, whole)
