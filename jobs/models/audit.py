"""What the audits of the platform's books have found."""

from django.db import models


class AuditResult(models.Model):
    """The last audit of one kind of books: one row each, see `jobs.recovery.quota_audit` and `jobs.recovery.ledger_audit`."""

    class Books(models.TextChoices):
        QUOTAS = "quotas"
        LEDGER = "ledger"

    books = models.CharField(primary_key=True, max_length=10, choices=Books.choices)
    at = models.DateTimeField(null=True)
    duration_ms = models.FloatField(default=0)
    # What was seen, with when it was seen first, in seconds since 1970: it counts once it has been there for a while.
    suspects = models.JSONField(default=dict)
    drift = models.JSONField(default=dict, help_text="By how much the books differ.")
    mended = models.JSONField(default=dict, help_text="How many mistakes have been put right so far, by their kind.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(books__in=["quotas", "ledger"]), name="audit_books_known")
        ]

    def __str__(self) -> str:
        return f"audit of {self.books} at {self.at}"
