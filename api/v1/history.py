"""What happened to a job: its events and its attempts."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from api.http.fields import GigabytesField
from api.http.permissions import job_to_read
from jobs.models import Attempt, JobEvent, Placement


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
                  "lease_expires_at", "closed_at", "gpus_active_at", "gpus_measured_at")  # fmt: skip


class AttemptOut(serializers.ModelSerializer[Attempt]):
    placements = PlacementOut(many=True)
    peak_memory_gb = GigabytesField(source="peak_memory_mb", allow_null=True, help_text="The most at once on one node.")
    gpu_peak_memory_gb = GigabytesField(
        source="gpu_peak_memory_mb", allow_null=True, help_text="The most at once on its GPUs of one node."
    )
    gpu_utilisation = serializers.SerializerMethodField(
        help_text="How much of their time its GPUs worked, from 0 to 1; null: not measured, or not over."
    )
    gpus_idle_seconds = serializers.FloatField(
        allow_null=True, help_text="While it runs: since when none of its GPUs has worked; null: none, or not measured."
    )
    energy_partial = serializers.SerializerMethodField(
        help_text="Part of its energy is in neither figure; null: in neither is anything."
    )

    def get_gpu_utilisation(self, attempt: Attempt) -> float | None:
        return attempt.gpu_utilisation

    def get_energy_partial(self, attempt: Attempt) -> bool | None:
        told = (attempt.gpu_joules, attempt.cpu_joules) != (None, None)
        return attempt.energy_partial if told else None

    class Meta:
        model = Attempt
        fields = ("number", "created_at", "started_at", "ended_at", "end_reason", "exit_code", "message",
                  "peak_memory_gb", "cpu_seconds", "gpu_utilisation", "gpu_idle_seconds", "gpus_idle_seconds",
                  "gpu_peak_memory_gb", "gpu_joules", "cpu_joules", "energy_partial", "placements")  # fmt: skip


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
