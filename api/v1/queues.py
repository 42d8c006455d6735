"""Queues: the named lines of jobs."""

from dataclasses import asdict
from typing import Any

import django_filters as filters
from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.fields import GigabytesField
from api.http.permissions import StaffWrites, caller
from api.v1.shapes.queues import QueueChange, QueueIn, WeightsIn, columns
from jobs.control import queue_setting
from jobs.models import Queue
from jobs.reports.pending_cost import pending_of
from jobs.reports.project_cycle import slugs_below
from jobs.submission.pricing import SHOWN_PLACES
from quotas.queries import find_project
from scheduling.errors import NotFoundError
from scheduling.lifecycle import PLACED_STATES, JobState
from scheduling.placement.weights import weights_from


class QueueOut(serializers.ModelSerializer[Queue]):
    waiting = serializers.IntegerField(help_text="Jobs that wait in it.")
    running = serializers.IntegerField(help_text="Jobs that hold a place on a node.")
    pending_jobs = serializers.IntegerField(source="waiting", help_text="As waiting.")
    running_jobs = serializers.IntegerField(source="running", help_text="As running.")
    total_jobs = serializers.IntegerField(help_text="All jobs in it, those that are over too.")
    pending_cost = serializers.DecimalField(
        30, SHOWN_PLACES, allow_null=True,
        help_text="What those that wait in it are expected to cost, of which the end is known; null: none has a price.",
    )  # fmt: skip
    max_memory_gb = GigabytesField(
        10**9, source="max_memory_mb", read_only=True, allow_null=True, help_text="Of all nodes of a job together."
    )
    allowed_projects = serializers.SlugRelatedField[Any](
        slug_field="slug",
        many=True,
        read_only=True,
        help_text="Of which, and all below them, it takes jobs; empty: of all.",
    )
    placement_weights = serializers.SerializerMethodField(
        help_text="How much each criterion counts where nodes are scored, those as usual too."
    )

    @extend_schema_field(WeightsIn)
    def get_placement_weights(self, queue: Queue) -> dict[str, float]:
        return asdict(weights_from(queue.placement_weights))

    class Meta:
        model = Queue
        fields = ("name", "rank", "policy", "state", "executor", "max_running", "description", "waiting", "running", "pending_jobs",
                  "running_jobs", "total_jobs", "pending_cost", "max_runtime_seconds", "default_runtime_seconds", "max_gpus",
                  "max_cpus", "max_memory_gb", "max_nodes", "max_waiting_per_user", "max_running_per_user",
                  "max_gpus_per_user", "max_priority_member", "max_priority_admin", "allowed_projects", "placement_weights")  # fmt: skip


class QueueFilter(filters.FilterSet):
    project_id = filters.CharFilter(
        method="counted_already", help_text="A project's slug: counts its jobs, and those below it, alone."
    )

    def counted_already(self, rows: QuerySet[Queue], name: str, value: str) -> QuerySet[Queue]:
        """Every queue is there for every project: what is narrowed down are the counts (`QueuesView.get_queryset`)."""
        return rows


def queues(of: Q | None = None) -> QuerySet[Queue]:
    """With how many jobs they have, or how many of those jobs."""
    counted = of or Q()
    return Queue.objects.prefetch_related("allowed_projects").annotate(
        waiting=Count("jobs", counted & Q(jobs__state=JobState.PENDING)),
        running=Count("jobs", counted & Q(jobs__state__in=list(PLACED_STATES))),
        total_jobs=Count("jobs", counted),
        pending_cost=Sum("jobs__estimated_cost", filter=counted & pending_of("jobs__")),
    )


def described(name: str) -> Any:
    queue = queues().filter(name=name).first()
    if queue is None:
        raise NotFoundError(f"There is no queue {name}.")
    return QueueOut(queue).data


class QueuesView(GenericAPIView[Queue]):
    queryset = Queue.objects.none()
    serializer_class = QueueOut
    permission_classes = (IsAuthenticated, StaffWrites)
    filterset_class = QueueFilter
    orderings = {"name": "name", "-name": "-name"}

    def get_queryset(self) -> QuerySet[Queue]:
        slug = self.request.query_params.get("project_id")
        if not slug:
            return queues()
        return queues(Q(jobs__project__slug__in=slugs_below(find_project(caller(self.request), slug))))

    @extend_schema(operation_id="queues_list", responses=QueueOut(many=True))
    def get(self, request: Request) -> Response:
        """The queues, with how many jobs wait and run in each."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(QueueOut(page, many=True).data)

    @extend_schema(operation_id="queues_create", request=QueueIn, responses={201: QueueOut}, filters=False)
    @transaction.atomic
    def post(self, request: Request) -> Response:
        """A new queue, by staff."""
        made = queue_setting.create(**columns(QueueIn.read(request.data)))
        return Response(described(made.name), status=201)


class QueueView(APIView):
    permission_classes = (IsAuthenticated, StaffWrites)

    @extend_schema(operation_id="queues_retrieve", responses=QueueOut)
    def get(self, request: Request, name: str) -> Response:
        """One queue."""
        return Response(described(name))

    @extend_schema(operation_id="queues_change", request=QueueChange, responses=QueueOut)
    @transaction.atomic
    def patch(self, request: Request, name: str) -> Response:
        """Change a queue, by staff: its rank, its policy, its limit; open, pause or drain it."""
        wanted = columns(QueueChange.read(request.data))
        queue = Queue.objects.filter(name=name).first()
        if queue is not None:
            queue_setting.change(queue=queue, **wanted)
        return Response(described(name))
