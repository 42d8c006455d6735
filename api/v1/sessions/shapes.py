"""The shapes of sessions."""

from typing import Any

from rest_framework import serializers

from api.http.fields import CommandField
from api.http.shapes import StrictSerializer, Text, Whole
from jobs.models import JobSession
from jobs.submission import limits

MOST_CELLS = 2**16 - 1
PORTS = 2**16 - 1
ANSWERS = ("exec", "shell", "port")


class SessionIn(StrictSerializer):
    kind = serializers.ChoiceField(choices=ANSWERS, help_text="What is done beside the job.")
    command = CommandField(
        required=False, help_text="The program and its arguments; of a shell: instead of the usual one."
    )
    rank = Whole(limits.NODES, default=0, help_text="Of a job over several nodes: beside which of its commands.")
    terminal = Text(40, required=False, help_text="Of a shell: the TERM of the caller's terminal.")
    rows = Whole(MOST_CELLS, default=24, help_text="Of the caller's terminal.")
    columns = Whole(MOST_CELLS, default=80, help_text="Of the caller's terminal.")
    port = Whole(PORTS, least=1, required=False, help_text="Of a port: to which on the node's loopback address.")

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        kind = values["kind"]
        if kind == JobSession.Kind.EXEC and not values.get("command"):
            raise serializers.ValidationError({"command": "Must name the program to run; a shell needs none."})
        if (kind == JobSession.Kind.PORT) != ("port" in values):
            words = "Must be there, from 1 to 65535." if kind == JobSession.Kind.PORT else "Only for the kind port."
            raise serializers.ValidationError({"port": words})
        if kind == JobSession.Kind.PORT and values.get("command"):
            raise serializers.ValidationError({"command": "Not for the kind port: nothing is run."})
        return values


class SessionOut(serializers.ModelSerializer[JobSession]):
    job = serializers.IntegerField(source="placement.attempt.job_id")
    attempt = serializers.IntegerField(source="placement.attempt.number")
    rank = serializers.IntegerField(source="placement.rank")
    node = serializers.CharField(source="placement.node.name")
    user = serializers.CharField(source="user.username")
    command = serializers.ListField(child=serializers.CharField())
    opened_at = serializers.DateTimeField(source="agent_at", allow_null=True, help_text="Null: the agent has not come.")

    class Meta:
        model = JobSession
        fields = ("id", "job", "attempt", "rank", "node", "user", "kind", "command", "port", "created_at", "opened_at")


class OpenedSession(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    token = serializers.CharField(
        help_text="For one connection to /sessions/{id}/caller: `Authorization: Session TOKEN`."
    )
    node = serializers.CharField(help_text="Where the job's command runs.")
    come_within_seconds = serializers.IntegerField(help_text="So long the token is good for.")
