"""What was foretold about starts, and what came true: the platform's own accuracy, kept so that people can trust it."""

from django.db import models
from django.db.models import Q


class StartPrediction(models.Model):
    """The first and the last prediction of when one attempt starts; once it has started, how far off they were.

    Errors are in seconds, positive when the start came later than expected. A prediction whose interval has no end
    holds the start when it did not come sooner.
    """

    job = models.ForeignKey("jobs.Job", on_delete=models.CASCADE, related_name="start_predictions")
    attempt = models.PositiveIntegerField()
    first_made_at = models.DateTimeField()
    first_expected = models.DateTimeField()
    first_soonest = models.DateTimeField()
    first_latest = models.DateTimeField(null=True)
    last_made_at = models.DateTimeField()
    last_expected = models.DateTimeField()
    last_soonest = models.DateTimeField()
    last_latest = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    first_error_seconds = models.FloatField(null=True)
    last_error_seconds = models.FloatField(null=True)
    first_held = models.BooleanField(null=True)
    last_held = models.BooleanField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "attempt"], name="one_start_prediction_per_attempt"),
        ]
        indexes = [
            models.Index(fields=["-started_at"], name="start_came", condition=Q(started_at__isnull=False)),
            models.Index(fields=["job"], name="start_to_come", condition=Q(started_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"start of {self.job_id}#{self.attempt}"
