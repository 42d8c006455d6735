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
from api.http.shapes import StrictSerializer, Text, Whole
from jobs.messages import publishing
from jobs.models import Queue, queue_name_validator
from jobs.reports.pending_cost import pending_of
from jobs.reports.project_cycle import slugs_below
from jobs.submission import limits
from jobs.submission.pricing import SHOWN_PLACES
from quotas.models import Project
from quotas.queries import find_project
from scheduling.errors import FieldError, InvalidError, NotFoundError
from scheduling.lifecycle import PLACED_STATES, JobState
from scheduling.placement.weights import weights_from
from scheduling.policies import policy
from scheduling.priorities import HIGHEST

RANKS = 1_000_000


class WeightsIn(StrictSerializer):
    """What is not named counts as usual."""

    price = serializers.FloatField(required=False, help_text="Usually 0.5.")
    speed = serializers.FloatField(required=False, help_text="Usually 1.")
    fit = serializers.FloatField(required=False, help_text="Usually 0.25.")
    reliability = serializers.FloatField(required=False, help_text="Usually 1.")
    latency = serializers.FloatField(required=False, help_text="Usually 0.5.")

    def validate(self, wanted: dict[str, Any]) -> dict[str, Any]:
        try:
            weights_from(wanted)
        except InvalidError as error:
            told = {one.field.rpartition(".")[2]: one.message for one in error.errors}
            raise serializers.ValidationError(told.pop("placement_weights", None) or told) from None
        return wanted


class QueueChange(StrictSerializer):
    rank = Whole(RANKS, least=-RANKS, required=False, help_text="Higher goes first.")
    policy = Text(40, required=False, allow_blank=True, help_text="Empty: the platform's SCHEDULING_POLICY.")
    state = serializers.ChoiceField(Queue.State.choices, required=False)
    max_running = Whole(2**31 - 1, required=False, allow_null=True, help_text="Jobs at once; null: no limit.")
    description = Text(200, required=False, allow_blank=True)
    max_runtime_seconds = Whole(limits.SECONDS, least=1, required=False, allow_null=True, help_text="Of a job.")
    default_runtime_seconds = Whole(
        limits.SECONDS,
        least=1,
        required=False,
        allow_null=True,
        help_text="Of a job that names none; null: the longest.",
    )
    max_gpus = Whole(2**31 - 1, required=False, allow_null=True, help_text="Of a job, on all its nodes together.")
    max_cpus = Whole(2**31 - 1, required=False, allow_null=True, help_text="Of a job, on all its nodes together.")
    max_memory_gb = GigabytesField(
        10**9, required=False, allow_null=True, help_text="Of a job, on all its nodes together."
    )
    max_nodes = Whole(limits.NODES, required=False, allow_null=True, help_text="Of a job.")
    max_waiting_per_user = Whole(2**31 - 1, required=False, allow_null=True, help_text="Waiting jobs of one user.")
    max_running_per_user = Whole(
        2**31 - 1, required=False, allow_null=True, help_text="Jobs of one user at once; null: no limit."
    )
    max_gpus_per_user = Whole(
        2**31 - 1, required=False, allow_null=True, help_text="Of one user's jobs together, at once; null: no limit."
    )
    max_priority_member = Whole(
        HIGHEST, required=False, allow_null=True, help_text="The highest that a member may use."
    )
    max_priority_admin = Whole(HIGHEST, required=False, allow_null=True, help_text="The highest that an admin may use.")
    allowed_projects = serializers.ListField(
        child=Text(63),
        max_length=1_000,
        required=False,
        help_text="Slugs: these and all below them; empty: all projects.",
    )
    placement_weights = WeightsIn(
        required=False,
        help_text="How much each criterion counts where nodes are scored, 0 to 1,000; what is not named as usual.",
    )

    def validate(self, wanted: dict[str, Any]) -> dict[str, Any]:
        longest, usual = wanted.get("max_runtime_seconds"), wanted.get("default_runtime_seconds")
        if longest is not None and usual is not None and usual > longest:
            words = "Must be at most max_runtime_seconds."
            raise serializers.ValidationError({"default_runtime_seconds": words})
        return wanted

    def validate_policy(self, name: str) -> str:
        try:
            return policy(name).name if name else name
        except InvalidError as error:
            raise serializers.ValidationError(error.errors[0].message) from None


class QueueIn(QueueChange):
    name = serializers.CharField(max_length=40, validators=[queue_name_validator])


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
        fields = ("name", "rank", "policy", "state", "max_running", "description", "waiting", "running", "pending_jobs",
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


def columns(wanted: dict[str, Any]) -> dict[str, Any]:
    """By the names of the row; the field has read memory to MB."""
    return {("max_memory_mb" if name == "max_memory_gb" else name): value for name, value in wanted.items()}


def found_projects(slugs: list[str]) -> list[Project]:
    found = {project.slug: project for project in Project.objects.filter(slug__in=slugs)}
    missing = sorted(set(slugs) - found.keys())
    if missing:
        raise InvalidError([FieldError("allowed_projects", f"There is no project {missing[0]!r}.", "unknown")])
    return list(found.values())


def change(queue: Queue, wanted: dict[str, Any]) -> None:
    slugs = wanted.pop("allowed_projects", None)
    if slugs is not None:
        queue.allowed_projects.set(found_projects(slugs))
    longest = wanted.get("max_runtime_seconds", queue.max_runtime_seconds)
    usual = wanted.get("default_runtime_seconds", queue.default_runtime_seconds)
    if longest is not None and usual is not None and usual > longest:
        message = f"Jobs that name no limit get {usual} s, which is more than {longest} s."
        raise InvalidError([FieldError("max_runtime_seconds", message, "contradiction")])
    Queue.objects.filter(pk=queue.pk).update(**wanted)


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
        wanted = columns(QueueIn.read(request.data))
        name = wanted["name"]
        if Queue.objects.filter(name=name).exists():
            raise InvalidError([FieldError("name", f"There is a queue {name} already.", "taken")])
        projects = found_projects(wanted.pop("allowed_projects", []))
        Queue.objects.create(**wanted).allowed_projects.set(projects)
        return Response(described(name), status=201)


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
            change(queue, wanted)
        publishing.request_cycle()
        return Response(described(name))
