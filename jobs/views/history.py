"""What happened to a job: its events, its attempts, and why it waits."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import queries
from jobs.fields import GigabytesField
from jobs.models import Attempt, JobEvent, Placement
from jobs.permissions import job_to_read
from jobs.serializers import ReasonOut


class EventOut(serializers.ModelSerializer[JobEvent]):
    data = serializers.DictField()  # type: ignore[assignment]  # a field, gone from the class when it is made

    class Meta:
        model = JobEvent
        fields = ("id", "at", "kind", "from_state", "to_state", "attempt", "actor", "message", "data")


class PlacementOut(serializers.ModelSerializer[Placement]):
    node = serializers.CharField(source="node.name")
    memory_gb = GigabytesField(source="memory_mb")

    class Meta:
        model = Placement
        fields = ("id", "node", "rank", "state", "cpus", "memory_gb", "gpu_indices", "created_at", "claimed_at",
                  "lease_expires_at", "closed_at")  # fmt: skip


class AttemptOut(serializers.ModelSerializer[Attempt]):
    placements = PlacementOut(many=True)

    class Meta:
        model = Attempt
        fields = ("number", "created_at", "started_at", "ended_at", "end_reason", "exit_code", "message", "placements")


class Explanation(serializers.Serializer[Any]):
    job = serializers.IntegerField()
    state = serializers.CharField()
    position = serializers.IntegerField(allow_null=True, help_text="1 is next; empty until a cycle has seen the job.")
    line_length = serializers.IntegerField(help_text="How many jobs waited when the last cycle looked.")
    reasons = ReasonOut(many=True)
    predicted_start = serializers.DateTimeField(allow_null=True)


class EventsView(GenericAPIView[JobEvent]):
    queryset = JobEvent.objects.none()
    serializer_class = EventOut
    orderings = {"id": "id", "-id": "-id"}

    @extend_schema(operation_id="jobs_events", responses=EventOut(many=True))
    def get(self, request: Request, job_id: int) -> Response:
        """Everything that happened to the job, the oldest first."""
        return _page(self, job_to_read(request, job_id).events.all())


class AttemptsView(GenericAPIView[Attempt]):
    queryset = Attempt.objects.none()
    serializer_class = AttemptOut
    orderings = {"number": "number", "-number": "-number"}

    @extend_schema(operation_id="jobs_attempts", responses=AttemptOut(many=True))
    def get(self, request: Request, job_id: int) -> Response:
        """The tries at running the job, each with its share of each node."""
        return _page(self, job_to_read(request, job_id).attempts.prefetch_related("placements__node"))


def _page(view: GenericAPIView[Any], rows: QuerySet[Any]) -> Response:
    page = view.paginate_queryset(view.filter_queryset(rows))
    return view.get_paginated_response(view.get_serializer(page, many=True).data)


class ExplainView(APIView):
    @extend_schema(operation_id="jobs_explain", responses=Explanation)
    def get(self, request: Request, job_id: int) -> Response:
        """Why the job waits: all reasons that are known, its place in line, and when it may start."""
        job = job_to_read(request, job_id)
        found = {"position": queries.positions_of([job]).get(job.pk), "line_length": queries.line_length()}
        known = {name: getattr(job, name) for name in ("state", "reasons", "predicted_start")}
        return Response({"job": job.pk, **known, **found})
