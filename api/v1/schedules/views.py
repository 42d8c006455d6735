"""Schedules: make, list, look, change, pause, forget; run one now."""

from typing import Any

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
from api.v1.jobs import answer as job_answer
from api.v1.schedules.shapes import ScheduleChange, ScheduleIn, ScheduleOut, order_of, shown
from api.v1.shapes.jobs import JobOut
from jobs.models import JobSchedule
from jobs.schedules import schedules
from jobs.schedules.submit_due import submit_now
from quotas.access import project_roles
from quotas.clock import database_now
from scheduling.errors import ForbiddenError


def refuse_capped(request: Request) -> None:
    """What a schedule submits nobody would count against the token's caps."""
    if caps_of(request) is not None:
        raise ForbiddenError("A token with caps can't have jobs submitted later: submit them, or use a token without.")


def answer(request: Request, *rows: JobSchedule) -> list[Any]:
    user, now = caller(request), database_now()
    roles = project_roles(user)
    return [shown(row, user, roles, now) for row in rows]


class ScheduleFilter(filters.FilterSet):
    project = filters.CharFilter("project__slug", help_text="Of this project.")
    name = filters.CharFilter("name", help_text="The whole name.")
    paused = filters.BooleanFilter(help_text="Only those that are paused, or that are not.")


class SchedulesView(GenericAPIView[JobSchedule]):
    queryset = JobSchedule.objects.none()
    serializer_class = ScheduleOut
    filterset_class = ScheduleFilter
    orderings = {"name": "name", "-name": "-name", "next_at": "next_at"}

    def get_queryset(self) -> QuerySet[JobSchedule]:
        return schedules.visible(caller(self.request))

    @extend_schema(operation_id="schedules_list", responses=ScheduleOut(many=True))
    def get(self, request: Request) -> Response:
        """The schedules of your projects, with what came of their last moments and when the next ones are."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response(answer(request, *page))

    @extend_schema(operation_id="schedules_create", request=ScheduleIn, responses={201: ScheduleOut}, filters=False)
    @transaction.atomic
    def post(self, request: Request) -> Response:
        """Have a job submitted at certain times, in your name and by your rights of those moments."""
        refuse_capped(request)
        wanted = ScheduleIn.read(request.data)
        order, zone = order_of(wanted.pop("job")), wanted.pop("time_zone", "UTC")
        made = schedules.create(owner=caller(request), order=order, time_zone=zone, **wanted)
        return Response(answer(request, made)[0], status=201)


class ScheduleView(APIView):
    @extend_schema(operation_id="schedules_retrieve", responses=ScheduleOut)
    def get(self, request: Request, schedule_id: int) -> Response:
        """One schedule."""
        return Response(answer(request, schedules.find(caller(request), schedule_id))[0])

    @extend_schema(operation_id="schedules_change", request=ScheduleChange, responses=ScheduleOut)
    @transaction.atomic
    def patch(self, request: Request, schedule_id: int) -> Response:
        """Change a schedule, as its owner; administrators of its project may pause it and have it go on."""
        refuse_capped(request)
        wanted = ScheduleChange.read(request.data)
        job = wanted.pop("job", None)
        order = None if job is None else order_of(job)
        return Response(answer(request, schedules.change(caller(request), schedule_id, wanted, order))[0])

    @extend_schema(operation_id="schedules_delete", request=None, responses={204: None})
    def delete(self, request: Request, schedule_id: int) -> Response:
        """Forget a schedule; its jobs stay."""
        schedules.remove(caller(request), schedule_id)
        return Response(status=204)


class RunNowView(APIView):
    @extend_schema(operation_id="schedules_run", request=None, responses={201: JobOut})
    @transaction.atomic
    def post(self, request: Request, schedule_id: int) -> Response:
        """Submit its job now, as its owner, whatever its times and rules say; also of one that is paused."""
        refuse_capped(request)
        Nothing.read(request.data)
        job = submit_now(schedules.to_run(caller(request), schedule_id))
        return Response(job_answer(job, caller(request)).data, status=201)
