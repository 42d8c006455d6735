"""Budgets' figures: what the whole picture of the platform would say of them, and read without it."""

import random
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.models import Job
from jobs.planning import budgets, job_rows, snapshot
from jobs.planning.budget_use import reports, spenders
from jobs.reports.metrics.exposition import exposition
from quotas.models import Budget, Price
from scheduling.run_times import expected_seconds
from scheduling.sharing.budgets import Meter, period_at, spent_in
from scheduling.sharing.rates import MILLION
from scheduling.snapshot import Snapshot, chain_of
from tests import builders
from workers.models import Cluster

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def set_budget(project, unit="gpu_hours", period="month", **fields):
    known = {"currency": "EUR" if unit == "money" else "", "amount": Decimal(50), "hard": False, **fields}
    return Budget.objects.create(project=project, unit=unit, period=period, **known)


def by_each_job(known, now):
    """Of each budget: spent, committed, accrued and forecast, from a whole snapshot, one job after the other."""
    whole = snapshot.take_snapshot()
    views = budgets.views_of(known, now)
    meter = Meter(Snapshot(nodes=whole.nodes, rules=whole.rules, prices=budgets.prices_for(views, whole.running, now)))
    tree = {one.slug: one for one in whole.projects}
    rows = Job.objects.filter(predicted_start__isnull=False).values_list("pk", "predicted_start")
    told = {pk: start for pk, start in rows if start}
    found = []
    for view in views:
        span, sums = period_at(view, now), Counter[str]()
        below = {slug for slug in tree if view.project in {one.slug for one in chain_of(slug, tree)}}
        for job in (one for one in whole.running if one.project in below):
            latest, foretold, began = meter.latest_end(job, now), job.predicted_end or 0, job.holds_since or now
            probably = latest if foretold <= now else min(foretold, latest)
            for name, end in (("committed", latest), ("accrued", now), ("forecast", probably)):
                rates = meter.of_running(view, job)
                inside = [rate.over(max(began, span.start), min(end, span.end)) for rate in rates]
                sums[name] += ceil(MILLION * sum(inside, Fraction(0)))
        for each in (one for one in whole.waiting if one.project in below and not (one.held or one.broken)):
            start = max(told[each.id].timestamp() if each.id in told else now, now)
            end = min(start + expected_seconds(each, whole.rules), span.end)
            sums["forecast"] += ceil(MILLION * meter.of_request(view, each.request).over(max(start, span.start), end))
        spent = spent_in(view, span)
        found.append((spent, sums["committed"], sums["accrued"], spent + sums["forecast"]))
    return found


def draw_a_world(seed):
    """A tree, machines of two kinds and two places, prices that change, and jobs of all sorts."""
    draw, now = random.Random(seed), timezone.now()  # noqa: S311  no secret
    acme = builders.project(slug="acme")
    vision, other = builders.project(slug="vision", parent=acme), builders.project(slug="other")
    projects = [acme, vision, builders.project(slug="faces", parent=vision), other]
    ml = Cluster.objects.create(name="ml", kind="kubernetes", reached_at=now, reached_since=now, last_heartbeat_at=now)
    nodes = [builders.node(gpus=[builders.gpu(index=n, model=model) for n in range(8)], cpus=64, cluster=cluster)
             for model in ("A100", "H100") for cluster in (None, ml)]  # fmt: skip
    for name, since, until, price in (("A100", 9, 1, 1), ("A100", 1, None, 3), ("H100", 9, None, "7.77")):
        until_then = now - until * HOUR if until else None
        fields = {"valid_from": now - since * HOUR, "valid_to": until_then, "currency": "EUR"}
        Price.objects.create(target="gpu_model", name=name, per_hour=Decimal(price), **fields)
    ended, dead = builders.job(project=other, state="completed"), builders.job(project=other, state="failed")
    for _ in range(40):
        wanted: dict[str, Any] = {
            "gpus": draw.choice([0, 1, 2, 4]), "nodes": draw.choice([1, 1, 2]), "cpus": draw.choice([1, 8]),
            "gpu_model": draw.choice(["", "", "A100"]), "max_runtime_seconds": draw.choice([None, 3600, 400_000]),
            "estimated_runtime_seconds": draw.choice([None, 1800]), "executor": draw.choice(["", "any", "kubernetes"]),
            "predicted_runtime_seconds": draw.choice([None, 0.0, 900.7]), "predicted_by": draw.choice(["", "project"]),
            "predicted_start": draw.choice([None, None, now - HOUR, now + HOUR, now + 800 * HOUR]),
            "held_at": draw.choice([None, None, now]), "depends_on": draw.choice([(), (), (ended,), (dead,)]),
        }  # fmt: skip
        builders.job(project=draw.choice(projects), held_by="ada" if wanted["held_at"] else "", **wanted)
    for machine in nodes:
        for gpu in range(draw.randint(1, 7)):
            began = now - draw.choice([0, 1, 3, 40]) * HOUR
            job = builders.running_job(
                project=draw.choice(projects), node=machine, gpu_indices=[gpu], started_at=began,
                max_runtime_seconds=draw.choice([None, 7200, 500_000]), estimated_runtime_seconds=draw.choice([None, 5000]),
            )  # fmt: skip
            job.attempts.get().placements.update(created_at=began)
    once = {"starts_at": now - HOUR, "ends_at": now + 5 * HOUR}
    for project in projects:
        for unit in ("gpu_hours", "money"):
            set_budget(project, unit, draw.choice(["day", "week", "month"]))
            set_budget(project, unit, "once", **once)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("unit", ["gpu_hours", ""])
def test_the_figures_are_those_of_the_whole_picture(seed, unit, monkeypatch, settings):
    settings.CURRENCY = "EUR"
    draw_a_world(seed)
    now = timezone.now()
    for module in (snapshot, reports):
        monkeypatch.setattr(module, "database_now", lambda: now)
    known = list(Budget.objects.filter(unit__contains=unit).select_related("project").order_by("pk"))
    told = [(one.spent, one.committed, one.accrued, one.forecast) for one in reports.reports_of(known)]
    expected = by_each_job(known, now.timestamp())
    assert told == [tuple(Decimal(one) / MILLION for one in figures) for figures in expected]
    assert any(figures[1] for figures in expected)
    assert any(figures[3] > figures[1] for figures in expected)


def test_waiting_jobs_that_are_alike_are_one_row():
    project = builders.project()
    for _ in range(30):
        builders.job(project=project, gpus=2, max_runtime_seconds=3600)
    builders.job(gpus=2, max_runtime_seconds=3600)  # of a project without a budget
    known, now = [set_budget(project)], timezone.now().timestamp()
    _, waiting = spenders.read(known, budgets.views_of(known, now), now)
    assert [(one.project, one.number) for one in waiting] == [(project.slug, 30)]


def test_a_scrape_takes_no_whole_picture_where_budgets_are_set(monkeypatch):
    project = builders.project()
    set_budget(project)
    builders.job(project=project, gpus=1)

    def fail(*_args, **_named):
        raise AssertionError("A scrape reads no waiting job by itself.")

    monkeypatch.setattr(job_rows.line, "read", fail)
    monkeypatch.setattr(snapshot, "nodes", fail)  # without money nothing depends on machines
    with CaptureQueriesContext(connection) as asked:
        text = exposition().decode()
    assert f'project="{project.slug}",unit="gpu_hours"}} 50.0' in text
    assert not [one for one in asked if "ctid" in one["sql"]]


def test_more_budgets_and_jobs_take_no_more_statements():
    def statements():
        for _ in range(3):
            project = builders.project()
            set_budget(project)
            set_budget(project, "money")
            builders.job(project=project, gpus=1)
        with CaptureQueriesContext(connection) as asked:
            exposition()
        return len(asked)

    statements()
    assert statements() == statements()
