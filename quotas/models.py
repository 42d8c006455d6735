"""Who pays and shares: projects as a tree, their members, and what each may hold at once."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Now
from django.db.models.lookups import Exact

from quotas import gpu_model_limits
from quotas.budgets.rows import Budget, BudgetAlert, BudgetDelivery, BudgetWebhook
from quotas.costs.rows import JobMonth, LedgerEntry, LedgerTransaction, Price
from quotas.providers.rows import NativeQuotaRow
from quotas.secrets.rows import Secret

__all__ = [
    "Budget",
    "BudgetAlert",
    "BudgetDelivery",
    "BudgetWebhook",
    "JobMonth",
    "LedgerEntry",
    "LedgerTransaction",
    "Membership",
    "NativeQuotaRow",
    "Price",
    "Project",
    "Quota",
    "Secret",
    "slug_validator",
]

slug_validator = RegexValidator(
    r"\A[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z",
    "Use lower-case letters, digits and dashes, at most 63, neither first nor last a dash.",
)


class Project(models.Model):
    """One node of the tree organisation > team > project. A job belongs to exactly one."""

    slug = models.CharField(max_length=63, unique=True, validators=[slug_validator])
    name = models.CharField(max_length=200, blank=True)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="children")
    weight = models.FloatField(
        default=1,
        validators=[MinValueValidator(0), MaxValueValidator(1_000_000)],
        help_text="Its fair share, in proportion to the weights of its siblings.",
    )
    archived = models.BooleanField(default=False, help_text="An archived project takes no new jobs.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="Membership", related_name="projects", blank=True
    )

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(condition=~Q(parent=F("pk")), name="project_is_not_its_own_parent"),
            models.CheckConstraint(condition=Q(weight__gte=0), name="project_weight_not_negative"),
        ]

    def __str__(self) -> str:
        return self.slug

    def clean(self) -> None:
        if self.parent is not None and self.pk and self.contains(self.parent):
            raise ValidationError({"parent": f"{self.parent} is this project itself or lies below it."})

    def contains(self, other: "Project") -> bool:
        """Whether `other` is this project or lies somewhere below it. A circle that is there already ends the search."""
        seen: set[int] = set()
        at: Project | None = other
        while at is not None and at.pk != self.pk and at.pk not in seen:
            seen.add(at.pk)
            at = at.parent
        return at is not None and at.pk == self.pk


class Membership(models.Model):
    """A user's part in a project: viewers read, members submit and control, admins change the quota."""

    class Role(models.TextChoices):
        VIEWER = "viewer"
        MEMBER = "member"
        ADMIN = "admin"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="one_membership_per_user_and_project"),
            models.CheckConstraint(condition=Q(role__in=["viewer", "member", "admin"]), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.project} ({self.role})"


class Quota(models.Model):
    """What a project and everything below it may hold at once, borrow beside, and lend. An empty limit is no limit.

    The limits of a user hold for each one's jobs in the project and below it. But an empty borrowing limit borrows nothing, and an empty lending limit lends all that is not used.
    """

    LIMITS = ("gpus", "cpus", "memory_mb", "running_jobs", "waiting_jobs", "gpu_seconds_ahead")

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="quota")
    gpus = models.PositiveIntegerField(null=True, blank=True)
    cpus = models.PositiveIntegerField(null=True, blank=True)
    memory_mb = models.PositiveBigIntegerField(null=True, blank=True)
    running_jobs = models.PositiveIntegerField(null=True, blank=True)
    waiting_jobs = models.PositiveIntegerField(null=True, blank=True)
    borrowing_gpus = models.PositiveIntegerField(null=True, blank=True)
    borrowing_cpus = models.PositiveIntegerField(null=True, blank=True)
    borrowing_memory_mb = models.PositiveBigIntegerField(null=True, blank=True)
    lending_gpus = models.PositiveIntegerField(null=True, blank=True)
    lending_cpus = models.PositiveIntegerField(null=True, blank=True)
    lending_memory_mb = models.PositiveBigIntegerField(null=True, blank=True)
    user_gpus = models.PositiveIntegerField(null=True, blank=True, help_text="Of one user; empty: no limit.")
    user_cpus = models.PositiveIntegerField(null=True, blank=True)
    user_memory_mb = models.PositiveBigIntegerField(null=True, blank=True)
    user_running_jobs = models.PositiveIntegerField(null=True, blank=True)
    user_waiting_jobs = models.PositiveIntegerField(null=True, blank=True)
    gpu_seconds_ahead = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="What running jobs may still use up to their limits: GPUs times seconds."
    )
    user_gpu_seconds_ahead = models.PositiveBigIntegerField(null=True, blank=True)
    max_nodes = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Of one job, as it is submitted."
    )
    gpu_models = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        blank=True,
        validators=[gpu_model_limits.refuse_faulty],
        help_text='GPUs by model, such as {"h100": 4}.',
    )
    enforced = models.BooleanField(default=True, help_text="Off: usage is shown, nothing is held back.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(max_nodes__isnull=True) | Q(max_nodes__gte=1), name="quota_of_a_node"),
            models.CheckConstraint(
                condition=Exact(
                    models.Func("gpu_models", function="jsonb_typeof", output_field=models.TextField()),
                    Value("object"),
                ),
                name="gpu_models_are_an_object",
            ),
        ]

    def __str__(self) -> str:
        return f"quota of {self.project}"

    def clean(self) -> None:
        self.gpu_models = self.gpu_models or {}  # a form that is left empty
