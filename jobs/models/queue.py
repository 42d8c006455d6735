"""The lines in which jobs stand, and what each of them takes."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.lookups import Exact

from quotas.models import Project
from scheduling.errors import InvalidError
from scheduling.placement.weights import weights_from

queue_name_validator = RegexValidator(
    r"\A[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?\Z",
    "Use lower-case letters, digits and dashes, at most 40, neither first nor last a dash.",
)


def validate_placement_weights(value: object) -> None:
    """As `scheduling.placement.weights` has it."""
    if not isinstance(value, dict):
        raise ValidationError('Write criteria with their weights: {"price": 2, "speed": 1}.')
    try:
        weights_from(value)
    except InvalidError as error:
        raise ValidationError([f"{one.field}: {one.message}" for one in error.errors]) from None


class Queue(models.Model):
    """A named line of jobs. A queue of higher rank goes first."""

    class State(models.TextChoices):
        OPEN = "open"
        PAUSED = "paused"  # takes jobs, starts none
        DRAINING = "draining"  # takes no new jobs, starts those it has

    name = models.CharField(max_length=40, unique=True, validators=[queue_name_validator])
    rank = models.IntegerField(default=0, help_text="Higher goes first.")
    policy = models.CharField(max_length=40, blank=True, help_text="Empty: the platform's SCHEDULING_POLICY.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    max_running = models.PositiveIntegerField(null=True, blank=True, help_text="Jobs at once; empty: no limit.")
    description = models.CharField(max_length=200, blank=True)
    executor = models.CharField(
        max_length=40, blank=True, db_default="",
        help_text="Who runs its jobs that name nobody: agent, any, kubernetes, slurm or a cluster. Empty: agents.",
    )  # fmt: skip
    max_runtime_seconds = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Of a job; empty: no limit."
    )
    default_runtime_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Of a job that names none; empty: the longest.",
    )
    max_gpus = models.PositiveIntegerField(null=True, blank=True, help_text="Of a job, on all its nodes together.")
    max_cpus = models.PositiveIntegerField(null=True, blank=True, help_text="Of a job, on all its nodes together.")
    max_memory_mb = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Of a job, on all its nodes together."
    )
    max_nodes = models.PositiveIntegerField(null=True, blank=True, help_text="Of a job.")
    max_waiting_per_user = models.PositiveIntegerField(null=True, blank=True, help_text="Waiting jobs of one user.")
    max_running_per_user = models.PositiveIntegerField(null=True, blank=True, help_text="Jobs of one user at once.")
    max_gpus_per_user = models.PositiveIntegerField(
        null=True, blank=True, help_text="Of one user's jobs together, at once."
    )
    max_priority_member = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(100)],
        help_text="The highest that a project's member may use.",
    )
    max_priority_admin = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(100)],
        help_text="The highest that a project's admin may use.",
    )
    allowed_projects = models.ManyToManyField(
        Project, blank=True, related_name="+", help_text="These and all below them may use it; none: all may."
    )

    placement_weights = models.JSONField(
        default=dict, blank=True, db_default=Value({}, models.JSONField()), validators=[validate_placement_weights],
        help_text="How much price, speed, fit, reliability and latency count where nodes are scored; empty: as usual.",
    )  # fmt: skip

    class Meta:
        ordering = ["-rank", "name"]
        constraints = [
            models.CheckConstraint(
                condition=Exact(Func(F("placement_weights"), function="jsonb_typeof"), Value("object")),
                name="queue_placement_weights_by_name",
            ),
            models.CheckConstraint(condition=Q(state__in=["open", "paused", "draining"]), name="queue_state_known"),
        ]

    def __str__(self) -> str:
        return self.name
