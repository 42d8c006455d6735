"""The fairness statement, in and out."""

from typing import Any

from rest_framework import serializers

from api.v1.shapes.usage import UsageScopeQuery
from jobs.usage.fairness import GROUPS


class FairnessQuery(UsageScopeQuery):
    group_by = serializers.ChoiceField(GROUPS, default=GROUPS[0], help_text="By whom.")


class StatementOut(serializers.Serializer[Any]):
    """Hours of one GPU as fair share counts them: eight CPUs count like one GPU, of both the dearer."""

    key = serializers.CharField(help_text="The project, without those below it, or the user.")
    wanted = serializers.FloatField(help_text="Held and waited for.")
    entitled = serializers.FloatField(
        help_text="By weights among those who wanted something then, at most what it wanted."
    )
    received = serializers.FloatField(help_text="Held.")
    lent = serializers.FloatField(help_text="Its own by weights alone, and not wanted by it.")
    borrowed = serializers.FloatField(help_text="Held beyond its own by weights alone.")
    short = serializers.FloatField(help_text="Entitled to, and not received, hour by hour.")
    waited = serializers.FloatField(help_text="By jobs that could have started.")
    why = serializers.CharField(help_text="Where what it was short of went.")


class WeekOut(serializers.Serializer[Any]):
    week = serializers.CharField(help_text="As 2030-W18.")
    start = serializers.DateTimeField(help_text="Its Monday, or since where that is later.")
    jain_index = serializers.FloatField(
        allow_null=True,
        help_text="Over what everybody received of what they were entitled to: 1 is even. Null: nobody was.",
    )
    statements = StatementOut(many=True, help_text="Of those you may see, who is entitled to most first.")


class FairnessOut(serializers.Serializer[Any]):
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    time_zone = serializers.CharField()
    group_by = serializers.CharField()
    weeks = WeekOut(many=True)
