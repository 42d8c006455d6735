"""Clusters that run jobs by their own means: whether each answers, and what it has of ours."""

from collections.abc import Iterator
from typing import Any

from django.db.models.functions import Now

from jobs.reports.metrics.families import Family, gauges
from workers.models import Cluster

PHASES = ("waiting", "running", "ended")


def clusters() -> Iterator[Family]:
    """Of those that were not declared lost: nobody waits for these."""
    rows: list[Any] = list(Cluster.objects.filter(lost_at__isnull=True).annotate(now=Now()))
    up = [(one.name, one.is_reached(one.now)) for one in rows]
    yield gauges("cluster_up", "1 if the cluster answers its bridge, else 0.", ("cluster",), up)
    text = "Since the cluster last answered; no sample: it never has."
    ages = [(one.name, (one.now - one.reached_at).total_seconds()) for one in rows if one.reached_at is not None]
    yield gauges("cluster_unreached_seconds", text, ("cluster",), ages)
    text = "Workloads that the cluster has of ours, by how far they are, as it told last."
    phases = [(one.name, phase, one.workloads.get(phase, 0)) for one in rows for phase in PHASES]
    yield gauges("cluster_workloads", text, ("cluster", "phase"), phases)
