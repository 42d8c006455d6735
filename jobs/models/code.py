"""Rows of code that jobs bring along: folders as they were, what their files hold, and the objects in which that lies."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from quotas.models import Project


class CodePack(models.Model):
    """One object in the storage, with the contents of several blobs one behind the other.

    Written before its object is. When its project is deleted the row stays, without it, until its object is deleted too.
    """

    project = models.ForeignKey(Project, null=True, on_delete=models.SET_NULL, related_name="+")
    name = models.CharField(max_length=200)
    size = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name


class CodeBlob(models.Model):
    """A file, or a part of a large one, by the hash of its content. Each project has its own, also of equal content."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    pack = models.ForeignKey(CodePack, on_delete=models.PROTECT, related_name="blobs")
    offset = models.PositiveBigIntegerField()
    used_at = models.DateTimeField(db_default=Now(), help_text="When an upload last asked for it.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "sha256"], name="code_blob_of_project_once")]

    def __str__(self) -> str:
        return self.sha256


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
