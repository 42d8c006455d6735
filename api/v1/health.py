"""Whether the process is up (healthz), and whether a job that is submitted now would run (readyz)."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.models import Cycle
from jobs.models.sweep import Sweep
from jobs.reports import node_health
from workers.models import Cluster, Node
from workers.queries import in_use, nodes_now

BROKER_SECONDS = 1
PROBE = "trainyard.readyz"
WORKS = "It works."
FRESH_CYCLES = 3
REMEMBERED_SECONDS = 1  # however often somebody asks without a token, the servers are asked once a second


class Health(serializers.Serializer[Any]):
    ok = serializers.BooleanField(help_text="It works.")


class Part(Health):
    detail = serializers.CharField(help_text="What is wrong, in words.")


class Readiness(serializers.Serializer[Any]):
    database = Part(help_text="PostgreSQL answers.")
    broker = Part(help_text="Redis, or RabbitMQ, takes a connection.")
    beat = Part(help_text="The clock that asks for cycles and sweeps ticks.")
    planner = Part(help_text="Scheduling cycles come in time.")
    recovery = Part(help_text="Sweeps for leases that ran out and messages that were lost come in time.")
    agents = Part(help_text="How many nodes take work; for information, it never makes the platform unready.")


class OpenView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()


class HealthView(OpenView):
    @extend_schema(operation_id="healthz", auth=[], responses=Health)
    def get(self, request: Request) -> Response:
        """The web process is up. Asks nobody else."""
        return Response({"ok": True})


class ReadyView(OpenView):
    @extend_schema(operation_id="readyz", auth=[], responses={200: Readiness, 503: Readiness})
    def get(self, request: Request) -> Response:
        """Whether each part that a job needs does its work; 503 when one does not."""
        parts = cache.get("readyz") or readiness()
        cache.add("readyz", parts, REMEMBERED_SECONDS)
        return Response(parts, status=200 if all(part["ok"] for part in parts.values()) else 503)


def readiness() -> dict[str, dict[str, Any]]:
    checks = {"database": database, "broker": broker, "beat": beat, "planner": planner, "recovery": recovery}
    return {**{name: _checked(check) for name, check in checks.items()}, "agents": agents()}


def _checked(check: Callable[[], str]) -> dict[str, Any]:
    fault = fault_of(check)
    return {"ok": not fault, "detail": fault or WORKS}


def fault_of(check: Callable[[], str]) -> str:
    """Anything that keeps a part from answering means that it is not ready; why in detail is for our log alone."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001  a health check outlives whatever it examines
        return f"It does not answer ({type(error).__name__})."


def database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def broker() -> str:
    limits = {"socket_timeout": BROKER_SECONDS, "socket_connect_timeout": BROKER_SECONDS}
    options = {**settings.CELERY_BROKER_TRANSPORT_OPTIONS, **limits}
    with current_app.connection_for_write(settings.BROKER_URL, transport_options=options) as link:
        opened = link.transport.establish_connection()  # once: `connect` would try again after a pause
        if link.transport.driver_type == "redis":  # one that takes no writes is of no use, though it answers
            link.transport.create_channel(opened).client.set(PROBE, 1, ex=60)  # type: ignore[attr-defined]  # Redis's own channel has it
    return ""


def beat() -> str:
    last = PeriodicTask.objects.filter(enabled=True, last_run_at__isnull=False).order_by("-last_run_at").first()
    if last is None or last.last_run_at is None:
        return "It has not run anything yet."
    return _stale(timezone.now() - last.last_run_at, "Beat", settings.CYCLE_SECONDS)


def planner() -> str:
    started = Cycle.objects.values_list("started_at", flat=True).first()
    if started is None:
        return "There was no scheduling cycle yet."
    return _stale(timezone.now() - started, "A scheduling cycle", settings.CYCLE_SECONDS)


def recovery() -> str:
    """Without sweeps nobody finds silent nodes and lost messages, however well everything else works."""
    swept = Sweep.objects.values_list("swept_at", flat=True).first()
    if swept is None:
        return "There was no sweep yet."
    return _stale(timezone.now() - swept, "A sweep", settings.RECOVERY_SECONDS)


def agents() -> dict[str, Any]:
    """Nodes come and go, and the platform takes jobs without any: they are told of, and fail nothing."""
    try:
        detail = " ".join([in_words(list(in_use(nodes_now().select_related("cluster")))), *silent_clusters()])
    except Exception as error:  # noqa: BLE001  as above
        detail = f"They are not known ({type(error).__name__})."
    return {"ok": True, "detail": detail}


def silent_clusters() -> list[str]:
    """As in `Cluster ml does not answer.`; those that were given up are not missed."""
    rows: Sequence[Any] = list(Cluster.objects.filter(lost_at__isnull=True).annotate(now=Now()))
    return [f"Cluster {row.name} does not answer." for row in rows if not row.is_reached(row.now)]


def in_words(nodes: Sequence[Any]) -> str:
    """How they are, as in `3 of 4 nodes take work; 1 silent`."""
    states = {
        "silent": sum(node.liveness(node.now) != Node.Liveness.ALIVE for node in nodes),
        "deaf": sum(node_health.consuming(node) is False for node in nodes),
        "draining": sum(node.state == Node.State.DRAINING for node in nodes),
    }
    others = ", ".join(f"{count} {state}" for state, count in states.items() if count)
    fit = sum(node_health.health(node, jobs=0).ok for node in nodes)
    return f"{fit} of {len(nodes)} nodes take work{f'; {others}' if others else ''}."


def _stale(age: timedelta, who: str, period: float) -> str:
    limit = max(FRESH_CYCLES * period, 2)
    seconds = age.total_seconds()
    return "" if seconds <= limit else f"{who} last ran {seconds:.0f} s ago; more than {limit:g} s is too long."
