"""Jobs that are submitted again and again with other parameters."""

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
