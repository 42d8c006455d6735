"""What staff have set of the scheduler while it runs, in place of what its environment says; and each change that was made."""

from django.db import models
from django.db.models.functions import Now


class SchedulerSetting(models.Model):
    """One setting that holds instead of the environment's; without a row the environment holds."""

    name = models.CharField(max_length=60, primary_key=True)
    value = models.JSONField()
    set_by = models.CharField(max_length=150)
    reason = models.CharField(max_length=500, blank=True)
    set_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} = {self.value}"


class SchedulerSettingChange(models.Model):
    """Who changed a setting, when, from what to what, and why. Never changed. A null value: what the environment says."""

    name = models.CharField(max_length=60)
    old = models.JSONField(null=True)
    new = models.JSONField(null=True)
    by = models.CharField(max_length=150)
    reason = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["name", "-id"], name="change_of_setting")]

    def __str__(self) -> str:
        return f"{self.name}: {self.old} -> {self.new}"
