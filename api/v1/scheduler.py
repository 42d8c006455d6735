"""The scheduler: its last cycle, and the wish for another one; the dashboard."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.permissions import StaffWrites, caller
from api.http.shapes import StrictSerializer, Text
from api.v1.shapes.costs import MONEY
from api.v1.system.service_health import services
from api.v1.system.shapes import Services
from jobs.messages import publishing
from jobs.models import Cycle, Queue
from jobs.planning import policy_settings
from jobs.reports import dashboard, project_cycle
from jobs.state import alerts
from quotas.queries import find_project
from scheduling.lifecycle import JobState
from workers.models import NodePool
from workers.queries import in_use, liveness_counts, nodes_now


class Counts(serializers.DictField):
    child = serializers.IntegerField()


class PickedOut(serializers.Serializer[Any]):
    strategy = serializers.CharField()
    why = serializers.CharField(allow_blank=True, help_text="Empty: it is the platform's.")
    jobs = serializers.IntegerField()


class CycleOut(serializers.ModelSerializer[Cycle]):
    alerts = serializers.ListField(
        child=serializers.CharField(), help_text="What went wrong without stopping it: a policy that failed."
    )

    picked = PickedOut(
        many=True, help_text="How many jobs the last cycle that placed any placed by which strategy, and why by that."
    )

    class Meta:
        model = Cycle
        fields = ("started_at", "duration_ms", "count", "placed", "waiting", "alerts", "picked")


class MoveOut(serializers.Serializer[Any]):
    job = serializers.IntegerField()
    node = serializers.CharField(help_text="On which it runs.")
    target = serializers.CharField(help_text="The node to which it moves.")
    lost_seconds = serializers.IntegerField(help_text="Of its work, to be done again.")


class ProposalOut(serializers.Serializer[Any]):
    for_job = serializers.IntegerField(help_text="The waiting job that could start.")
    nodes = serializers.ListField(child=serializers.CharField(), help_text="Where it could start.")
    moves = MoveOut(many=True)
    gain = serializers.IntegerField(help_text="GPU-seconds of waiting that are saved.")
    cost = serializers.IntegerField(help_text="GPU-seconds of work that are lost.")


class Rebalancing(serializers.Serializer[Any]):
    mode = serializers.ChoiceField(choices=["off", "propose", "on"])
    proposals = ProposalOut(many=True, help_text="When moves were last looked for.")


class PoolSummary(serializers.ModelSerializer[NodePool]):
    class Meta:
        model = NodePool
        fields = ("name", "paused", "busy_nodes", "waiting_jobs", "wanted_nodes", "desired_nodes", "why", "decided_at")


class SchedulerInfo(serializers.Serializer[Any]):
    policy = serializers.CharField(help_text="By which waiting jobs are ordered, unless their queue has its own.")
    quota_provider = serializers.CharField(help_text="Who says what projects may hold.")
    active_queues = serializers.IntegerField(help_text="Queues that are open.")
    pending_jobs = serializers.IntegerField(help_text="Jobs that wait, of all projects.")
    rebalancing = Rebalancing()
    cycle = CycleOut(help_text="The last one.")
    alerts = serializers.ListField(
        child=serializers.CharField(), help_text="What else is wrong with the platform at the moment."
    )
    jobs = Counts(help_text="Of all projects, by state.")
    nodes = Counts(help_text="By liveness.")
    pools = PoolSummary(many=True, help_text="Of nodes: what each is to have.")


class TriggerIn(StrictSerializer):
    project_id = Text(
        63,
        required=False,
        allow_null=True,
        help_text="A project's slug: run the cycle now, and tell what it did for it.",
    )


class Requested(serializers.Serializer[Any]):
    requested = serializers.BooleanField(help_text="A cycle comes, or has just run.")
    scheduled_count = serializers.IntegerField(
        allow_null=True, help_text="Jobs of the project that the cycle placed; null if none was named."
    )
    remaining_pending = serializers.IntegerField(
        allow_null=True, help_text="Jobs of the project that wait on; null if none was named."
    )


class QueueLoad(serializers.Serializer[Any]):
    queue = serializers.CharField()
    jobs = Counts(help_text="By state.")


class Capacity(serializers.Serializer[Any]):
    total = serializers.FloatField()
    used = serializers.FloatField()


class Fleet(serializers.Serializer[Any]):
    nodes = Counts(help_text="By liveness.")
    gpus = Capacity()
    cpus = Capacity()
    memory_gb = Capacity()


class YardCost(serializers.Serializer[Any]):
    currency = serializers.CharField()
    today = serializers.DecimalField(
        **MONEY, help_text="Booked since midnight (UTC), as placements ended; less refunds."
    )
    month = serializers.DecimalField(**MONEY, help_text="Booked in this month (UTC).")
    pending = serializers.DecimalField(**MONEY, help_text="Expected of the jobs that wait and whose end is known.")


class Dashboard(serializers.Serializer[Any]):
    jobs = Counts(help_text="Of your projects, by state.")
    queues = QueueLoad(many=True)
    waiting_for = Counts(help_text="Waiting jobs by the codes of their reasons.")
    fleet = Fleet(help_text="Machines that are alive.")
    cost = YardCost(help_text="Of your projects.")
    services = Services(help_text="What the platform consists of, and whether it works.")


class InfoView(APIView):
    @extend_schema(operation_id="scheduler_info", responses=SchedulerInfo)
    def get(self, request: Request) -> Response:
        """What the last scheduling cycle saw and did."""
        cycle = Cycle.objects.defer("line").get()
        chosen = policy_settings.in_force()
        proposals = cycle.proposals if chosen["rebalancing"] != "off" else []
        counts = dashboard.job_counts()
        return Response(
            {
                "policy": chosen["policy"],
                "quota_provider": settings.QUOTA_PROVIDER,
                "active_queues": Queue.objects.filter(state=Queue.State.OPEN).count(),
                "pending_jobs": counts[JobState.PENDING],
                "rebalancing": {"mode": chosen["rebalancing"], "proposals": proposals},
                "cycle": CycleOut(cycle).data,
                "alerts": alerts.active(),
                "jobs": counts,
                "nodes": liveness_counts(in_use(nodes_now())),
                "pools": PoolSummary(NodePool.objects.all(), many=True).data,
            }
        )


class TriggerView(APIView):
    permission_classes = (IsAuthenticated, StaffWrites)

    @extend_schema(operation_id="scheduler_trigger", request=TriggerIn, responses={200: Requested, 202: Requested})
    def post(self, request: Request) -> Response:
        """Ask for a scheduling cycle, by staff: it comes at once. With a project it has run when the answer comes (200)."""
        slug = TriggerIn.read(request.data).get("project_id")
        if slug is None:
            publishing.request_cycle()
            return Response({"requested": True, "scheduled_count": None, "remaining_pending": None}, status=202)
        done = project_cycle.schedule(find_project(caller(request), slug))
        return Response({"requested": True, "scheduled_count": done.placed, "remaining_pending": done.waiting})


class DashboardView(APIView):
    @extend_schema(operation_id="dashboard", responses=Dashboard)
    def get(self, request: Request) -> Response:
        """Your jobs by state and queue, what they wait for and cost, how full the machines are, and whether the platform works."""
        return Response(Dashboard({**dashboard.dashboard(caller(request)), "services": services()}).data)
