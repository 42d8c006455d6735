"""What jobs reported over time, an attempt at a time."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class ReportMark(models.Model):
    """How far the report of an attempt is kept: all of its file before `offset` is in the attempt's series."""

    attempt = models.OneToOneField(
        "jobs.Attempt", primary_key=True, on_delete=models.CASCADE, related_name="report_mark"
    )
    offset = models.PositiveBigIntegerField()
    refused = models.PositiveBigIntegerField(help_text="Lines and values that could not be used.")
    step = models.FloatField(null=True, help_text="The last step that was named.")

    def __str__(self) -> str:
        return f"{self.attempt_id}: {self.offset} bytes"


class MetricSeries(models.Model):
    """One metric of one attempt, as `workers.runtime.series.Series` keeps it: three columns of the same length.

    `steps` are NaN where the job counts none; `times` are seconds since 1970; `values` may be NaN or infinite.
    """

    attempt = models.ForeignKey("jobs.Attempt", on_delete=models.CASCADE, related_name="series", db_index=False)
    name = models.CharField(max_length=100)
    count = models.PositiveBigIntegerField(help_text="Values that were reported; fewer may be kept.")
    steps = ArrayField(models.FloatField())
    times = ArrayField(models.FloatField())
    values = ArrayField(models.FloatField())

    class Meta:
        ordering = ["attempt_id", "name"]
        constraints = [models.UniqueConstraint(fields=["attempt", "name"], name="one_series_per_metric")]

    def __str__(self) -> str:
        return f"{self.name} of {self.attempt_id}"
