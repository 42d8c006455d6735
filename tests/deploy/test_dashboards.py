"""deploy/grafana/: each query, asked of a real Prometheus that scraped a site on which everything has happened once."""

import json
import re
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from functools import partial
from uuid import uuid4

import pytest
import yaml
from django.core.cache import cache
from django.db.models import F
from django.utils import timezone
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from executors.node.exporter import serve
from jobs.models import AuditResult, Cycle, FloorShadow, IdleGpuStep, Preemption, UsageHour, UsageRollup
from jobs.models.start_prediction import StartPrediction
from jobs.usage import job_counts
from jobs.usage.counted_events import CLAIM, CYCLE, DURATION, RUN, WAIT
from local_stack.servers.ports import LOOPBACK, pick_free
from quotas.budgets.rows import Budget
from tests import builders
from tests.architecture import source
from tests.deploy.prometheus import Prometheus, VictoriaMetrics
from tests.executors.node.exported import node_view
from tests.waiting import wait_for

FOLDER = source.ROOT / "deploy/grafana"
FILES = sorted((FOLDER / "dashboards").glob("*.json"))
TOKEN = "for-the-scraper"
CHOSEN = {"$__rate_interval": "1m", "$queue": ".*", "$project": ".*"}
HOUR = timedelta(hours=1)
WRONG = {
    *("TrainyardNodeLost", "TrainyardWorkerDeaf", "TrainyardDiskFull", "TrainyardGpusOut"),
    *("TrainyardBeatSilent", "TrainyardStarvation", "TrainyardQuotaDrift", "TrainyardBudgetForecastOver"),
    *("TrainyardAgentGpuOut", "TrainyardAgentDiskNearlyFull", "TrainyardAgentUnsaid"),
}
"""In `yard`, and on the node of `exporter`."""


def dashboards():
    return [json.loads(path.read_text(encoding="utf-8")) for path in FILES]


def queries():
    for dashboard in dashboards():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                yield f"{dashboard['title']}, {panel['title']}", target["expr"]


def filled(expression):
    for name, value in CHOSEN.items():
        expression = expression.replace(name, value)
    return expression


@pytest.fixture
def yard(transactional_db, settings):
    """Each kind of thing once: something to tell by each metric."""
    now = timezone.now()
    settings.LEASE_SECONDS = 1800  # nobody sends heartbeats, and nodes are to live until all is asked
    machines()
    jobs(now)
    money(now)
    Cycle.objects.update(count=4, total_ms=200, duration_ms=30, placed_total=9, started_at=now - HOUR)
    FloorShadow.objects.create(clock=1e9, longest_wait=70, kept=5, broken={"late": 2})
    at = {f"{which}_{name}": now for which in ("first", "last") for name in ("made_at", "expected", "soonest")}
    errors = {f"{which}_{name}": 1 for which in ("first", "last") for name in ("error_seconds", "held")}
    StartPrediction.objects.create(job=builders.job(), attempt=1, started_at=now, **at, **errors)
    AuditResult.objects.create(books="quotas", at=now, drift={"rows": {"gpus": 1}})
    AuditResult.objects.create(books="ledger", at=now)


GPU = {
    "index": 0,
    "utilisation": 90,
    "memory_used_mb": 60_000,
    "power_mw": 70_500,
    "temperature_c": 55,
    "ecc_errors": 0,
}
LOAD = {"cpu_percent": 12.5, "memory_used_mb": 812, "disk_free_mb": 9000, "gpus": [GPU]}


def machines():
    out = [{"index": 3, "reason": "Xid 79"}]
    removed = {"folders": 2, "bytes": 4096}
    busy = builders.node(gpus=4, load={**LOAD, "gpus_out": out, "removed": removed})
    builders.running_job(node=busy, gpu_indices=[0, 1], cpus=3, memory_mb=1024)
    builders.node(consuming=False)
    builders.node(load={"disk_full": True})
    builders.node(heartbeat=timezone.now() - HOUR, agent_id=uuid4())


def jobs(now):
    builders.job(reasons=[{"code": "quota"}], created_at=now - 30 * HOUR)
    builders.job(state="completed", started_at=now - HOUR)
    builders.job(state="failed")
    attempt = builders.attempt()
    Preemption.objects.create(attempt=attempt, strategy="reclaim", lost_seconds=90)
    IdleGpuStep.objects.create(attempt=attempt, rung="stop", idle_gpu_seconds=600, freed_gpu_seconds=3600)


def money(now):
    project = builders.project(slug="vision")
    node = builders.node(gpus=1)
    builders.running_job(project=project, node=node, gpu_indices=[0], max_runtime_seconds=90 * 3600)
    times = {"period": "once", "starts_at": now - HOUR, "ends_at": now + 99 * HOUR}
    Budget.objects.create(project=project, unit="gpu_hours", amount=Decimal(10), **times)
    hour = now.replace(minute=0, second=0, microsecond=0)
    UsageRollup.objects.update_or_create(pk=1, defaults={"rolled_up_until": hour})
    UsageHour.objects.create(hour=hour - HOUR, project=1, project_slug="p", hardware="gpu", gpu_joules=3000)


@pytest.fixture
def exporter(monkeypatch):
    """Where that of a node answers."""
    port = pick_free()
    serve(node_view(monkeypatch), port=port, address=LOOPBACK)
    return f"{LOOPBACK}:{port}"


@pytest.fixture
def prometheus(yard, exporter, live_server, settings, tmp_path):
    settings.METRICS_TOKEN = TOKEN
    cache.clear()
    with Prometheus(tmp_path, live_server.url, TOKEN, [exporter]) as running:
        yield running


@pytest.fixture(params=[Prometheus, VictoriaMetrics], ids=["Prometheus", "VictoriaMetrics"])
def store(request, yard, exporter, live_server, settings, tmp_path):
    settings.METRICS_TOKEN = TOKEN
    cache.clear()
    with request.param(tmp_path, live_server.url, TOKEN, [exporter]) as running:
        yield running


def answer(store, expression):
    """While cycles go on, and jobs end."""
    Cycle.objects.update(count=F("count") + 1, total_ms=F("total_ms") + 20)
    job_counts.add([
        job_counts.observed(CYCLE, 0.02), job_counts.observed(CLAIM, 0.04),
        *(job_counts.observed(series, 70, "gpu") for series in (WAIT, RUN, DURATION)),
    ])  # fmt: skip
    return store.ask(expression)


def test_every_query_has_an_answer(store):
    # What is a rate wants two looks. A query that is wrong fails at once, one that nothing answers when the time is over.
    for where, expression in queries():
        wait_for(partial(answer, store, filled(expression)), 60, f"an answer to {where}: {expression}")
    names = {name for _, expression in queries() for name in re.findall(r"\btrainyard[_:][\w:]+", expression)}
    assert names - store.names() == set()


def test_what_is_wrong_is_told_with_where_to_read_on(prometheus):
    wait_for(lambda: set(prometheus.alerts()) == WRONG, 30, f"these alerts and no others: {sorted(WRONG)}")
    said = prometheus.alerts()["TrainyardBudgetForecastOver"]["annotations"]
    assert said["summary"].startswith("vision is expected to spend ")
    assert said["runbook_url"].endswith("/docs/operations.md#trainyardbudgetforecastover")


def test_the_files_are_what_their_program_writes(tmp_path):
    written = {path.name: path.read_text(encoding="utf-8") for path in FILES}
    (tmp_path / "dashboards").mkdir()
    program = tmp_path / "dashboards.py"
    program.write_text((FOLDER / "dashboards.py").read_text(encoding="utf-8"))
    subprocess.run([sys.executable, program], check=True)
    now = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "dashboards").glob("*.json")}
    assert now == written, "python deploy/grafana/dashboards.py"


def test_dashboards_take_their_data_from_where_their_reader_says():
    for dashboard in dashboards():
        variables = {one["name"]: one["type"] for one in dashboard["templating"]["list"]}
        assert variables["datasource"] == "datasource"
        sources = [part["datasource"]["uid"] for panel in dashboard["panels"] for part in (panel, *panel["targets"])]
        assert set(sources) == {"${datasource}"}


def test_grafanas_own_model_reads_them_and_leaves_nothing_out():
    for dashboard in dashboards():
        understood = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(dashboard)))
        assert within(dashboard, understood)


def within(written, understood):
    """Whether all that is written was understood: Grafana adds its defaults."""
    if isinstance(written, dict):
        return all(name in understood and within(value, understood[name]) for name, value in written.items())
    if isinstance(written, list):
        return len(written) == len(understood) and all(map(within, written, understood))
    return written == understood


def test_panels_do_not_lie_on_each_other():
    for dashboard in dashboards():
        places = [panel["gridPos"] for panel in dashboard["panels"]]
        cells = [
            (x, y)
            for at in places
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        ]
        assert len(cells) == len(set(cells))
        assert max(x for x, _ in cells) < 24


def test_what_grafana_reads_at_its_start_is_yaml_of_the_first_version():
    files = sorted((FOLDER / "provisioning").rglob("*.yml"))
    known = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in files]
    assert [one["apiVersion"] for one in known] == [1, 1]
