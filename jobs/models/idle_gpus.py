"""Rules for jobs whose GPUs idle, and what became of jobs by them."""

from dataclasses import fields
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from jobs.models.job import Attempt
from jobs.models.queue import Queue
from quotas.models import Project
from scheduling.idle_gpus import MOST_MINUTES, MOST_REQUEUES, OFF, Ladder, Rung, faults
from scheduling.priorities import HIGHEST

TERMS = tuple(one.name for one in fields(Ladder))
"""The columns of a rule that say what happens."""


def _minutes(words: str) -> "models.PositiveIntegerField[Any, Any]":
    return models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(MOST_MINUTES)], help_text=words
    )


class IdleGpuRule(models.Model):
    """The rule of a project and of everything below it that has none of its own, or of a queue. Without any minutes: nothing happens."""

    project = models.OneToOneField(Project, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    queue = models.OneToOneField(Queue, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    warn_minutes = _minutes("So long no GPU of a job has worked: its history says so; empty: never.")
    suggest_minutes = _minutes("Its history says what can be done; empty: never.")
    requeue_minutes = _minutes("It saves its work and goes back in line, if it is checkpointable; empty: never.")
    stop_minutes = _minutes("It is ended; empty: never.")
    requeue_priority = models.PositiveSmallIntegerField(
        default=OFF.requeue_priority, validators=[MaxValueValidator(HIGHEST)],
        help_text="The priority with which it goes back in line, unless its own is lower.",
    )  # fmt: skip
    max_requeues = models.PositiveSmallIntegerField(
        default=OFF.max_requeues, validators=[MinValueValidator(1), MaxValueValidator(MOST_REQUEUES)],
        help_text="So often a job is requeued for this; after that what is left is to stop it.",
    )  # fmt: skip
    start_minutes = models.PositiveIntegerField(
        default=OFF.start_minutes, validators=[MaxValueValidator(MOST_MINUTES)],
        help_text="The first minutes of an attempt, which do not count.",
    )  # fmt: skip
    changed_by = models.CharField(max_length=150, blank=True, editable=False)
    changed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(project__isnull=True, queue__isnull=False) | Q(project__isnull=False, queue__isnull=True),
                name="idle_gpu_rule_of_one",
            ),
            models.CheckConstraint(
                condition=Q(requeue_priority__lte=HIGHEST, max_requeues__gte=1)
                & (Q(warn_minutes__isnull=True) | Q(warn_minutes__gte=1))
                & (Q(stop_minutes__isnull=True) | Q(stop_minutes__gt=F("warn_minutes")))
                & (Q(requeue_minutes__isnull=True) | Q(requeue_minutes__gt=F("warn_minutes"))),
                name="idle_gpu_rule_warns_first",
            ),
        ]

    def __str__(self) -> str:
        return f"idle GPUs of {f'queue {self.queue}' if self.queue_id else self.project}"

    @property
    def ladder(self) -> Ladder:
        return Ladder(**{name: getattr(self, name) for name in TERMS})

    def clean(self) -> None:
        if (self.project_id is None) == (self.queue_id is None):
            raise ValidationError({"project": "A rule is of a project or of a queue: name one of them."})
        found = {one.field: one.message for one in faults(self.ladder)}
        if found:
            raise ValidationError(found)


class IdleGpuStep(models.Model):
    """A rung that an attempt climbed: once in each stretch in which its GPUs idle. It outlives the job: what was saved is counted."""

    attempt = models.ForeignKey(Attempt, null=True, on_delete=models.SET_NULL, related_name="idle_steps")
    rung = models.CharField(max_length=10, choices=[(one.value, one.value) for one in Rung])
    at = models.DateTimeField(db_default=Now())
    idle_gpu_seconds = models.FloatField(help_text="For how long its GPUs had idled by then, all together.")
    freed_gpu_seconds = models.FloatField(
        default=0,
        help_text="For how long it would have held them still, by its predicted end or its limit: an estimate.",
    )
    # When its owner is written to next, and how often that was tried; null: never again.
    mail_at = models.DateTimeField(null=True)
    mail_tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["mail_at"], name="idle_gpu_mail", condition=Q(mail_at__isnull=False))]
        constraints = [
            models.CheckConstraint(condition=Q(rung__in=[one.value for one in Rung]), name="idle_gpu_rung_known")
        ]

    def __str__(self) -> str:
        return f"{self.attempt}: {self.rung}"
