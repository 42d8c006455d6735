"""What a provider said last of each project."""

from django.db import models
from django.db.models import Value


class NativeQuotaRow(models.Model):
    """Of one project: hard limits and what is used of them, as another system has them; and why it could not be asked since."""

    project = models.OneToOneField("quotas.Project", on_delete=models.CASCADE, related_name="native_quota")
    provider = models.CharField(max_length=63, help_text="Who said it.")
    holder = models.CharField(max_length=300, blank=True, db_default="", help_text="The quota's name there, in words.")
    hard = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    used = models.JSONField(default=dict, db_default=Value({}, models.JSONField()), help_text="By whomever.")
    synced_at = models.DateTimeField(null=True, help_text="As of when; null: it has never been read.")
    fault = models.CharField(max_length=500, blank=True, db_default="", help_text="Why it was not read since then.")

    def __str__(self) -> str:
        return f"{self.provider}'s quota of {self.project}"
