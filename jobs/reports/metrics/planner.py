"""What the planner did: cycles, promises of a floor, predictions and what became of them."""

from collections.abc import Iterator
from json import loads

from jobs.models import Cycle
from jobs.models.planning import FloorShadow, RunTimeLearning
from jobs.planning import start_forecasts
from jobs.reports.metrics.families import Family, Prepared, counter, counters, gauge, gauges, query, summary
from scheduling.plan_result import WhyBroken

IN_THE_SHADOW = """
    SELECT count(*) FILTER (WHERE shadow.work_seconds IS NULL AND shadow.started_at IS NOT NULL),
           count(*) FILTER (WHERE shadow.work_seconds IS NULL AND shadow.started_at IS NULL),
           count(*) FILTER (WHERE shadow.work_seconds IS NOT NULL),
           count(*) FILTER (WHERE shadow.started_at IS NULL AND job.state IN ('queued', 'assigned', 'running'))
    FROM jobs_floorshadowjob AS shadow JOIN jobs_job AS job ON job.id = shadow.job_id
"""
LAST_CYCLE = Prepared(
    lambda: Cycle.objects.values_list("started_at", "duration_ms", "alerts", "placed_total", "waiting", "placed")
)
STANDING_ALERTS = "SELECT count(*) FROM jobs_standingalert"
SHADOW = Prepared(lambda: FloorShadow.objects.values_list("longest_wait", "kept", "broken"))
LEARNED = Prepared(lambda: RunTimeLearning.objects.values_list("count", "absolute_seconds", "inside", "under"))


def cycles() -> Iterator[Family]:
    [(started_at, duration_ms, alerts, placed_total, waiting, placed)] = LAST_CYCLE.rows()
    [[standing]] = query(STANDING_ALERTS, [])
    yield gauge("last_cycle_seconds", "How long the last scheduling cycle took.", duration_ms / 1000)
    began = started_at.timestamp() if started_at else 0
    yield gauge("last_cycle_timestamp_seconds", "When the last scheduling cycle began.", began)
    text = "What is wrong at the moment without stopping the platform."
    yield gauge("alerts", text, len(loads(alerts)) + standing)
    yield counter("placements", "Jobs that cycles have placed.", placed_total)
    yield gauge("last_cycle_waiting_jobs", "Jobs that the last plan left waiting.", waiting)
    yield gauge("last_cycle_placed_jobs", "Jobs that the last plan placed.", placed)


def floor() -> Iterator[Family]:
    """Zeros while no policy keeps a floor."""
    [(longest_wait, kept, told)] = SHADOW.rows() or [(0.0, 0, "{}")]
    [[running, waiting, ended, early]] = query(IN_THE_SHADOW, [])
    text = "Jobs in the shadow schedule: running or waiting there, or ended here and not there yet."
    rows = [("running", running), ("waiting", waiting), ("ended", ended)]
    yield gauges("floor_jobs", text, ("state",), rows)
    yield gauge(
        "floor_opportunistic_jobs", "Jobs that run before their turn, and give way when another's has come.", early
    )
    text = "The longest wait in the shadow schedule so far: promises may be later by a part of it."
    yield gauge("floor_longest_wait_seconds", text, longest_wait)
    text = "Jobs that were done no later than promised, since a policy keeps a floor."
    yield counter("floor_kept_promises", text, kept)
    text = "Promises that could not be kept since then, by why."
    broken = loads(told)
    yield counters("floor_broken_promises", text, ("reason",), [(why, broken.get(why, 0)) for why in WhyBroken])


def start_predictions() -> Iterator[Family]:
    """Nothing before the first start that was foretold."""
    found = start_forecasts.accuracy()
    if found is None:
        return
    both = (("first", found.first), ("last", found.last))
    text = "How far off the expected start was, either way, over the last starts."
    labels = ("prediction", "quantile")
    rows = [(which, q, value) for which, of in both for q, value in (("0.5", of.p50_seconds), ("0.9", of.p90_seconds))]
    yield gauges("predicted_start_error_seconds", text, labels, rows)
    text = "The share of the last starts that came inside their interval."
    rows_held = [(which, of.held) for which, of in both]
    yield gauges("predicted_start_held_ratio", text, ("prediction",), rows_held)
    yield gauge("predicted_starts_measured", "Over how many starts that is.", found.starts)


def run_time_predictions() -> Iterator[Family]:
    [(count, seconds, inside, under)] = LEARNED.rows() or [(0, 0.0, 0, 0)]
    text = "How far off predicted run times were, either way, over all jobs that had one."
    yield summary("predicted_run_time_error_seconds", text, count, seconds)
    text = "Jobs that ended inside the interval of their predicted run time."
    yield counter("predicted_run_times_held", text, inside)
    text = "Jobs that outlived their predicted run time."
    yield counter("predicted_run_times_outlived", text, under)
