"""Workloads: named sets of jobs of one project and one owner."""

from django.conf import settings
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from quotas.models import Project
from scheduling.workloads import Wanted

workload_name_validator = RegexValidator(
    r"\A[A-Za-z][A-Za-z0-9._-]{0,62}\Z",
    "Begin with a letter; letters, digits, dots, dashes and underscores may follow, 63 in all.",
)


class Workload(models.Model):
    """What is wanted of a set of jobs. How it stands is never written: `jobs.reports.workloads` works it out."""

    name = models.CharField(max_length=63, validators=[workload_name_validator])
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="workloads")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="workloads"
    )
    description = models.CharField(max_length=200, blank=True)
    wanted = models.CharField(
        max_length=10, choices=[(one.value, one.value) for one in Wanted], default=Wanted.OPEN, editable=False
    )
    max_running = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Of its jobs at once; empty: no limit."
    )
    stop_on_failure = models.BooleanField(default=False, help_text="The first job that fails cancels the others.")
    # At whose failure it was cancelled; the job may be deleted.
    stopped_by = models.BigIntegerField(null=True, editable=False)
    # Failures before this do not stop it: they were retried.
    watched_since = models.DateTimeField(db_default=Now(), editable=False)
    # Counts what was wanted one after the other: who brings about an older wish stops at a newer one.
    version = models.PositiveIntegerField(default=0, editable=False)
    # Whether its jobs were all told what is wanted last; if not, a sweep tells them.
    settled = models.BooleanField(default=True, editable=False)
    changed_by = models.CharField(max_length=150, blank=True, editable=False)
    changed_at = models.DateTimeField(db_default=Now(), editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="workload_name_once_in_a_project"),
            models.CheckConstraint(condition=Q(wanted__in=[one.value for one in Wanted]), name="workload_wanted_known"),
            models.CheckConstraint(
                condition=Q(max_running__isnull=True) | Q(max_running__gte=1), name="workload_runs_one_at_least"
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="workload_unsettled", condition=Q(settled=False)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def wish(self) -> Wanted:
        return Wanted(self.wanted)
