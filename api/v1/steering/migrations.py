"""Migrations: a running job moves to a node that was named, or to any other, and goes on there from its checkpoint."""

from typing import Any

import django_filters as filters
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.permissions import caller, job_to_control, job_to_read
from api.http.shapes import StrictSerializer, Text
from jobs.control import moves
from jobs.control.moves import MoveRequest
from jobs.models import JobMove, queries
from scheduling.errors import NotFoundError
from scheduling.job_moves import MoveOrigin, MoveState
from scheduling.planning.moves import MovePlan

NODE = "The node to go to; of a gang, where its rank 0 goes. Without one: any other that has room."
FORCE = "Also a job that is not checkpointable: all that it has done is done again."


class MigrationIn(StrictSerializer):
    node = Text(63, required=False, allow_blank=True, allow_null=True, help_text=NODE)
    reason = Text(400, required=False, allow_blank=True, help_text="Why; in the job's history.")
    force = serializers.BooleanField(required=False, help_text=FORCE)
    dry_run = serializers.BooleanField(
        required=False, help_text="Only say what would come of it: answers the plan, 200."
    )


class PlanQuery(StrictSerializer):
    node = Text(63, required=False, help_text=NODE)
    force = serializers.BooleanField(required=False, help_text=FORCE)


class MigrationRollbackIn(StrictSerializer):
    reason = Text(400, required=False, allow_blank=True, help_text="Why; in the job's history.")


class ObstacleOut(serializers.Serializer[Any]):
    code = serializers.CharField()
    sentence = serializers.CharField()


class MigrationPlanOut(serializers.Serializer[Any]):
    """What would come of a migration that was asked for now."""

    job = serializers.IntegerField()
    possible = serializers.BooleanField()
    sources = serializers.ListField(child=serializers.CharField(), help_text="Where it holds places, by rank.")
    targets = serializers.ListField(child=serializers.CharField(), help_text="Where it would go on, by rank.")
    obstacles = ObstacleOut(many=True, help_text="All that stands against it.")
    lost_seconds = serializers.FloatField(help_text="Work since its last checkpoint, and the time to start again.")
    grace_seconds = serializers.IntegerField(allow_null=True, help_text="For its checkpoint; null: as on every node.")
    displaced = serializers.ListField(
        child=serializers.IntegerField(), help_text="Jobs that would have to give way: always none."
    )


class MigrationOut(serializers.ModelSerializer[JobMove]):
    job = serializers.IntegerField(source="job_id")
    project = serializers.CharField(source="job.project.slug")
    rolls_back = serializers.IntegerField(
        source="rolls_back_id", allow_null=True, help_text="The migration that it takes back."
    )
    sources = serializers.ListField(child=serializers.CharField(), help_text="Where it was.")
    targets = serializers.ListField(child=serializers.CharField(), help_text="Where it is to go on; empty: anywhere.")
    nodes = serializers.ListField(child=serializers.CharField(), help_text="Where it was placed.")
    took_seconds = serializers.SerializerMethodField(help_text="From the wish to its start there; null: not done.")

    def get_took_seconds(self, move: JobMove) -> float | None:
        if move.state != MoveState.DONE or move.closed_at is None:
            return None
        return (move.closed_at - move.created_at).total_seconds()

    class Meta:
        model = JobMove
        fields = ("id", "job", "project", "state", "origin", "asked_by", "reason", "force", "for_job", "rolls_back",
                  "sources", "targets", "nodes", "lost_seconds", "message", "created_at", "stopped_at", "placed_at",
                  "closed_at", "took_seconds")  # fmt: skip


class MigrationFilter(filters.FilterSet):
    project = filters.CharFilter("job__project__slug")
    job = filters.NumberFilter("job_id", min_value=1, help_text="Of this job.")
    node = filters.CharFilter(method="get_node", help_text="From this node, or to it.")
    state = filters.ChoiceFilter(choices=[(one.value, one.value) for one in MoveState])
    origin = filters.ChoiceFilter(choices=[(one.value, one.value) for one in MoveOrigin])
    since = filters.IsoDateTimeFilter("created_at", "gte", help_text="Begun then or later.")
    until = filters.IsoDateTimeFilter("created_at", "lt", help_text="Begun before.")

    def get_node(self, rows: QuerySet[JobMove], name: str, value: str) -> QuerySet[JobMove]:
        return rows.filter(Q(sources__contains=[value]) | Q(targets__contains=[value]) | Q(nodes__contains=[value]))


class JobMigrationsView(GenericAPIView[JobMove]):
    queryset = JobMove.objects.none()
    serializer_class = MigrationOut
    orderings = {"-id": "-id", "id": "id"}

    @extend_schema(operation_id="jobs_migrations_list", responses=MigrationOut(many=True))
    def get(self, request: Request, job_id: int) -> Response:
        """Where the job has moved, and why: those that were asked for, rebalancing's and those of drains; the newest first."""
        rows = job_to_read(request, job_id).moves.select_related("job__project")
        page = self.paginate_queryset(self.filter_queryset(rows))
        return self.get_paginated_response(MigrationOut(page, many=True).data)

    @extend_schema(
        operation_id="jobs_migrations_create",
        request=MigrationIn,
        responses={200: MigrationPlanOut, 201: MigrationOut},
        filters=False,
    )
    def post(self, request: Request, job_id: int) -> Response:
        """Move the job: it saves its work, stops, and goes on at the target, where room is kept for it meanwhile.

        Nobody else is displaced. 409 with all that stands against it: no room, a quota, no checkpoints, a migration that
        is under way. If the target is lost, or it finds no place there in a minute, it goes on elsewhere.
        """
        job = job_to_control(request, job_id)
        wanted = MigrationIn.read(request.data)
        asked = MoveRequest(wanted.get("node") or "", wanted.get("reason", ""), wanted.get("force", False))
        if wanted.get("dry_run"):
            return Response(plan_out(moves.plan(job_id=job.pk, wanted=asked), job.grace_seconds))
        begun = moves.begin(job_id=job.pk, wanted=asked, actor=caller(request).username)
        return Response(MigrationOut(begun).data, status=201)


class MigrationPlanView(APIView):
    @extend_schema(operation_id="jobs_migrations_plan", parameters=[PlanQuery], responses=MigrationPlanOut)
    def get(self, request: Request, job_id: int) -> Response:
        """What would come of a migration: from where to where, what is done again, and what stands against it."""
        job = job_to_read(request, job_id)
        wanted = PlanQuery.read(request.query_params.dict())
        asked = MoveRequest(wanted.get("node", ""), force=wanted.get("force", False))
        return Response(plan_out(moves.plan(job_id=job.pk, wanted=asked), job.grace_seconds))


class JobMigrationView(APIView):
    @extend_schema(operation_id="jobs_migrations_retrieve", responses=MigrationOut)
    def get(self, request: Request, job_id: int, migration_id: int) -> Response:
        """How far one migration is."""
        job = job_to_read(request, job_id)
        found = JobMove.objects.filter(pk=migration_id, job=job).select_related("job__project").first()
        if found is None:
            raise NotFoundError(f"There is no migration {migration_id} of job {job_id}.")
        return Response(MigrationOut(found).data)

    @extend_schema(operation_id="jobs_migrations_cancel", request=None, responses=MigrationOut)
    def delete(self, request: Request, job_id: int, migration_id: int) -> Response:
        """Call it off: the job goes on where it is, or, once it has stopped, wherever there is room.

        409 once it has its place at the target, or is over: take it back with a rollback then.
        """
        job_to_control(request, job_id)
        off = moves.cancel(job_id=job_id, move_id=migration_id, actor=caller(request).username)
        return Response(MigrationOut(off).data)


class RollbackView(APIView):
    @extend_schema(operation_id="jobs_migrations_rollback", request=MigrationRollbackIn, responses={201: MigrationOut})
    def post(self, request: Request, job_id: int, migration_id: int) -> Response:
        """Move the job back to where it came from: a migration of its own, refused like any other."""
        job_to_control(request, job_id)
        reason = MigrationRollbackIn.read(request.data).get("reason", "")
        back = moves.roll_back(job_id=job_id, move_id=migration_id, actor=caller(request).username, reason=reason)
        return Response(MigrationOut(back).data, status=201)


class MigrationsView(GenericAPIView[JobMove]):
    queryset = JobMove.objects.none()
    serializer_class = MigrationOut
    filterset_class = MigrationFilter
    orderings = {"-id": "-id", "id": "id"}

    def get_queryset(self) -> QuerySet[JobMove]:
        seen = queries.visible_jobs(caller(self.request))
        return JobMove.objects.filter(job__in=seen.values("pk")).select_related("job__project")

    @extend_schema(operation_id="migrations_list", responses=MigrationOut(many=True))
    def get(self, request: Request) -> Response:
        """All migrations of your projects' jobs, the newest first: by project, by node, by state."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(MigrationOut(page, many=True).data)


def plan_out(plan: MovePlan, grace_seconds: int | None) -> dict[str, Any]:
    return {
        "job": plan.job_id,
        "possible": not plan.obstacles,
        "sources": plan.sources,
        "targets": plan.targets,
        "obstacles": [{"code": one.code, "sentence": one.sentence} for one in plan.obstacles],
        "lost_seconds": round(plan.lost_seconds, 1),
        "grace_seconds": grace_seconds,
        "displaced": [],
    }
