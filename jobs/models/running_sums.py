"""Sums that the database keeps while it goes along, as a million rows take too long to count while somebody waits.

Triggers add a row a change, which waits for nobody; `jobs.usage.running_sums` adds them up and folds them together. They
name projects and queues by plain values: those may be gone before what is taken off again has come.
"""

from django.db import models


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
