"""What jobs depend on."""

from django.db import models
from django.db.models import F, Q

from scheduling.planning.dependencies import After


class JobDependency(models.Model):
    """`job` starts only after `needs` has ended, in the way that `after` says."""

    job = models.ForeignKey("jobs.Job", on_delete=models.CASCADE, related_name="dependencies")
    needs = models.ForeignKey("jobs.Job", on_delete=models.CASCADE, related_name="needed_by")
    after = models.CharField(
        max_length=6, choices=[(after.value, after.value) for after in After], default="ok", db_default="ok"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "needs"], name="dependency_once"),
            models.CheckConstraint(
                condition=Q(after__in=[after.value for after in After]), name="dependency_after_known"
            ),
            models.CheckConstraint(condition=~Q(job=F("needs")), name="no_dependency_on_itself"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} after {self.needs_id}"
