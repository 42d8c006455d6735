"""Nodes: the machines, what they have, what of it is free. Here, because what is taken is a question about jobs."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import publishing
from jobs.fields import GigabytesField, LabelsField, in_gigabytes
from jobs.permissions import StaffWrites
from jobs.queries import NOTHING_HELD, held_by_node
from quotas.shapes import StrictSerializer, Text
from scheduling.errors import NotFoundError
from workers import heartbeats
from workers.models import Node
from workers.queries import nodes_now


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


class NodeOut(serializers.ModelSerializer[Node]):
    """A node. The view puts what is held (`held`, by node id) into the context."""

    liveness = serializers.SerializerMethodField()
    memory_gb = GigabytesField(source="memory_mb")
    gpus = serializers.SerializerMethodField()
    load = serializers.DictField(help_text="As the node last measured it.")
    labels = serializers.DictField(child=serializers.CharField())
    running = serializers.SerializerMethodField(help_text="Jobs that hold a place on it.")
    free = serializers.SerializerMethodField()

    class Meta:
        model = Node
        fields = (
            "name", "hostname", "address", "state", "liveness", "cordoned", "drain_reason", "cpus", "memory_gb", "gpus", "free",
            "running", "load", "labels", "version", "registered_at", "last_heartbeat_at",
        )  # fmt: skip

    @extend_schema_field(serializers.ChoiceField(Node.Liveness.choices))
    def get_liveness(self, node: Any) -> str:
        return node.liveness(node.now)

    @extend_schema_field(GpuOut(many=True))
    def get_gpus(self, node: Node) -> Any:
        return node.gpus

    def get_running(self, node: Node) -> int:
        return self._held(node).jobs

    @extend_schema_field(FreeOut)
    def get_free(self, node: Node) -> dict[str, float]:
        held = self._held(node)
        return {
            "gpus": max(len(node.gpus) - held.gpus, 0),
            "cpus": max(node.cpus - held.cpus, 0),
            "memory_gb": in_gigabytes(max(node.memory_mb - held.memory_mb, 0)),
        }

    def _held(self, node: Node) -> Any:
        return self.context["held"].get(node.pk, NOTHING_HELD)


class NodeChange(StrictSerializer):
    labels = LabelsField(required=False)


class DrainIn(StrictSerializer):
    reason = Text(200, required=False, allow_blank=True)


def find_node(name: str) -> Node:
    node: Node | None = nodes_now().filter(name=name).first()
    if node is None:
        raise NotFoundError(f"There is no node {name}.")
    return node


def answer(name: str) -> Response:
    return Response(NodeOut(find_node(name), context={"held": held_by_node()}).data)


class NodesView(GenericAPIView[Node]):
    queryset = Node.objects.none()
    serializer_class = NodeOut
    orderings = {"name": "name", "-name": "-name"}

    def get_queryset(self) -> QuerySet[Node]:
        return nodes_now()

    @extend_schema(operation_id="nodes_list", responses=NodeOut(many=True))
    def get(self, request: Request) -> Response:
        """The machines, what they have, and what of it is free."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(NodeOut(page, many=True, context={"held": held_by_node()}).data)


class NodeView(APIView):
    permission_classes = (IsAuthenticated, StaffWrites)

    @extend_schema(operation_id="nodes_retrieve", responses=NodeOut)
    def get(self, request: Request, name: str) -> Response:
        """One machine."""
        return answer(name)

    @extend_schema(operation_id="nodes_change", request=NodeChange, responses=NodeOut)
    def patch(self, request: Request, name: str) -> Response:
        """Set a machine's labels, by staff."""
        wanted = NodeChange.read(request.data)
        Node.objects.filter(pk=find_node(name).pk).update(**wanted)
        publishing.request_cycle()
        return answer(name)


class DrainView(APIView):
    permission_classes = (IsAuthenticated, StaffWrites)

    @extend_schema(operation_id="nodes_drain", request=DrainIn, responses=NodeOut)
    def post(self, request: Request, name: str) -> Response:
        """Give the machine nothing new until it is undrained, by staff; what runs there goes on."""
        wanted = DrainIn.read(request.data)
        heartbeats.drain(find_node(name), wanted.get("reason", ""))
        return answer(name)


class UndrainView(APIView):
    permission_classes = (IsAuthenticated, StaffWrites)

    @extend_schema(operation_id="nodes_undrain", request=None, responses=NodeOut)
    def post(self, request: Request, name: str) -> Response:
        """Let the machine take work again, by staff."""
        heartbeats.undrain(find_node(name))
        publishing.request_cycle()
        return answer(name)
