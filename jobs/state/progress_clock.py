"""The clock by which an attempt's progress is judged: its own, never that of the attempt before."""

from django.db.models import Case, When
from django.db.models.functions import Now

CLOCK_ANEW = Case(When(progress_at__isnull=False, then=Now()))
"""For `progress_at`, as an attempt is placed and as it starts: what was known of the one before must not end it."""
