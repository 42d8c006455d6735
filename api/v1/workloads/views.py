"""Workloads: make, list, look, change, forget; start, pause, resume, cancel all of their jobs, retry what failed."""

from collections.abc import Sequence
from typing import Any, ClassVar

import django_filters as filters
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.authentication import caps_of
from api.http.permissions import caller
from api.http.shapes import Nothing
from api.v1.shapes.jobs import unfolded
from api.v1.workloads.shapes import (
    CloneWorkloadIn,
    StatisticsOut,
    StatisticsQuery,
    WorkloadChange,
    WorkloadIn,
    WorkloadOut,
    statistics_shown,
)
from jobs.control import workloads
from jobs.editing.clone import clone_workload
from jobs.models import Workload
from jobs.reports.workload_statistics import statistics
from jobs.reports.workloads import summaries
from jobs.submission.workloads import create
from scheduling import priorities
from scheduling.workloads import Verb, Wanted


def shown(found: Sequence[Workload]) -> Any:
    return WorkloadOut(found, many=True, context={"summaries": summaries(found)}).data


def answer(workload: Workload, status: int = 200) -> Response:
    return Response(shown([workload])[0], status=status)


class WorkloadFilter(filters.FilterSet):
    project = filters.CharFilter("project__slug")
    name = filters.CharFilter("name", help_text="The whole name.")
    owner = filters.CharFilter(method="by_owner", help_text="A user name, or `me`.")
    wanted = filters.ChoiceFilter(choices=[(one.value, one.value) for one in Wanted])

    def by_owner(self, found: QuerySet[Workload], name: str, value: str) -> QuerySet[Workload]:
        return found.filter(owner=self.request.user.pk) if value == "me" else found.filter(owner__username=value)


class WorkloadsView(GenericAPIView[Workload]):
    queryset = Workload.objects.none()
    serializer_class = WorkloadOut
    filterset_class = WorkloadFilter
    orderings: ClassVar = {"-id": "-id", "id": "id", "name": "name", "-name": "-name"}

    def get_queryset(self) -> QuerySet[Workload]:
        return workloads.visible_workloads(caller(self.request))

    @extend_schema(operation_id="workloads_list", responses=WorkloadOut(many=True))
    def get(self, request: Request) -> Response:
        """The workloads of your projects, newest first."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response(shown(page))

    @extend_schema(operation_id="workloads_create", request=WorkloadIn, responses={201: WorkloadOut}, filters=False)
    @transaction.atomic
    def post(self, request: Request) -> Response:
        """A workload without jobs. One comes into being as well with the first job that names it."""
        made = create(owner=caller(request), **WorkloadIn.read(request.data))
        return answer(workloads.find_workload(caller(request), made.pk), 201)


class WorkloadView(APIView):
    @extend_schema(operation_id="workloads_retrieve", responses=WorkloadOut)
    def get(self, request: Request, workload_id: int) -> Response:
        """One workload."""
        return answer(workloads.find_workload(caller(request), workload_id))

    @extend_schema(operation_id="workloads_change", request=WorkloadChange, responses=WorkloadOut)
    @transaction.atomic
    def patch(self, request: Request, workload_id: int) -> Response:
        """Change a workload, as its owner or an administrator of its project; a priority is given to all that wait."""
        user = caller(request)
        workload = workloads.workload_to_control(user, workload_id)
        wanted = WorkloadChange.read(request.data)
        priority = wanted.pop("priority", None)
        changed = workloads.change(workload, wanted)
        if priority is not None:
            workloads.set_priority(workload, priorities.number_of(priority), user.username)
        return answer(changed)

    @extend_schema(operation_id="workloads_delete", request=None, responses={204: None})
    def delete(self, request: Request, workload_id: int) -> Response:
        """Forget a workload whose jobs have all ended; they stay. 409 while one has not."""
        workloads.remove(workloads.workload_to_control(caller(request), workload_id))
        return Response(status=204)


def _ask(request: Request, workload_id: int, verb: Verb) -> Response:
    workload = workloads.workload_to_control(caller(request), workload_id)
    Nothing.read(request.data)
    return answer(workloads.ask(workload, verb, caller(request).username))


class StartView(APIView):
    @extend_schema(operation_id="workloads_start", request=None, responses=WorkloadOut)
    def post(self, request: Request, workload_id: int) -> Response:
        """Start a workload that was made held: its jobs start in their turn. 200 and no change for one that was started."""
        return _ask(request, workload_id, Verb.START)


class PauseView(APIView):
    @extend_schema(operation_id="workloads_pause", request=None, responses=WorkloadOut)
    def post(self, request: Request, workload_id: int) -> Response:
        """Pause a workload: what runs saves its work and is paused, what waits or comes later does not start.

        200 and no change while it is paused; 409 for one that is cancelled or was never started.
        """
        return _ask(request, workload_id, Verb.PAUSE)


class ResumeView(APIView):
    @extend_schema(operation_id="workloads_resume", request=None, responses=WorkloadOut)
    def post(self, request: Request, workload_id: int) -> Response:
        """Have a paused workload go on, with all of its jobs that are paused, also those that were paused one by one.

        What somebody holds stays held. 200 and no change for one that is not paused; 409 for one that is cancelled.
        """
        return _ask(request, workload_id, Verb.RESUME)


class CancelView(APIView):
    @extend_schema(operation_id="workloads_cancel", request=None, responses=WorkloadOut)
    def post(self, request: Request, workload_id: int) -> Response:
        """Cancel all of its jobs that have not ended; it takes no new ones. Nothing takes that back."""
        return _ask(request, workload_id, Verb.CANCEL)


class RetryFailedView(APIView):
    @extend_schema(operation_id="workloads_retry_failed", request=None, responses=WorkloadOut)
    def post(self, request: Request, workload_id: int) -> Response:
        """Put its failed jobs back in line, and those that were cancelled because another job of it failed.

        One that stopped at a failure is open again; 409 for one that somebody cancelled.
        """
        user = caller(request)
        workload = workloads.workload_to_control(user, workload_id)
        Nothing.read(request.data)
        workloads.retry_failed(workload, user.username)
        return answer(workloads.find_workload(user, workload_id))


class CloneWorkloadView(APIView):
    @extend_schema(operation_id="workloads_clone", request=CloneWorkloadIn, responses={201: WorkloadOut})
    def post(self, request: Request, workload_id: int) -> Response:
        """Submit all of its jobs again as a new workload of yours, each with these changes: all of them, or none."""
        user = caller(request)
        changes = unfolded(CloneWorkloadIn.read(request.data))
        name, workload = changes.pop("workload"), workloads.find_workload(user, workload_id)
        made = clone_workload(workload=workload, name=name, user=user, changes=changes, caps=caps_of(request))
        return answer(workloads.find_workload(user, made[0].job.workload_id or 0), 201)


class StatisticsView(APIView):
    @extend_schema(operation_id="workloads_statistics", parameters=[StatisticsQuery], responses=StatisticsOut)
    def get(self, request: Request, workload_id: int) -> Response:
        """Waits, run times, retries, preemptions, lost hours and costs of its jobs; with a metric, the best of them."""
        workload = workloads.find_workload(caller(request), workload_id)
        asked = StatisticsQuery.read(request.query_params.dict())
        lowest = asked.get("goal") == "min"
        return Response(statistics_shown(statistics(workload, metric=asked.get("metric", ""), lowest=lowest)))
