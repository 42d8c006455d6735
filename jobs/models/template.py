"""Jobs that are submitted again and again: with other parameters, or at certain times."""

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now

from quotas.models import Project

template_name_validator = RegexValidator(
    r"\A[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?\Z",
    "Use small letters, digits and dashes, at most 40, neither first nor last a dash.",
)


class JobTemplate(models.Model):
    """One version of a template: it is never changed, a change is the next version. The latest one is meant by the name."""

    name = models.CharField(max_length=40, validators=[template_name_validator])
    version = models.PositiveIntegerField()
    project = models.ForeignKey(
        Project, null=True, blank=True, on_delete=models.CASCADE, related_name="+", help_text="Empty: everybody's."
    )
    description = models.CharField(max_length=500, blank=True)
    parameters = models.JSONField(default=dict)
    job = models.JSONField(help_text="As it is submitted, with {parameter} where something is to be filled in.")
    estimated_runtime = models.JSONField(null=True)
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="template_version_once"),
            models.CheckConstraint(condition=models.Q(version__gte=1), name="template_versions_begin_at_one"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class JobSchedule(models.Model):
    """A job that is submitted at certain times, as its owner and by his rights of that moment."""

    class Overlap(models.TextChoices):
        SKIP = "skip"  # while its last job has not ended, none is submitted
        ALLOW = "allow"
        REPLACE = "replace"  # its last job is cancelled

    class Missed(models.TextChoices):
        ONCE = "once"  # of all moments that were missed, one job is submitted
        SKIP = "skip"

    name = models.CharField(max_length=40, validators=[template_name_validator])
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    # As it was given, to be shown and changed; and what is submitted, already understood.
    job = models.JSONField()
    spec = models.JSONField(editable=False)
    cron = models.CharField(max_length=100)
    time_zone = models.CharField(max_length=64, default="UTC")
    overlap = models.CharField(max_length=10, choices=Overlap.choices, default=Overlap.SKIP)
    missed = models.CharField(max_length=10, choices=Missed.choices, default=Missed.ONCE)
    paused = models.BooleanField(default=False)
    ends_at = models.DateTimeField(null=True, blank=True)
    # When the next job is due; empty: never again, or not while it is paused.
    next_at = models.DateTimeField(null=True, editable=False)
    last_at = models.DateTimeField(null=True, editable=False)
    last_job = models.BigIntegerField(null=True, editable=False)
    # What came of the last moment, in a sentence.
    outcome = models.CharField(max_length=500, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["project__slug", "name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="schedule_name_once_in_a_project"),
            models.CheckConstraint(
                condition=models.Q(overlap__in=["skip", "allow", "replace"]), name="schedule_overlap_known"
            ),
            models.CheckConstraint(condition=models.Q(missed__in=["once", "skip"]), name="schedule_missed_known"),
        ]
        indexes = [models.Index(fields=["next_at"], name="schedule_due", condition=models.Q(next_at__isnull=False))]

    def __str__(self) -> str:
        return self.name
