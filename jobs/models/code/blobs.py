"""What the files of code hold, and the objects in which that lies."""

from django.db import models
from django.db.models.functions import Now

from quotas.models import Project


class CodePack(models.Model):
    """One object in the storage, with the contents of several blobs one behind the other.

    Written before its object is. When its project is deleted the row stays, without it, until its object is deleted too.
    """

    project = models.ForeignKey(Project, null=True, on_delete=models.SET_NULL, related_name="+")
    name = models.CharField(max_length=200)
    size = models.PositiveBigIntegerField()
    holds = models.CharField(
        max_length=10, default="code", db_default="code", help_text="What brought it: code, outputs."
    )
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
