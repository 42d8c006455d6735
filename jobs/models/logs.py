"""Rows of what attempts print: pieces while it comes, one entry for each log that lies in the storage, and who follows."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class LogChunk(models.Model):
    """A numbered piece of what one placement of an attempt printed. Numbers start at 0 and leave no gaps.

    One whose `gap` is not empty is a line of the platform's own that says what is missing here: `missing` bytes, null
    where nobody knows how many. `jobs.logs.gaps` has the reasons. In one with `printed` values of secrets were masked: of
    so many bytes of the output it was made; null: of as many as it has.
    """

    attempt = models.ForeignKey("jobs.Attempt", on_delete=models.CASCADE, related_name="log_chunks")
    rank = models.PositiveIntegerField(db_default=0)
    number = models.PositiveIntegerField()
    offset = models.PositiveBigIntegerField()
    data = models.BinaryField()
    gap = models.CharField(max_length=20, blank=True, db_default="")
    missing = models.PositiveBigIntegerField(null=True)
    printed = models.PositiveBigIntegerField(null=True)

    class Meta:
        ordering = ["attempt_id", "rank", "number"]
        constraints = [models.UniqueConstraint(fields=["attempt", "rank", "number"], name="log_chunk_of_rank_once")]
        # Which logs have rows at all, however long they are: number 0 is deleted last.
        indexes = [models.Index(fields=["attempt", "rank"], name="log_with_rows", condition=Q(number=0))]

    def __str__(self) -> str:
        return f"{self.attempt_id} log {self.number}"


class StoredLog(models.Model):
    """A whole log in the storage, as an object named `name`; until `stored_at` is set one that is only being written.

    The object is a row of gzip members, each of `jobs.logs.object_store.BLOCK_BYTES` of the log: `blocks` says where they
    begin. `gaps` are lists of offset, length of the line that tells of it, missing bytes or null, and reason. When the
    attempt is deleted the row stays, without it, until its object is deleted too.
    """

    attempt = models.ForeignKey("jobs.Attempt", null=True, on_delete=models.SET_NULL, related_name="stored_logs")
    rank = models.PositiveIntegerField()
    name = models.CharField(max_length=200)
    size = models.PositiveBigIntegerField(default=0, help_text="Of the log.")
    stored_size = models.PositiveBigIntegerField(default=0, help_text="Of the object.")
    sha256 = models.CharField(max_length=64, blank=True, help_text="Of the object.")
    blocks = ArrayField(models.PositiveBigIntegerField(), default=list)
    gaps = models.JSONField(default=list)
    tried_at = models.DateTimeField(db_default=Now())
    stored_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["attempt", "rank"], name="stored_log_of_rank_once")]
        indexes = [models.Index(fields=["stored_at"], name="stored_log_age")]

    def __str__(self) -> str:
        return self.name


class FollowedLog(models.Model):
    """Somebody watches what this attempt prints: until then its agents send it sooner."""

    attempt = models.OneToOneField("jobs.Attempt", primary_key=True, on_delete=models.CASCADE, related_name="+")
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.attempt_id} until {self.until}"
