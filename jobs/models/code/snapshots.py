"""Folders as they were."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from quotas.models import Project


class CodeSnapshot(models.Model):
    """A folder as it was: its files, and where git stood. Jobs run in a copy of it; it is never changed.

    `manifest` is what `jobs.code.manifest` packs; `blobs` are the ids of all that its files hold, once all of that is
    there. Until then no job can name it.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    digest = models.CharField(max_length=64, help_text="Of its files and of where git stood.")
    manifest = models.BinaryField()
    files = models.PositiveIntegerField()
    size = models.PositiveBigIntegerField()
    blobs = ArrayField(models.BigIntegerField(), default=list)
    commit = models.CharField(max_length=64, blank=True)
    branch = models.CharField(max_length=255, blank=True)
    dirty = models.BooleanField(null=True)
    diff = models.TextField(blank=True)
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    used_at = models.DateTimeField(db_default=Now(), help_text="When it was last uploaded, or found to be there.")
    complete_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "digest"], name="code_snapshot_of_project_once")]
        indexes = [models.Index(fields=["used_at"], name="code_snapshot_age")]

    def __str__(self) -> str:
        return f"{self.pk} {self.digest[:12]}"


HAS_CODE = Q(snapshot__isnull=False)
