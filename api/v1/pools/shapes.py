"""The shapes of pools."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.http.fields import GigabytesField, GpuGigabytesField, LabelsField, ObjectField
from api.http.shapes import StrictSerializer, Text, Whole
from workers.models import NodePool, pool_name_validator

MOST_NODES = 10_000
MOST_SECONDS = 86_400
LONGEST_LIFETIME = 365 * 86_400
IN_THE_ROW = {"memory_gb": "memory_mb", "gpu_memory_gb": "gpu_memory_mb"}


class PoolChange(StrictSerializer):
    cpus = Whole(100_000, least=1, required=False, help_text="Of each node, as its agent would report it.")
    memory_gb = GigabytesField(10**6, required=False, help_text="Of each node.")
    gpus = Whole(1_000, required=False, help_text="Of each node.")
    gpu_model = Text(100, required=False, allow_blank=True)
    gpu_memory_gb = GpuGigabytesField(10**6, required=False, help_text="Of each GPU.")
    labels = LabelsField(required=False, help_text="Of each node, beside `pool`, which is the pool's name.")
    min_nodes = Whole(MOST_NODES, required=False)
    max_nodes = Whole(MOST_NODES, required=False)
    spare_nodes = Whole(MOST_NODES, required=False, help_text="Kept free beyond what jobs use.")
    consolidate = serializers.BooleanField(
        required=False, help_text="Jobs that save their work are moved together where that pays, so that a node goes."
    )
    lifetime_seconds = Whole(
        LONGEST_LIFETIME,
        least=60,
        required=False,
        allow_null=True,
        help_text="After so long each node goes by itself; null: it stays.",
    )
    startup_seconds = Whole(MOST_SECONDS, required=False, help_text="From the demand for a node to its first job.")
    scale_up_seconds = Whole(
        MOST_SECONDS, required=False, help_text="It grows only to what was wanted all through the last so many seconds."
    )
    scale_down_seconds = Whole(
        MOST_SECONDS, required=False, help_text="It shrinks only to what sufficed all through the last so many seconds."
    )
    actuator = serializers.ChoiceField(NodePool.Actuator.choices, required=False)
    actuator_settings = ObjectField(
        example='{"up": ["up-node", "{node}"], ...}',
        required=False,
        help_text="Of actuator command: up, down, list, timeout_seconds; of kubernetes: template; of slurm: script, partition, account, qos, reservation, gpu_type.",
    )
    paused = serializers.BooleanField(required=False, help_text="What is wanted is shown; nothing is changed.")


class EmptyingOut(serializers.Serializer[dict[str, Any]]):
    """A node whose jobs have room on others; `gain` and `cost` in GPU-seconds."""

    node = serializers.CharField()
    jobs = serializers.ListField(child=serializers.IntegerField())
    gain = serializers.IntegerField()
    cost = serializers.IntegerField()


class PoolIn(PoolChange):
    name = serializers.CharField(max_length=40, validators=[pool_name_validator])
    cpus = Whole(100_000, least=1, help_text="Of each node, as its agent would report it.")
    memory_gb = GigabytesField(10**6, help_text="Of each node.")


class PoolOut(serializers.ModelSerializer[NodePool]):
    memory_gb = GigabytesField(source="memory_mb", read_only=True)
    gpu_memory_gb = GpuGigabytesField(source="gpu_memory_mb", read_only=True)
    labels = serializers.DictField(child=serializers.CharField())
    actuator_settings = ObjectField()
    idle_nodes = serializers.ListField(child=serializers.CharField(), help_text="That hold no job and soon will not.")
    desired_nodes = serializers.IntegerField(
        allow_null=True, help_text="How many it is to have now; null: not decided yet. For KEDA and others that scale."
    )
    wanted_nodes = serializers.IntegerField(
        allow_null=True, help_text="How many it would have without its bounds and its pace."
    )
    emptying = serializers.SerializerMethodField()
    fault = serializers.CharField(help_text="What kept its actuator from acting when it last tried; empty: nothing.")

    class Meta:
        model = NodePool
        fields = ("name", "cpus", "memory_gb", "gpus", "gpu_model", "gpu_memory_gb", "labels", "min_nodes", "max_nodes",
                  "spare_nodes", "consolidate", "lifetime_seconds", "startup_seconds", "scale_up_seconds", "scale_down_seconds", "actuator",
                  "actuator_settings", "paused", "busy_nodes", "demand_now", "demand_soon", "waiting_jobs",
                  "wanted_nodes", "desired_nodes", "why", "idle_nodes", "emptying", "decided_at", "acted_at", "fault")  # fmt: skip

    @extend_schema_field(EmptyingOut(allow_null=True))
    def get_emptying(self, pool: NodePool) -> dict[str, Any] | None:
        return pool.emptying or None


def columns(wanted: dict[str, Any]) -> dict[str, Any]:
    """By the names of the row; the fields have read memory to MB."""
    return {IN_THE_ROW.get(name, name): value for name, value in wanted.items()}
