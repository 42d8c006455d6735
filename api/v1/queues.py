"""Queues: the named lines of jobs."""

from typing import Any

import django_filters as filters
from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.permissions import StaffWrites, caller
from api.http.shapes import StrictSerializer, Text, Whole
from jobs.messages import publishing
from jobs.models import Queue, queue_name_validator
from jobs.reports.pending_cost import pending_of
from jobs.reports.project_cycle import slugs_below
from jobs.submission.pricing import SHOWN_PLACES
from quotas.queries import find_project
from scheduling.errors import FieldError, InvalidError, NotFoundError
from scheduling.lifecycle import PLACED_STATES, JobState
from scheduling.policies import policy

RANKS = 1_000_000


class QueueChange(StrictSerializer):
    rank = Whole(RANKS, least=-RANKS, required=False, help_text="Higher goes first.")
    policy = Text(40, required=False, allow_blank=True, help_text="Empty: the platform's SCHEDULING_POLICY.")
    state = serializers.ChoiceField(Queue.State.choices, required=False)
    max_running = Whole(2**31 - 1, required=False, allow_null=True, help_text="Jobs at once; null: no limit.")
    description = Text(200, required=False, allow_blank=True)

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

    class Meta:
        model = Queue
        fields = ("name", "rank", "policy", "state", "max_running", "description", "waiting", "running", "pending_jobs",
                  "running_jobs", "total_jobs", "pending_cost")  # fmt: skip


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
    return Queue.objects.annotate(
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
        wanted = QueueIn.read(request.data)
        name = wanted["name"]
        if Queue.objects.filter(name=name).exists():
            raise InvalidError([FieldError("name", f"There is a queue {name} already.", "taken")])
        Queue.objects.create(**wanted)
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
        wanted = QueueChange.read(request.data)
        Queue.objects.filter(name=name).update(**wanted)
        publishing.request_cycle()
        return Response(described(name))
