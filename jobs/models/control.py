"""What a job's row keeps of what people did to it beside its state: holds, suspensions, and its age in line."""

from django.db import models

from scheduling.lifecycle import JobState


class Controlled(models.Model):
    """The part of a job that `control.py` writes."""

    state: str  # the job's own columns
    desired: str

    # Held back by somebody while `held_at` is set: no cycle starts it.
    held_at = models.DateTimeField(null=True, editable=False)
    held_by = models.CharField(max_length=150, blank=True, default="", db_default="", editable=False)
    held_reason = models.CharField(max_length=200, blank=True, default="", db_default="", editable=False)
    # Paused or held since then, and so not waiting for anything of the platform's.
    out_of_line_since = models.DateTimeField(null=True, editable=False)
    # By this its age in line is counted: its creation, later by as long as it has been out of line. Null: its creation.
    in_line_since = models.DateTimeField(null=True, editable=False)
    # Not before this, as its owner wants it; null: as soon as it can. Until then it does not stand in line.
    begin_at = models.DateTimeField(null=True, blank=True)
    # How often what it asks for was changed: a plan that was made by an older one does not place it.
    revision = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    # Of the present attempt: since when it is to stand still, and for how long it has stood still before that.
    suspended_at = models.DateTimeField(null=True, editable=False)
    suspended_seconds = models.FloatField(default=0.0, db_default=0.0, editable=False)

    class Meta:
        abstract = True

    @property
    def suspended(self) -> bool:
        """Whether it is to stand still where it is. A wish to stop it is stronger: that wakes it up."""
        return self.suspended_at is not None and not self.desired and self.state == JobState.RUNNING
