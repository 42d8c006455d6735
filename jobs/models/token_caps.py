"""What may be submitted with a token that is capped, and what was."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from scheduling.sharing.prices import PLACES


class TokenCaps(models.Model):
    """The caps of one token. It stays when the token ends: then it caps nothing, and says what was submitted with it."""

    digest = models.CharField(max_length=128, unique=True, help_text="As the table of tokens knows it: a hash.")
    max_gpus = models.PositiveIntegerField(
        null=True, help_text="Of all its jobs together that are not over; null: any."
    )
    max_cost = models.DecimalField(
        max_digits=13, decimal_places=PLACES, null=True, help_text="Of its jobs in the last cost_days; null: any."
    )
    cost_days = models.PositiveIntegerField(
        null=True, validators=[MinValueValidator(1)], help_text="Null: as long as it lasts."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(max_gpus__isnull=False) | Q(max_cost__isnull=False), name="token_caps_cap_something"
            ),
        ]

    def __str__(self) -> str:
        return f"at most {self.max_gpus} GPUs, at most {self.max_cost}"


class CappedJob(models.Model):
    """A job that was submitted with a capped token, also when it is deleted: what it cost stays spent."""

    job = models.BigIntegerField(primary_key=True)
    caps = models.ForeignKey(TokenCaps, on_delete=models.CASCADE, related_name="jobs")
    gpus = models.PositiveIntegerField(help_text="On all its nodes together.")
    most_cost = models.DecimalField(
        max_digits=30, decimal_places=PLACES, null=True, help_text="Up to its limit, where it costs most."
    )
    submitted_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["caps", "submitted_at"], name="capped_job_by_caps")]

    def __str__(self) -> str:
        return f"job {self.job}"
