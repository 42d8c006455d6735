"""Nodes: the machines, what they have, what of it is free. Here, because what is taken is a question about jobs."""

from typing import Any

import django_filters as filters
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.boolean_filters import StrictBooleanFilter
from api.http.fields import GigabytesField, LabelsField
from api.http.permissions import StaffWrites
from api.http.shapes import Nothing, StrictSerializer, Text, Whole
from jobs.control import draining, node_removal
from jobs.messages import publishing
from jobs.models.queries import UNUSED, usage_by_node
from jobs.reports import node_condition, node_health
from scheduling import memory_units
from scheduling.errors import NotFoundError
from workers import protocol
from workers.models import Node
from workers.queries import in_use, nodes_now

LONGEST_DRAIN_SECONDS = 30 * 86_400


class GpuOut(serializers.Serializer[Any]):
    index = serializers.IntegerField()
    model = serializers.CharField()
    memory_mb = serializers.IntegerField()
    uuid = serializers.CharField()
    simulated = serializers.BooleanField()


class FreeOut(serializers.Serializer[Any]):
    gpus = serializers.IntegerField()
    cpus = serializers.IntegerField()
    memory_gb = serializers.FloatField()


class DrainOut(serializers.Serializer[Any]):
    mode = serializers.ChoiceField(Node.DrainMode.choices)
    deadline = serializers.DateTimeField(allow_null=True)
    jobs_left = serializers.IntegerField()


class HealthOut(serializers.Serializer[Any]):
    ok = serializers.BooleanField(help_text="It takes work.")
    reasons = serializers.ListField(child=serializers.CharField(), help_text="What there is to know, in words.")


class NodeOut(serializers.ModelSerializer[Node]):
    """A node. The view puts what is held (`held`, by node id) into the context."""

    liveness = serializers.SerializerMethodField()
    memory_gb = GigabytesField(source="memory_mb")
    gpus = serializers.SerializerMethodField()
    load = serializers.DictField(help_text="As the node last measured it.")
    labels = serializers.DictField(child=serializers.CharField())
    consuming = serializers.SerializerMethodField(help_text="Whether messages for it arrive there; null: not known.")
    health = serializers.SerializerMethodField()
    protocol = serializers.SerializerMethodField(
        help_text="What its agent speaks with the platform; null while it is down."
    )
    skew = serializers.SerializerMethodField(
        help_text="Where that is not what the platform speaks: what follows, in words."
    )
    jobs_can_read = serializers.SerializerMethodField(help_text="Whom its jobs run as, and what they can read.")
    walls = serializers.SerializerMethodField(
        help_text="What keeps its jobs apart: `user`, `files`, `tmp`, `processes`, `devices`; empty: nothing; null: not told."
    )
    drain = serializers.SerializerMethodField(help_text="How it is being emptied; null while it is not.")
    running = serializers.SerializerMethodField(help_text="Jobs that hold a place on it.")
    free = serializers.SerializerMethodField()

    class Meta:
        model = Node
        fields = (
            "name", "hostname", "address", "state", "liveness", "cordoned", "drain_reason", "cpus", "memory_gb", "gpus", "free",
            "running", "load", "labels", "version", "registered_at", "last_heartbeat_at", "consuming", "heard_at", "health",
            "jobs_can_read", "walls", "drain", "protocol", "skew", "leaves_at",
        )  # fmt: skip

    def get_jobs_can_read(self, node: Node) -> str:
        return node_condition.jobs_can_read(node)

    def get_walls(self, node: Node) -> list[str] | None:
        return node_condition.walls(node)

    @extend_schema_field(serializers.ChoiceField(Node.Liveness.choices))
    def get_liveness(self, node: Any) -> str:
        return node.liveness(node.now)

    @extend_schema_field(GpuOut(many=True))
    def get_gpus(self, node: Node) -> Any:
        return node.gpus

    def get_consuming(self, node: Any) -> bool | None:
        return node_health.consuming(node)

    def get_protocol(self, node: Node) -> int | None:
        return protocol.spoken_by(node)

    def get_skew(self, node: Node) -> str:
        return protocol.skew(protocol.spoken_by(node))

    @extend_schema_field(HealthOut)
    def get_health(self, node: Any) -> Any:
        return HealthOut(node_health.health(node, jobs=self._usage(node).jobs)).data

    @extend_schema_field(DrainOut(allow_null=True))
    def get_drain(self, node: Any) -> Any:
        if not node.cordoned:
            return None
        left = self._usage(node).jobs
        return DrainOut({"mode": node.drain_mode, "deadline": node.drain_deadline, "jobs_left": left}).data

    def get_running(self, node: Node) -> int:
        return self._usage(node).jobs

    @extend_schema_field(FreeOut)
    def get_free(self, node: Node) -> dict[str, float]:
        held = self._usage(node)
        return {
            "gpus": max(len(node.gpus) - held.gpus, 0),
            "cpus": max(node.cpus - held.cpus, 0),
            "memory_gb": memory_units.rounded_gigabytes(max(node.memory_mb - held.memory_mb, 0)),
        }

    def _usage(self, node: Node) -> Any:
        return self.context["held"].get(node.pk, UNUSED)


class NodeFilter(filters.FilterSet):
    all = StrictBooleanFilter(help_text="Also those whose agent said goodbye long ago.")

    def filter_queryset(self, queryset: QuerySet[Node]) -> QuerySet[Node]:
        return queryset if self.form.cleaned_data["all"] else in_use(queryset)


class NodeChange(StrictSerializer):
    labels = LabelsField(required=False)


class DrainIn(StrictSerializer):
    mode = serializers.ChoiceField(Node.DrainMode.choices, required=False)
    deadline_seconds = Whole(
        LONGEST_DRAIN_SECONDS, least=1, required=False, allow_null=True,
        help_text="What is left after that goes back in line.",
    )  # fmt: skip
    reason = Text(200, required=False, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("mode") == Node.DrainMode.NOW and attrs.get("deadline_seconds") is not None:
            raise serializers.ValidationError({"deadline_seconds": "The mode now leaves no time: leave this out."})
        return attrs


def find_node(name: str) -> Node:
    node: Node | None = nodes_now().select_related("cluster").filter(name=name).first()
    if node is None:
        raise NotFoundError(f"There is no node {name}.")
    return node


def answer(name: str) -> Response:
    return Response(NodeOut(find_node(name), context={"held": usage_by_node()}).data)


class NodesView(GenericAPIView[Node]):
    queryset = Node.objects.none()
    serializer_class = NodeOut
    filterset_class = NodeFilter
    orderings = {"name": "name", "-name": "-name"}

    def get_queryset(self) -> QuerySet[Node]:
        return nodes_now().select_related("cluster")

    @extend_schema(operation_id="nodes_list", responses=NodeOut(many=True))
    def get(self, request: Request) -> Response:
        """The machines, what they have, and what of it is free. Those that were scaled away long ago only with `all`."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(NodeOut(page, many=True, context={"held": usage_by_node()}).data)


class NodeView(APIView):
    permission_classes = (IsAuthenticated, StaffWrites)

    @extend_schema(operation_id="nodes_retrieve", responses=NodeOut)
    def get(self, request: Request, name: str) -> Response:
        """One machine."""
        return answer(name)

    @extend_schema(operation_id="nodes_change", request=NodeChange, responses=NodeOut)
    @transaction.atomic
    def patch(self, request: Request, name: str) -> Response:
        """Set a machine's labels, by staff."""
        wanted = NodeChange.read(request.data)
        Node.objects.filter(pk=find_node(name).pk).update(**wanted)
        publishing.request_cycle()
        return answer(name)

    @extend_schema(operation_id="nodes_remove", responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        """Remove a machine that was scaled away, by staff; refused while it is alive, holds a job or is reserved.

        What ran there keeps its name. Its agent brings it back when it starts again.
        """
        node_removal.remove(find_node(name))
        return Response(status=204)


class DrainView(APIView):
    permission_classes = (IsAuthenticated, StaffWrites)

    @extend_schema(operation_id="nodes_drain", request=DrainIn, responses=NodeOut)
    @transaction.atomic
    def post(self, request: Request, name: str) -> Response:
        """Give the machine nothing new until it is undrained, by staff.

        What runs there: `wait` (the default) lets it end; `checkpoint` asks those jobs that can save their work to give
        way, and lets the others end; `now` puts everything back in line.
        """
        draining.drain(find_node(name), **DrainIn.read(request.data))
        return answer(name)


class UndrainView(APIView):
    permission_classes = (IsAuthenticated, StaffWrites)

    @extend_schema(operation_id="nodes_undrain", request=None, responses=NodeOut)
    @transaction.atomic
    def post(self, request: Request, name: str) -> Response:
        """Let the machine take work again, by staff."""
        Nothing.read(request.data)
        draining.undrain(find_node(name))
        return answer(name)
