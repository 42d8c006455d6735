"""Preemptions: who would give way to a job, who gave way to whom and why, and what that has cost."""

from dataclasses import asdict
from typing import Any

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.fields import MomentField
from api.http.permissions import caller, job_to_read
from api.http.shapes import StrictSerializer
from jobs.models import Preemption
from jobs.reports import preemptions
from jobs.reports.preemptions import By, WouldGiveWay
from scheduling.lifecycle import EndReason


class VictimOut(serializers.Serializer[Any]):
    """Of a job that you may not see, its number alone and what its stop would cost."""

    job = serializers.IntegerField()
    name = serializers.CharField(allow_null=True)
    project = serializers.CharField(allow_null=True)
    queue = serializers.CharField(allow_null=True)
    priority = serializers.IntegerField(allow_null=True)
    node = serializers.CharField(allow_null=True)
    strategy = serializers.CharField(help_text="By which right.")
    lost_seconds = serializers.FloatField(help_text="Of its work, to be done again.")
    chosen = serializers.BooleanField(help_text="Whether the next cycle stops it for this job.")


class CandidatesOut(serializers.Serializer[Any]):
    job = serializers.IntegerField()
    starts_now = serializers.BooleanField(help_text="There is room for it: nobody has to give way.")
    stops_left = serializers.IntegerField(help_text="So many jobs may still be stopped in this hour.")
    candidates = VictimOut(many=True, help_text="Those first that the plan chooses, then the cheapest.")


class PreemptionOut(serializers.Serializer[Any]):
    """Of a job that you may not see, its number alone."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    job = serializers.IntegerField(help_text="Which was told to give way.")
    project = serializers.CharField(allow_null=True)
    queue = serializers.CharField(allow_null=True)
    attempt = serializers.IntegerField()
    for_job = serializers.IntegerField(
        allow_null=True, help_text="For which; null: for itself, or that job was deleted."
    )
    for_project = serializers.CharField(allow_null=True)
    strategy = serializers.CharField(help_text="By which right: priority, reclaim, pressure, quota, rebalance, ...")
    lost_seconds = serializers.FloatField(help_text="Work to be done again, as it was estimated.")
    lost_gpu_seconds = serializers.FloatField(help_text="The same times its GPUs.")
    gave_way = serializers.BooleanField(
        allow_null=True, help_text="False: it ended otherwise in its grace; null: it has not stopped."
    )
    target = serializers.CharField(allow_blank=True, help_text="The node to which it moves, if it does.")


class StatisticsQuery(StrictSerializer):
    by = serializers.ChoiceField([one.value for one in By], required=False, default=By.DAY.value)
    since = MomentField(required=False, help_text="30 days ago without it.")
    until = MomentField(required=False, help_text="Now without it.")


class PreemptionStatisticsRow(serializers.Serializer[Any]):
    group = serializers.CharField(help_text="A project, a queue, a right, or a day as YYYY-MM-DD.")
    requested = serializers.IntegerField(help_text="Jobs that were told to give way.")
    gave_way = serializers.IntegerField()
    lost_seconds = serializers.FloatField()
    lost_gpu_seconds = serializers.FloatField()


class PreemptionStatisticsOut(serializers.Serializer[Any]):
    by = serializers.ChoiceField([one.value for one in By])
    groups = PreemptionStatisticsRow(many=True)


class PreemptionFilter(filters.FilterSet):
    job = filters.NumberFilter("attempt__job_id", min_value=1, help_text="The job that was told.")
    for_job = filters.NumberFilter("for_job_id", min_value=1, help_text="The job that it was told for.")
    project = filters.CharFilter("attempt__job__project__slug", help_text="Of the job that was told.")
    queue = filters.CharFilter("attempt__job__queue__name")
    strategy = filters.CharFilter(help_text="By this right.")
    since = filters.IsoDateTimeFilter("at", "gte", help_text="Told then or later.")
    until = filters.IsoDateTimeFilter("at", "lt", help_text="Told before.")


class CandidatesView(APIView):
    @extend_schema(operation_id="jobs_preemption_candidates", responses=CandidatesOut)
    def get(self, request: Request, job_id: int) -> Response:
        """Who would give way if this job was to start now: the planner's own choice, without carrying it out."""
        job = job_to_read(request, job_id)
        found, rows = preemptions.candidates(job, caller(request))
        own = {"job": job.pk, "starts_now": found.starts_now, "stops_left": found.left}
        return Response({**own, "candidates": [candidate_out(row) for row in rows]})


class PreemptionsView(GenericAPIView[Preemption]):
    queryset = Preemption.objects.none()
    serializer_class = PreemptionOut
    filterset_class = PreemptionFilter
    orderings = {"-id": "-id", "id": "id"}

    def get_queryset(self) -> QuerySet[Preemption]:
        return preemptions.history(caller(self.request))

    @extend_schema(operation_id="preemptions_list", responses=PreemptionOut(many=True))
    def get(self, request: Request) -> Response:
        """Who was told to give way to whom, by which right, and what that cost; the newest first."""
        page: list[Preemption] = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        seen = preemptions.visible_among(caller(request), page)
        return self.get_paginated_response([preemption_out(row, seen) for row in page])


class PreemptionStatisticsView(APIView):
    @extend_schema(
        operation_id="preemptions_statistics", parameters=[StatisticsQuery], responses=PreemptionStatisticsOut
    )
    def get(self, request: Request) -> Response:
        """How many of your projects' jobs gave way, and what was lost, by project, queue, right or day."""
        wanted = StatisticsQuery.read(request.query_params.dict())
        by = By(wanted["by"])
        rows = preemptions.statistics(caller(request), by, since=wanted.get("since"), until=wanted.get("until"))
        spelt = (lambda day: day.date().isoformat()) if by is By.DAY else str
        return Response({"by": by.value, "groups": [{**asdict(row), "group": spelt(row.group)} for row in rows]})


def candidate_out(row: WouldGiveWay) -> dict[str, Any]:
    job = row.job
    return {
        "job": row.planned.job_id,
        "name": job and job.name,
        "project": job and job.project.slug,
        "queue": job and job.queue.name,
        "priority": job and job.priority,
        "node": job.node.name if job and job.node else None,
        "strategy": row.planned.strategy,
        "lost_seconds": round(row.planned.lost_seconds, 1),
        "chosen": row.chosen,
    }


def preemption_out(row: Preemption, seen: frozenset[int]) -> dict[str, Any]:
    job, other = row.attempt.job, row.for_job
    known = job.pk in seen
    return {
        "id": row.pk,
        "at": row.at,
        "job": job.pk,
        "project": job.project.slug if known else None,
        "queue": job.queue.name if known else None,
        "attempt": row.attempt.number,
        "for_job": row.for_job_id,
        "for_project": other.project.slug if other and other.pk in seen else None,
        "strategy": row.strategy,
        "lost_seconds": row.lost_seconds,
        "lost_gpu_seconds": row.lost_seconds * job.gpus * job.nodes,
        "gave_way": row.attempt.end_reason == EndReason.PREEMPTED if row.attempt.ended_at else None,
        "target": row.target,
    }
