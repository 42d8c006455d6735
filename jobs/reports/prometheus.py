"""What Prometheus is told, all from the database: any web process gives the same answer, and none has to remember.

Each scrape is a fixed number of statements over indexed rows: what is active, what ended in the last day, and counters.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Exists, F, Min, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce, Greatest, Now
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from jobs.costs import so_far
from jobs.models import AuditResult, Cycle, IdleGpuStep, Job, JobDependency, UsageHour, UsageRollup
from jobs.models.clock import database_now
from jobs.models.planning import FloorShadow, RunTimeLearning
from jobs.models.queries import usage_by_node
from jobs.planning import preemption, start_forecasts
from jobs.planning.budget_reports import reports_of
from jobs.reports import node_condition, node_health
from jobs.reports.dashboard import WAITING_FOR
from jobs.reports.pending_cost import pending_of
from jobs.state import alerts
from quotas.budgets.alerts import due
from quotas.budgets.rows import Budget
from quotas.costs.ledger import Kind
from quotas.costs.prices import valid_now
from quotas.models import LedgerTransaction
from scheduling.idle_gpus import LEAVING, Rung
from scheduling.lifecycle import TERMINAL_STATES, JobState
from scheduling.plan_result import WhyBroken
from scheduling.sharing.quota_audit import RESOURCES, TOLD_ONLY, Book, Mistake
from workers.models import Node, NodePool
from workers.queries import in_use, liveness_counts, nodes_now

HOUR = timedelta(hours=1)
MOST_BUDGETS = 100
MB = 2**20
SHORTEST_RUN_SECONDS = 10
"""In a stretch a shorter run counts as this: else a job of a second that waited a minute would be the worst of all."""
STRETCH = """
    SELECT max((extract(epoch FROM started_at - created_at) + run) / run)::float8
    FROM (SELECT created_at, started_at, greatest(extract(epoch FROM finished_at - started_at), %s) AS run
          FROM jobs_job WHERE finished_at > now() - interval '1 day' AND started_at IS NOT NULL) AS ended
"""

IN_THE_SHADOW = """
    SELECT count(*) FILTER (WHERE shadow.work_seconds IS NULL AND shadow.started_at IS NOT NULL),
           count(*) FILTER (WHERE shadow.work_seconds IS NULL AND shadow.started_at IS NULL),
           count(*) FILTER (WHERE shadow.work_seconds IS NOT NULL),
           count(*) FILTER (WHERE shadow.started_at IS NULL AND job.state IN ('queued', 'assigned', 'running'))
    FROM jobs_floorshadowjob AS shadow JOIN jobs_job AS job ON job.id = shadow.job_id
"""


def exposition() -> bytes:
    """Everything, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Yard())
    return generate_latest(registry)


class _Yard(Collector):
    def describe(self) -> Iterable[Metric]:
        """Nothing is collected before somebody asks."""
        return ()

    def collect(self) -> Iterator[Metric]:
        yield from _jobs()
        yield from _waits()
        yield from _cycles()
        yield from _preemptions()
        yield from _floor()
        yield from _start_predictions()
        yield from _run_time_predictions()
        yield from _machines()
        yield from _idle_gpus()
        yield from _costs()
        yield from _budgets()
        yield from _usage()
        yield from _audits()


def _labelled(kind: type[Any], name: str, text: str, labels: tuple[str, ...], rows: Iterable[Any]) -> Metric:
    """One family with labels; a row is the labels' values and then the number."""
    family: Metric = kind(f"trainyard_{name}", text, labels=labels)
    for *values, number in rows:
        family.add_metric([str(value) for value in values], float(number))  # type: ignore[attr-defined]
    return family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"trainyard_{name}", text, value=float(value))


def _jobs() -> Iterator[Metric]:
    open_jobs = Job.objects.exclude(state__in=TERMINAL_STATES).order_by()
    rows = open_jobs.values_list("state", "queue__name", "project__slug").annotate(n=Count("pk"))
    text = "Jobs that are not over, by state, queue and project."
    yield _labelled(GaugeMetricFamily, "jobs", text, ("state", "queue", "project"), rows)
    ended = Job.objects.filter(finished_at__gt=Now() - HOUR).order_by().values_list("state")
    text = "Jobs that ended in the last hour, by state."
    yield _labelled(GaugeMetricFamily, "jobs_ended_last_hour", text, ("state",), ended.annotate(n=Count("pk")))


def _waits() -> Iterator[Metric]:
    text = "Waiting jobs by the code of each of their reasons."
    yield _labelled(
        GaugeMetricFamily, "waiting_jobs", text, ("reason",), _query(WAITING_FOR, {"all": True, "projects": []})
    )
    in_line = Job.objects.filter(state=JobState.PENDING, held_at__isnull=True)
    needs = JobDependency.objects.filter(job=OuterRef("pk"))
    able = in_line.exclude(Exists(needs.exclude(needs__state=JobState.COMPLETED)))
    last = Subquery(needs.order_by(F("needs__finished_at").desc(nulls_last=True)).values("needs__finished_at")[:1])
    since = Greatest(Coalesce("in_line_since", "created_at"), last)
    oldest = able.annotate(since=since).aggregate(at=Min("since"))["at"]
    longest = (database_now() - oldest).total_seconds() if oldest else 0
    yield _gauge("longest_wait_seconds", "How long the job has waited that waits longest now.", longest)
    [[worst]] = _query(STRETCH, [SHORTEST_RUN_SECONDS])
    text = "The largest (wait + run) / run of jobs that ended in the last day; runs count as 10 s at least."
    yield _gauge("worst_stretch", text, worst or 0)


def _cycles() -> Iterator[Metric]:
    cycle = Cycle.objects.defer("line").get()
    text = "Scheduling cycles, and how long they took together."
    yield SummaryMetricFamily("trainyard_cycle_seconds", text, cycle.count, cycle.total_ms / 1000)
    yield _gauge("last_cycle_seconds", "How long the last scheduling cycle took.", cycle.duration_ms / 1000)
    began = cycle.started_at.timestamp() if cycle.started_at else 0
    yield _gauge("last_cycle_timestamp_seconds", "When the last scheduling cycle began.", began)
    yield _gauge(
        "alerts", "What is wrong at the moment without stopping the platform.", len([*cycle.alerts, *alerts.active()])
    )
    yield CounterMetricFamily("trainyard_placements", "Jobs that cycles have placed.", cycle.placed_total)


def _preemptions() -> Iterator[Metric]:
    totals = preemption.totals()
    for name, text, rows in (
        ("preemptions", "Attempts that were told to give way.", [(one.strategy, one.requested) for one in totals]),
        ("preempted", "Those of them that did, and did not complete.", [(one.strategy, one.preempted) for one in totals]),
        ("preempted_work_seconds", "The work of these that is done again, as estimated.",
         [(one.strategy, one.lost_seconds) for one in totals]),
    ):  # fmt: skip
        yield _labelled(CounterMetricFamily, name, text, ("strategy",), rows)


def _floor() -> Iterator[Metric]:
    """Zeros while no policy keeps a floor."""
    shadow = FloorShadow.objects.first() or FloorShadow()
    [[running, waiting, ended, early]] = _query(IN_THE_SHADOW, [])
    text = "Jobs in the shadow schedule: running or waiting there, or ended here and not there yet."
    rows = [("running", running), ("waiting", waiting), ("ended", ended)]
    yield _labelled(GaugeMetricFamily, "floor_jobs", text, ("state",), rows)
    yield _gauge(
        "floor_opportunistic_jobs", "Jobs that run before their turn, and give way when another's has come.", early
    )
    text = "The longest wait in the shadow schedule so far: promises may be later by a part of it."
    yield _gauge("floor_longest_wait_seconds", text, shadow.longest_wait)
    text = "Jobs that were done no later than promised, since a policy keeps a floor."
    yield CounterMetricFamily("trainyard_floor_kept_promises", text, shadow.kept)
    text = "Promises that could not be kept since then, by why."
    broken = [(why, shadow.broken.get(why, 0)) for why in WhyBroken]
    yield _labelled(CounterMetricFamily, "floor_broken_promises", text, ("reason",), broken)


def _start_predictions() -> Iterator[Metric]:
    """Nothing before the first start that was foretold."""
    found = start_forecasts.accuracy()
    if found is None:
        return
    both = (("first", found.first), ("last", found.last))
    text = "How far off the expected start was, either way, over the last starts."
    labels = ("prediction", "quantile")
    rows = [(which, q, value) for which, of in both for q, value in (("0.5", of.p50_seconds), ("0.9", of.p90_seconds))]
    yield _labelled(GaugeMetricFamily, "predicted_start_error_seconds", text, labels, rows)
    text = "The share of the last starts that came inside their interval."
    rows_held = [(which, of.held) for which, of in both]
    yield _labelled(GaugeMetricFamily, "predicted_start_held_ratio", text, ("prediction",), rows_held)
    yield _gauge("predicted_starts_measured", "Over how many starts that is.", found.starts)


def _run_time_predictions() -> Iterator[Metric]:
    learned = RunTimeLearning.objects.first() or RunTimeLearning()
    text = "How far off predicted run times were, either way, over all jobs that had one."
    yield SummaryMetricFamily(
        "trainyard_predicted_run_time_error_seconds", text, learned.count, learned.absolute_seconds
    )
    text = "Jobs that ended inside the interval of their predicted run time."
    yield CounterMetricFamily("trainyard_predicted_run_times_held", text, learned.inside)
    text = "Jobs that outlived their predicted run time."
    yield CounterMetricFamily("trainyard_predicted_run_times_outlived", text, learned.under)


def _machines() -> Iterator[Metric]:
    nodes = list(in_use(nodes_now()))
    yield _labelled(GaugeMetricFamily, "nodes", "Nodes by liveness.", ("liveness",), liveness_counts(nodes).items())
    suspects = sum(bool(node.suspicion) for node in nodes)
    yield _gauge("suspect_nodes", "Nodes on which one job after another failed.", suspects)
    yield from _pools(nodes)
    held = usage_by_node()
    yield from _fit_nodes(nodes, busy=held.keys())
    alive = [node for node in nodes if node.liveness(node.now) == Node.Liveness.ALIVE]
    used = [held[node.pk] for node in alive if node.pk in held]
    yield _gauge("full_disks", "Nodes whose disk is full.", sum(map(node_condition.disk_full, alive)))
    gpus_out = sum(len(node_condition.gpus_out(node)) for node in alive)
    yield _gauge("gpus_out", "GPUs that reported an error of their hardware.", gpus_out)
    trespasses = sum(len(node_condition.trespasses(node)) for node in alive)
    yield _gauge("gpu_trespasses", "Processes on GPUs that their jobs do not hold.", trespasses)
    text = "GPUs that jobs hold of which none has worked for five minutes."
    yield _gauge("gpus_idle", text, sum(one.idle_gpus for one in used))
    watts = [watts for node in alive if (watts := node_condition.gpu_watts(node)) is not None]
    text = "What the GPUs of nodes that are alive draw; no sample: none tells."
    yield _labelled(GaugeMetricFamily, "power_watts", text, ("device",), [("gpu", sum(watts))] if watts else [])
    yield from _removed_folders(nodes)
    totals = {
        "gpus": (sum(len(node.gpus) for node in alive), sum(one.gpus for one in used)),
        "cpus": (sum(node.cpus for node in alive), sum(one.cpus for one in used)),
        "memory_bytes": (sum(node.memory_mb for node in alive) * MB, sum(one.memory_mb for one in used) * MB),
    }
    for name, (total, taken) in totals.items():
        yield _gauge(name, "Of all nodes that are alive.", total)
        yield _gauge(f"{name}_held", "What jobs hold of it.", taken)


def _fit_nodes(nodes: Iterable[Any], *, busy: Container[int]) -> Iterator[Metric]:
    lost = sum(node_health.lost(node) for node in nodes)
    yield _gauge("lost_nodes", "Nodes whose agents fell silent without a goodbye.", lost)
    deaf = sum(node_health.consuming(node) is False for node in nodes)
    yield _gauge("deaf_nodes", "Nodes that are alive and that messages do not reach.", deaf)
    idle = sum(node.pk not in busy and node_health.takes_work(node) for node in nodes)
    yield _gauge("idle_nodes", "Nodes that take work and on which no job holds anything.", idle)


def _removed_folders(nodes: Iterable[Node]) -> Iterator[Metric]:
    """Since each agent began, as its heartbeats tell; nothing of those that removed none."""
    told = {node.name: removed for node in nodes if (removed := node_condition.removed_folders(node))["folders"]}
    texts = {"folders": "Folders of deleted jobs that a node removed.", "bytes": "What was free by that."}
    for name, text in texts.items():
        rows = ((node, removed[name]) for node, removed in told.items())
        metric = "removed_job_folders" if name == "folders" else "removed_job_folder_bytes"
        yield _labelled(CounterMetricFamily, metric, text, ("node",), rows)


def _idle_gpus() -> Iterator[Metric]:
    sums = (Count("pk"), Sum("idle_gpu_seconds"), Sum("freed_gpu_seconds"))
    found = IdleGpuStep.objects.order_by().values_list("rung").annotate(*sums)
    known = {Rung(rung): amounts for rung, *amounts in found}
    steps, idle, freed = ([(rung, known.get(rung, (0, 0, 0))[n]) for rung in Rung] for n in range(3))
    text = "Steps that rules for idle GPUs have taken."
    yield _labelled(CounterMetricFamily, "idle_gpu_steps", text, ("rung",), steps)
    text = "For how long the GPUs had idled at each of these steps, all together."
    yield _labelled(CounterMetricFamily, "idle_gpu_seconds", text, ("rung",), idle)
    text = "GPU time that these steps gave back, as it was estimated."
    given = [row for row in freed if row[0] in LEAVING]
    yield _labelled(CounterMetricFamily, "idle_gpu_freed_seconds", text, ("rung",), given)


def _pools(nodes: Iterable[Any]) -> Iterator[Metric]:
    """No samples without pools; before the first decision there is what is present alone."""
    taking = [node for node in nodes if node.state == Node.State.UP and node.liveness(node.now) == Node.Liveness.ALIVE]
    present = Counter(node.labels.get(NodePool.LABEL) for node in taking)
    pools = list(NodePool.objects.all())
    rows = [
        (pool, what, number)
        for pool in pools
        for what, number in (("present", present[pool.name]), ("busy", pool.busy_nodes),
                             ("wanted", pool.wanted_nodes), ("desired", pool.desired_nodes))
        if number is not None
    ]  # fmt: skip
    text = "Nodes of a pool: that take work, that hold jobs, that are wanted, that it is to have."
    yield _labelled(GaugeMetricFamily, "pool_nodes", text, ("pool", "what"), rows)
    waiting = [(pool, pool.waiting_jobs) for pool in pools if pool.waiting_jobs is not None]
    text = "Jobs that wait for room which a pool's nodes have."
    yield _labelled(GaugeMetricFamily, "pool_waiting_jobs", text, ("pool",), waiting)


def _costs() -> Iterator[Metric]:
    """In the platform's currency."""
    yield _gauge("cost_prices", "Prices that are valid now.", len(valid_now()))
    pending = Job.objects.filter(pending_of()).aggregate(total=Sum("estimated_cost"))["total"]
    yield _gauge("cost_pending", "What the jobs that wait are expected to cost.", pending or 0)
    yield _gauge("cost_on_hold", "What is set aside for the jobs that run.", float(so_far.set_aside()))
    booked = LedgerTransaction.objects.exclude(kind=Kind.HOLD).filter(at__gt=Now() - HOUR).order_by()
    sums: dict[str, Any] = dict.fromkeys((Kind.SETTLE, Kind.REFUND), 0)
    sums |= dict(booked.values_list("kind").annotate(Sum("cost")))
    text = "What was booked in the last hour: costs of what ended, and what of costs was given back."
    yield _labelled(GaugeMetricFamily, "cost_last_hour", text, ("kind",), ((kind, abs(sums[kind])) for kind in sums))


def _budgets() -> Iterator[Metric]:
    """In their units; of so many, those that were set first."""
    reports = reports_of(Budget.objects.select_related("project").order_by("pk")[:MOST_BUDGETS])
    yield _gauge("budget_deliveries_due", "Alerts of budgets that are still to be sent.", due())
    figures = {
        "amount": "May be spent",
        "spent": "Is spent",
        "committed": "Runs up to its limits",
        "forecast": "Is expected",
    }
    for name, text in figures.items():
        rows = ((one.budget.pk, one.budget.project.slug, one.budget.unit, getattr(one, name)) for one in reports)
        known = f"{text} in the budget's period that is now."
        yield _labelled(GaugeMetricFamily, f"budget_{name}", known, ("budget", "project", "unit"), rows)


def _usage() -> Iterator[Metric]:
    last = UsageHour.objects.filter(hour=OuterRef("rolled_up_until") - HOUR).order_by().values("hour")
    sums = {name: Subquery(last.annotate(sum=Sum(f"{name}_joules")).values("sum")) for name in ("gpu", "cpu")}
    known = UsageRollup.objects.annotate(**sums).first()
    text = "Energy of attempts that ended in the last hour of usage on record; no sample: none was measured."
    rows = [(name, joules) for name in sums if (joules := getattr(known, name, None))]
    yield _labelled(GaugeMetricFamily, "energy_last_hour_joules", text, ("device",), rows)
    known = known or UsageRollup()
    lag = (database_now() - known.rolled_up_until).total_seconds() if known.rolled_up_until else 0.0
    yield _gauge("usage_rollup_lag_seconds", "How old the last hour of usage on record is.", lag)
    text = "Jobs that were deleted, as they were too old."
    yield CounterMetricFamily("trainyard_deleted_jobs", text, known.jobs_deleted)


def _audits() -> Iterator[Metric]:
    """Zeros while nothing is wrong, and before the first audit."""
    known = {row.books: row for row in AuditResult.objects.all()}
    quotas, ledger = (known.get(books) or AuditResult() for books in AuditResult.Books)
    text = "By how much the planner's usage differs from what the rows of jobs, held GPUs and agents say."
    pairs = [(book, name, quotas.drift.get(book, {}).get(name, 0)) for book in Book for name in RESOURCES]
    yield _labelled(GaugeMetricFamily, "quota_drift", text, ("book", "resource"), pairs)
    text = "Mistakes in the books of what jobs hold that were put right, by kind."
    mended = [(one, quotas.mended.get(one, 0)) for one in Mistake if one not in TOLD_ONLY]
    yield _labelled(CounterMetricFamily, "quota_mistakes_mended", text, ("mistake",), mended)
    yield _gauge("ledger_drift", "Placements of which the ledger says something else.", len(ledger.suspects))
    text = "Placements that had ended without being settled, and were settled by the audit."
    yield CounterMetricFamily("trainyard_ledger_settled_late", text, ledger.mended.get("settled", 0))
    for name, one in (("quota", quotas), ("ledger", ledger)):
        moment = one.at.timestamp() if one.at else 0
        yield _gauge(f"last_{name}_audit_timestamp_seconds", "When these books were last compared.", moment)
        yield _gauge(f"last_{name}_audit_seconds", "How long that took.", one.duration_ms / 1000)


def _query(statement: str, values: Mapping[str, Any] | list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
