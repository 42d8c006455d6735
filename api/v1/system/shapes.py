"""What GET /system answers."""

from typing import Any

from rest_framework import serializers


class Service(serializers.Serializer[Any]):
    ok = serializers.BooleanField(help_text="It works.")
    detail = serializers.CharField(help_text="What is wrong, in words.")


class Services(serializers.Serializer[Any]):
    web = Service(help_text="Who answers this.")
    beat = Service(help_text="The clock that asks for cycles and sweeps.")
    control = Service(help_text="The worker that plans and sweeps: cycles and sweeps come in time.")
    broker = Service(help_text="Redis, or RabbitMQ.")
    database = Service(help_text="PostgreSQL.")
    agents = Service(help_text="How many nodes take work; for information, none is no fault.")


class AgentVersion(serializers.Serializer[Any]):
    version = serializers.CharField()
    nodes = serializers.IntegerField(help_text="So many that are alive have it.")
    skewed = serializers.BooleanField(help_text="It is not the site's.")


class Versions(serializers.Serializer[Any]):
    platform = serializers.CharField(help_text="Of the site.")
    python = serializers.CharField()
    postgresql = serializers.CharField()
    broker = serializers.CharField(help_text="With its name; unknown while it does not answer.")
    agents = AgentVersion(many=True)
    skewed = serializers.BooleanField(help_text="Some agent has another version than the site.")


class Depth(serializers.Serializer[Any]):
    queue = serializers.CharField()
    messages = serializers.IntegerField()


class BrokerQueues(serializers.Serializer[Any]):
    detail = serializers.CharField(allow_blank=True, help_text="Why it is not known; empty: it is.")
    whole = serializers.BooleanField(help_text="Every queue was asked.")
    depths = Depth(many=True, help_text="Queues in which messages wait, and the control worker's.")


class CycleState(serializers.Serializer[Any]):
    started_at = serializers.DateTimeField(allow_null=True)
    duration_ms = serializers.FloatField(allow_null=True)
    count = serializers.IntegerField(allow_null=True)
    placed = serializers.IntegerField(allow_null=True)
    waiting = serializers.IntegerField(allow_null=True)
    alerts = serializers.ListField(child=serializers.CharField(), allow_null=True)


class BeatState(serializers.Serializer[Any]):
    last_tick = serializers.DateTimeField(allow_null=True)
    task = serializers.CharField(allow_blank=True, help_text="What it asked for then.")
    silent = serializers.BooleanField(help_text="It has not ticked for too long.")
    period_seconds = serializers.FloatField(help_text="So often it should.")


class SweepState(serializers.Serializer[Any]):
    swept_at = serializers.DateTimeField(allow_null=True)
    leases_judged_from = serializers.DateTimeField(allow_null=True)


class AuditState(serializers.Serializer[Any]):
    books = serializers.CharField()
    at = serializers.DateTimeField(allow_null=True)
    duration_ms = serializers.FloatField()
    drift = serializers.DictField(help_text="By how much the books differ; empty: they do not.")
    suspects = serializers.IntegerField(help_text="Differences that have not lasted long enough to count.")
    mended = serializers.DictField(help_text="How many mistakes have been put right so far, by their kind.")


class NamedNodes(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    names = serializers.ListField(child=serializers.CharField(), help_text="The first 50.")


class FleetState(serializers.Serializer[Any]):
    nodes = serializers.IntegerField()
    deaf = NamedNodes(help_text="No message reaches their agents, though the broker takes them.")
    lost = NamedNodes(help_text="Their agents fell silent without saying goodbye.")


class Alert(serializers.Serializer[Any]):
    sentence = serializers.CharField()
    since = serializers.DateTimeField()


class Table(serializers.Serializer[Any]):
    name = serializers.CharField()
    bytes = serializers.IntegerField(help_text="With its indexes.")
    rows = serializers.IntegerField(help_text="As PostgreSQL estimates.")


class DatabaseState(serializers.Serializer[Any]):
    bytes = serializers.IntegerField()
    connections = serializers.IntegerField()
    max_connections = serializers.IntegerField()
    tables = Table(many=True, help_text="The ten largest.")


class LogStorage(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=["files", "s3"])
    place = serializers.CharField(help_text="The folder, or the bucket.")
    free_bytes = serializers.IntegerField(allow_null=True, help_text="Null: nobody knows.")


class PoolState(serializers.Serializer[Any]):
    name = serializers.CharField()
    actuator = serializers.CharField()
    paused = serializers.BooleanField()
    busy_nodes = serializers.IntegerField(allow_null=True)
    waiting_jobs = serializers.IntegerField(allow_null=True)
    desired_nodes = serializers.IntegerField(allow_null=True)
    why = serializers.CharField(allow_blank=True)
    fault = serializers.CharField(allow_blank=True, help_text="What its actuator said when it last failed.")
    decided_at = serializers.DateTimeField(allow_null=True)
    acted_at = serializers.DateTimeField(allow_null=True)


class ClusterState(serializers.Serializer[Any]):
    name = serializers.CharField()
    kind = serializers.CharField()
    reached = serializers.BooleanField(help_text="Whether it answers its bridge.")
    reached_at = serializers.DateTimeField(allow_null=True)
    fault = serializers.CharField(allow_blank=True, help_text="Why it does not, in words.")
    workloads = serializers.DictField(child=serializers.IntegerField(), help_text="What it has of ours, by phase.")


class ChangedSetting(serializers.Serializer[Any]):
    name = serializers.CharField()
    value = serializers.JSONField(allow_null=True, help_text="Null for secrets.")
    source = serializers.CharField(  # type: ignore[assignment]  # DRF takes its fields out of the class
        help_text="The environment, the local stack, or the file and its line."
    )
    secret = serializers.BooleanField()


class SystemOut(serializers.Serializer[Any]):
    services = Services()
    versions = Versions()
    queues = BrokerQueues(help_text="Of the broker.")
    cycle = CycleState(help_text="The last one.")
    beat = BeatState()
    sweep = SweepState(help_text="The last one.")
    audits = AuditState(many=True)
    fleet = FleetState()
    alerts = Alert(many=True, help_text="What is wrong at the moment, what has lasted longest first.")
    database = DatabaseState()
    logs = LogStorage(help_text="Where logs of jobs lie.")
    pools = PoolState(many=True, help_text="Of nodes.")
    clusters = ClusterState(many=True, help_text="That run jobs by their own means.")
    settings = ChangedSetting(many=True, help_text="Those that somebody has set, as the site's process has them.")
    taken_ms = serializers.FloatField(help_text="So long this took.")
