"""What recovery has to remember from one sweep to the next."""

from django.db import models
from django.db.models import Q


class Sweep(models.Model):
    """The last sweep: one row. After a pause or a leap of the clock leases are judged only from a later moment on."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    swept_at = models.DateTimeField(null=True)
    leases_judged_from = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_sweep_row")]

    def __str__(self) -> str:
        return f"swept at {self.swept_at}"
