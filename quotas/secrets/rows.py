"""Rows of secrets: a name, a value that only the key ring opens, and who wrote it when."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Secret(models.Model):
    """One secret, of a project or of a user. Its value is never shown: it is written anew, or deleted."""

    project = models.ForeignKey("quotas.Project", null=True, on_delete=models.CASCADE, related_name="secrets")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="secrets")
    name = models.CharField(max_length=128)
    encrypted = models.BinaryField(editable=False)
    set_by = models.CharField(max_length=150, editable=False)
    set_at = models.DateTimeField(db_default=Now(), editable=False)
    # When a node was last given it.
    last_used_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(project__isnull=False, user__isnull=True) | Q(project__isnull=True, user__isnull=False),
                name="secret_is_of_a_project_or_a_user",
            ),
            models.UniqueConstraint(
                fields=["project", "name"], condition=Q(project__isnull=False), name="secret_once_in_a_project"
            ),
            models.UniqueConstraint(
                fields=["user", "name"], condition=Q(user__isnull=False), name="secret_once_of_a_user"
            ),
        ]

    def __str__(self) -> str:
        return self.name
