"""For how long jobs are kept."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from quotas.models import Project


class JobRetention(models.Model):
    """The rule of a project and of everything below it that has none of its own. Where no project has one, the platform's."""

    project = models.OneToOneField(Project, primary_key=True, on_delete=models.CASCADE, related_name="+")
    days = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)],
        help_text="So long after their end jobs are deleted with all that is theirs; empty: never.",
    )  # fmt: skip
    changed_by = models.CharField(max_length=150, blank=True, editable=False)
    changed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(days__isnull=True) | Q(days__gte=1), name="job_retention_of_a_day"),
        ]

    def __str__(self) -> str:
        return f"{self.project}: {self.days or 'no'} days"


class OutputRetention(models.Model):
    """The same for what attempts left behind, which may go before its job does; empty: as long as the job is kept."""

    project = models.OneToOneField(Project, primary_key=True, on_delete=models.CASCADE, related_name="+")
    days = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)],
        help_text="So long after a job's end its outputs and checkpoints are kept; empty: as long as the job.",
    )  # fmt: skip
    changed_by = models.CharField(max_length=150, blank=True, editable=False)
    changed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(days__isnull=True) | Q(days__gte=1), name="output_retention_of_a_day"),
        ]

    def __str__(self) -> str:
        return f"{self.project}: {self.days or 'no'} days"


class OutputLimit(models.Model):
    """The most that a project and everything below it keep of what attempts left, all of it together."""

    project = models.OneToOneField(Project, primary_key=True, on_delete=models.CASCADE, related_name="+")
    most_mb = models.PositiveBigIntegerField(help_text="The oldest that nobody keeps are forgotten for newer ones.")
    changed_by = models.CharField(max_length=150, blank=True, editable=False)
    changed_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return f"{self.project}: at most {self.most_mb} MB"


class ForgottenJob(models.Model):
    """A job that was deleted as its project keeps none for so long: what its attempts left on nodes may go."""

    job = models.BigIntegerField(primary_key=True)
    ended_at = models.DateTimeField()
    deleted_at = models.DateTimeField(db_default=Now(), db_index=True)

    def __str__(self) -> str:
        return f"job {self.job}, ended {self.ended_at}"
