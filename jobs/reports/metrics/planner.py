"""What the planner did: cycles, promises of a floor, predictions and what became of them."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily

from jobs.models import Cycle
from jobs.models.planning import FloorShadow, RunTimeLearning
from jobs.planning import start_forecasts
from jobs.reports.metrics.families import Family, counter, gauge, labelled, query
from jobs.state import alerts
from scheduling.plan_result import WhyBroken

IN_THE_SHADOW = """
    SELECT count(*) FILTER (WHERE shadow.work_seconds IS NULL AND shadow.started_at IS NOT NULL),
           count(*) FILTER (WHERE shadow.work_seconds IS NULL AND shadow.started_at IS NULL),
           count(*) FILTER (WHERE shadow.work_seconds IS NOT NULL),
           count(*) FILTER (WHERE shadow.started_at IS NULL AND job.state IN ('queued', 'assigned', 'running'))
    FROM jobs_floorshadowjob AS shadow JOIN jobs_job AS job ON job.id = shadow.job_id
"""


def cycles() -> Iterator[Family]:
    cycle = Cycle.objects.defer("line").get()
    yield gauge("last_cycle_seconds", "How long the last scheduling cycle took.", cycle.duration_ms / 1000)
    began = cycle.started_at.timestamp() if cycle.started_at else 0
    yield gauge("last_cycle_timestamp_seconds", "When the last scheduling cycle began.", began)
    yield gauge(
        "alerts", "What is wrong at the moment without stopping the platform.", len([*cycle.alerts, *alerts.active()])
    )
    yield counter("placements", "Jobs that cycles have placed.", cycle.placed_total)
    yield gauge("last_cycle_waiting_jobs", "Jobs that the last plan left waiting.", cycle.waiting)
    yield gauge("last_cycle_placed_jobs", "Jobs that the last plan placed.", cycle.placed)


def floor() -> Iterator[Family]:
    """Zeros while no policy keeps a floor."""
    shadow = FloorShadow.objects.first() or FloorShadow()
    [[running, waiting, ended, early]] = query(IN_THE_SHADOW, [])
    text = "Jobs in the shadow schedule: running or waiting there, or ended here and not there yet."
    rows = [("running", running), ("waiting", waiting), ("ended", ended)]
    yield labelled(GaugeMetricFamily, "floor_jobs", text, ("state",), rows)
    yield gauge(
        "floor_opportunistic_jobs", "Jobs that run before their turn, and give way when another's has come.", early
    )
    text = "The longest wait in the shadow schedule so far: promises may be later by a part of it."
    yield gauge("floor_longest_wait_seconds", text, shadow.longest_wait)
    text = "Jobs that were done no later than promised, since a policy keeps a floor."
    yield counter("floor_kept_promises", text, shadow.kept)
    text = "Promises that could not be kept since then, by why."
    broken = [(why, shadow.broken.get(why, 0)) for why in WhyBroken]
    yield labelled(CounterMetricFamily, "floor_broken_promises", text, ("reason",), broken)


def start_predictions() -> Iterator[Family]:
    """Nothing before the first start that was foretold."""
    found = start_forecasts.accuracy()
    if found is None:
        return
    both = (("first", found.first), ("last", found.last))
    text = "How far off the expected start was, either way, over the last starts."
    labels = ("prediction", "quantile")
    rows = [(which, q, value) for which, of in both for q, value in (("0.5", of.p50_seconds), ("0.9", of.p90_seconds))]
    yield labelled(GaugeMetricFamily, "predicted_start_error_seconds", text, labels, rows)
    text = "The share of the last starts that came inside their interval."
    rows_held = [(which, of.held) for which, of in both]
    yield labelled(GaugeMetricFamily, "predicted_start_held_ratio", text, ("prediction",), rows_held)
    yield gauge("predicted_starts_measured", "Over how many starts that is.", found.starts)


def run_time_predictions() -> Iterator[Family]:
    learned = RunTimeLearning.objects.first() or RunTimeLearning()
    text = "How far off predicted run times were, either way, over all jobs that had one."
    yield SummaryMetricFamily(
        "trainyard_predicted_run_time_error_seconds", text, learned.count, learned.absolute_seconds
    )
    text = "Jobs that ended inside the interval of their predicted run time."
    yield counter("predicted_run_times_held", text, learned.inside)
    text = "Jobs that outlived their predicted run time."
    yield counter("predicted_run_times_outlived", text, learned.under)
