"""What a job reported over time, as JSON that can be drawn or put into a table at once."""

import math
from typing import Any

from django.http import JsonResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from api.http.permissions import job_to_read
from api.http.shapes import StrictSerializer, Text, Whole
from jobs.metric_history import curves
from jobs.metric_history.curves import Curve

MOST_POINTS = 1000
NOT_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}


class MetricsQuery(StrictSerializer):
    name = serializers.ListField(
        child=Text(100), required=False, max_length=100, help_text="May be repeated. Default: all metrics."
    )
    attempt = Whole(2**31 - 1, least=1, required=False, help_text="Of this attempt alone. Default: of all together.")
    points = Whole(
        MOST_POINTS, least=curves.FEWEST_POINTS, default=curves.POINTS, help_text="Of each metric at most so many."
    )


class GapOut(serializers.Serializer[Any]):
    """A value that is no number; it stands in `values` as null."""

    index = serializers.IntegerField()
    value = serializers.ChoiceField(["NaN", "Infinity", "-Infinity"])


class SeriesOut(serializers.Serializer[Any]):
    """One metric: four lists of the same length, in the order in which the values were reported."""

    name = serializers.CharField()
    axis = serializers.ChoiceField(["step", "time"], help_text="What it is best drawn over.")
    count = serializers.IntegerField(help_text="Values that were reported; fewer may be shown.")
    minimum = serializers.FloatField(allow_null=True)
    maximum = serializers.FloatField(allow_null=True)
    last = serializers.FloatField(allow_null=True)
    steps = serializers.ListField(child=serializers.FloatField(allow_null=True))
    times = serializers.ListField(child=serializers.FloatField(), help_text="Seconds since 1970, UTC.")
    values = serializers.ListField(child=serializers.FloatField(allow_null=True))
    attempts = serializers.ListField(child=serializers.IntegerField())
    gaps = GapOut(many=True)


class MetricsOut(serializers.Serializer[Any]):
    job = serializers.IntegerField()
    names = serializers.ListField(child=serializers.CharField(), help_text="All metrics that there are.")
    refused = serializers.IntegerField(help_text="Lines and values of the reports that could not be used.")
    series = SeriesOut(many=True)


class MetricsView(APIView):
    @extend_schema(operation_id="jobs_metrics", parameters=[MetricsQuery], responses=MetricsOut)
    def get(self, request: Request, job_id: int) -> JsonResponse:
        """What the job reported over time.

        Over all attempts, a later one replaces what an earlier one had reported from the step on at which it went on.
        Thinning keeps the first and the last value of each metric, its least and its greatest.
        """
        job = job_to_read(request, job_id)
        wanted = MetricsQuery.read(_query(request))
        attempt = wanted.get("attempt")
        curves.require_attempt(job, attempt)
        found = curves.curves(job, names=wanted.get("name"), attempt=attempt, points=wanted["points"])
        return JsonResponse({
            "job": job.pk,
            "names": curves.names(job, attempt=attempt),
            "refused": curves.refused(job, attempt=attempt),
            "series": [as_json(curve) for curve in found],
        })  # fmt: skip


def _query(request: Request) -> dict[str, Any]:
    names = request.query_params.getlist("name")
    return request.query_params.dict() | ({"name": names} if names else {})


def as_json(curve: Curve) -> dict[str, Any]:
    gaps = [(place, point.value) for place, point in enumerate(curve.points) if not math.isfinite(point.value)]
    return {
        "name": curve.name,
        "axis": "step" if curve.over_steps else "time",
        "count": curve.count,
        "minimum": curve.least,
        "maximum": curve.greatest,
        "last": finite(curve.last),
        "steps": [point.step for point in curve.points],
        "times": [point.time for point in curve.points],
        "values": [finite(point.value) for point in curve.points],
        "attempts": [point.attempt for point in curve.points],
        "gaps": [{"index": place, "value": NOT_FINITE.get(value, "NaN")} for place, value in gaps],
    }


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
