"""Rows of what is wrong with the platform at the moment."""

from django.db import models
from django.db.models.functions import Now


class StandingAlert(models.Model):
    """Something that an operator has to know, for as long as it lasts. See `jobs.state.alerts`."""

    key = models.CharField(primary_key=True, max_length=100)
    sentence = models.CharField(max_length=1000)
    since = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["since", "key"]

    def __str__(self) -> str:
        return self.sentence
