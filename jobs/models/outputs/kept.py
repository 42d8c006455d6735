"""What is kept of attempts: a row for each placement, and one for each of its files."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import MD5, Now

from jobs.models.job import Attempt, Placement


class KeptOutputs(models.Model):
    """What one placement left on its node: announced with its end, then uploaded by the node's agent."""

    class State(models.TextChoices):
        COMING = "coming"  # its agent has it still to upload, or is at it
        KEPT = "kept"
        LOST = "lost"  # nobody uploads it any more
        FORGOTTEN = "forgotten"  # it was kept for as long as it was to be

    placement = models.OneToOneField(Placement, primary_key=True, on_delete=models.CASCADE, related_name="kept_outputs")
    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="kept_outputs")
    rank = models.PositiveIntegerField(default=0, db_default=0)
    state = models.CharField(max_length=10, choices=State.choices, default=State.COMING, db_default=State.COMING)
    announced_at = models.DateTimeField(db_default=Now())
    kept_at = models.DateTimeField(null=True)
    # What could not be kept; of many only the first have rows of their own.
    left_out = models.PositiveIntegerField(default=0, db_default=0)
    left_out_bytes = models.PositiveBigIntegerField(default=0, db_default=0)
    size = models.PositiveBigIntegerField(default=0, db_default=0, help_text="Of its files that are kept, in bytes.")
    message = models.CharField(max_length=500, blank=True, db_default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["coming", "kept", "lost", "forgotten"]), name="kept_outputs_state_known"
            )
        ]
        indexes = [
            models.Index(fields=["announced_at"], name="kept_outputs_coming", condition=Q(state="coming")),
            models.Index(fields=["kept_at"], name="kept_outputs_age", condition=Q(state="kept")),
        ]

    def __str__(self) -> str:
        return f"outputs of {self.attempt}"


class KeptFile(models.Model):
    """A file below one of the two folders. `blobs` are the ids of what it consists of, in order."""

    class Kind(models.TextChoices):
        OUTPUT = "output"
        CHECKPOINT = "checkpoint"

    class State(models.TextChoices):
        KEPT = "kept"
        LINK = "link"  # to another one below the same folder
        LEFT_OUT = "left_out"

    outputs = models.ForeignKey(KeptOutputs, on_delete=models.CASCADE, related_name="files", db_index=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    path = models.TextField()
    size = models.PositiveBigIntegerField(default=0)
    modified_ns = models.BigIntegerField(default=0)
    executable = models.BooleanField(default=False)
    link = models.TextField(blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.KEPT)
    message = models.CharField(max_length=200, blank=True)
    blobs = ArrayField(models.BigIntegerField(), default=list)

    class Meta:
        constraints = [
            # By a hash of the path: one may be longer than an index takes.
            models.UniqueConstraint("outputs", "kind", MD5("path"), name="kept_file_once"),
        ]

    def __str__(self) -> str:
        return self.path
