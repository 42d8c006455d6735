"""Numbers that are kept while things go along, as rows take too long to count while somebody waits.

What jobs have done since the beginning only grows: `jobs.usage.job_counts` keeps that. How many have ended, and what was
booked a day, triggers add a row a change to, which waits for nobody; `jobs.usage.running_sums` adds them up and folds them
together. They name projects and queues by plain values: those may be gone before what is taken off again has come.
"""

from django.db import models
from django.db.models import Q


class JobCount(models.Model):
    """How often one thing has happened, and how long it took all together; of a histogram, in one of its buckets."""

    series = models.CharField(max_length=20)
    label = models.CharField(max_length=40, blank=True)
    # The bucket's upper bound in seconds, infinite in the last one and where nothing is measured.
    at_most = models.FloatField()
    count = models.PositiveBigIntegerField()
    seconds = models.FloatField(default=0, db_default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["series", "label", "at_most"], name="one_count_of_a_thing")]

    def __str__(self) -> str:
        return f"{self.series} {self.label}"


class JobCountProgress(models.Model):
    """Up to which event of jobs things have been counted: one row.

    `next_until`: the last event that there was when it was last looked, and `when_over` the first transaction that began
    after that. Once all before that one are over, no event up to it can still appear.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    counted_until = models.BigIntegerField(default=0)
    next_until = models.BigIntegerField(null=True)
    when_over = models.BigIntegerField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_job_count_progress_row")]

    def __str__(self) -> str:
        return f"counted up to event {self.counted_until}"


class EndedJobs(models.Model):
    """So many more, or fewer, jobs of a project and queue are there that ended so."""

    project = models.BigIntegerField()
    queue = models.BigIntegerField()
    state = models.CharField(max_length=10)
    jobs = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["project"], name="ended_jobs_of_project")]

    def __str__(self) -> str:
        return f"{self.jobs:+d} {self.state}"


class DayCost(models.Model):
    """So much more, or less, was booked for a project on a day (UTC)."""

    project = models.BigIntegerField()
    day = models.DateField()
    cost = models.DecimalField(max_digits=30, decimal_places=4)

    class Meta:
        indexes = [models.Index(fields=["day"], name="cost_of_day")]

    def __str__(self) -> str:
        return f"{self.cost:+f} on {self.day}"
