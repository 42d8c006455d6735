"""A session beside a job. What was said in it is nowhere."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from jobs.models.job import Placement


class JobSession(models.Model):
    """Somebody beside one placement of a running job, from the asking to the end."""

    class Kind(models.TextChoices):
        EXEC = "exec"  # a command, its input and output apart
        SHELL = "shell"  # a command with a terminal
        PORT = "port"  # connections to a port of the node

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    placement = models.ForeignKey(Placement, on_delete=models.CASCADE, related_name="sessions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=5, choices=Kind.choices)
    command = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))
    terminal = models.CharField(max_length=40, blank=True, db_default="")  # its TERM; empty without one
    rows = models.PositiveIntegerField(db_default=24)
    columns = models.PositiveIntegerField(db_default=80)
    port = models.PositiveIntegerField(null=True)
    # The hash of the word by which the caller comes in, once; of the web process that he came to, where the agent's half goes.
    token_hash = models.CharField(max_length=64, editable=False)
    relay = models.CharField(max_length=100, blank=True, db_default="", editable=False)
    created_at = models.DateTimeField(db_default=Now())
    caller_at = models.DateTimeField(null=True)
    agent_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    exit_code = models.IntegerField(null=True)
    outcome = models.CharField(max_length=500, blank=True, db_default="")  # in a sentence, if not by itself

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["placement"], name="session_open", condition=models.Q(ended_at__isnull=True)),
            models.Index(fields=["user"], name="session_of_user_open", condition=models.Q(ended_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def words(self) -> str:
        """What is done in it, in a few words."""
        if self.kind == self.Kind.PORT:
            return f"port {self.port}"
        command = " ".join(map(str, self.command)) or "a shell"
        return command if len(command) <= SHOWN else f"{command[:SHOWN]}..."


SHOWN = 200
