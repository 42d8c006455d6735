"""A cluster as JSON."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.http.shapes import StrictSerializer, Text
from jobs.submission import limits
from workers.clusters import why_silent
from workers.models import Cluster

STATES = ("reached", "silent", "lost")


class ClusterNodesOut(serializers.Serializer[Any]):
    known = serializers.IntegerField(help_text="Nodes that it has.")
    up = serializers.IntegerField(help_text="Those of them that take jobs, as far as is known.")


class ClusterOut(serializers.ModelSerializer[Cluster]):
    state = serializers.SerializerMethodField(help_text="reached: it answers its bridge; silent; or declared lost.")
    fault = serializers.SerializerMethodField(help_text="Why it is silent, in words; empty while it answers.")
    bridge_alive = serializers.SerializerMethodField(help_text="Whether its bridge was heard of within a lease.")
    unsupported = serializers.DictField(
        child=serializers.CharField(), help_text="What it cannot honour of a job, by field, each with the reason."
    )
    workloads = serializers.DictField(child=serializers.IntegerField(), help_text="What it has of ours, by phase.")
    nodes = serializers.SerializerMethodField()
    running = serializers.SerializerMethodField(help_text="Jobs that hold a place on its nodes.")

    class Meta:
        model = Cluster
        fields = (
            "name", "kind", "state", "fault", "reached_at", "bridge_alive", "last_heartbeat_at", "version", "image",
            "unsupported", "workloads", "nodes", "running", "registered_at", "lost_at", "lost_by",
        )  # fmt: skip

    @extend_schema_field(serializers.ChoiceField(STATES))
    def get_state(self, cluster: Any) -> str:
        if cluster.is_reached(cluster.now):
            return "reached"
        return "silent" if cluster.lost_at is None else "lost"

    def get_fault(self, cluster: Any) -> str:
        return "" if cluster.is_reached(cluster.now) else why_silent(cluster, cluster.now)

    def get_bridge_alive(self, cluster: Any) -> bool:
        return bool(cluster.is_spoken_for(cluster.now))

    @extend_schema_field(ClusterNodesOut)
    def get_nodes(self, cluster: Any) -> Any:
        return {"known": cluster.known_nodes, "up": cluster.up_nodes if cluster.is_reached(cluster.now) else 0}

    def get_running(self, cluster: Any) -> int:
        return int(cluster.running_jobs)


class ClusterChange(StrictSerializer):
    image = Text(limits.IMAGE, required=False, allow_blank=True, help_text="Of jobs that name none.")


class LossOut(serializers.Serializer[Any]):
    ended = serializers.IntegerField(help_text="Places that jobs held there; each of them is over.")
