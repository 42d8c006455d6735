"""Writes the dashboards beside it, in dashboards/: `python deploy/grafana/dashboards.py` after a change here."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("dashboards")
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
SIZES = {"stat": (4, 4), "table": (12, 8), "timeseries": (12, 8)}
FIRING = 'ALERTS{alertname=~"Trainyard.+"}'


@dataclass(frozen=True)
class Panel:
    """A title, and under it queries with what each line is called."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"

    def as_data(self, number: int, left: int, top: int) -> dict[str, Any]:
        width, height = SIZES[self.kind]
        return {
            "id": number,
            "title": self.title,
            "type": self.kind,
            "datasource": SOURCE,
            "gridPos": {"x": left, "y": top, "w": width, "h": height},
            "fieldConfig": {"defaults": {"unit": self.unit, "min": 0}, "overrides": []},
            "targets": [self._target(*query, letter) for query, letter in zip(self.queries, "ABCDEF", strict=False)],
        }

    def _target(self, expression: str, legend: str, letter: str) -> dict[str, Any]:
        known = {"refId": letter, "datasource": SOURCE, "expr": expression, "legendFormat": legend}
        return {**known, "instant": True, "format": "table"} if self.kind == "table" else known


def stat(title: str, expression: str, unit: str = "short") -> Panel:
    return Panel(title, ((expression, title),), unit, "stat")


def quantiles(title: str, histogram: str, *, window: str = "$__rate_interval") -> Panel:
    """Of what came in the window."""
    rates = f"sum by (le) (rate({histogram}_bucket[{window}]))"
    queries = tuple((f"histogram_quantile({share}, {rates})", f"{share:.0%}") for share in (0.5, 0.9, 0.99))
    return Panel(title, queries, "s")


def lines(title: str, *queries: tuple[str, str], unit: str = "short") -> Panel:
    return Panel(title, queries, unit)


SCHEDULER = (
    stat("Waiting", 'sum(trainyard_jobs{state="pending",queue=~"$queue"}) or vector(0)'),
    stat("Running", 'sum(trainyard_jobs{state="running",queue=~"$queue"}) or vector(0)'),
    stat("Longest wait", "max(trainyard_longest_wait_seconds)", "s"),
    stat("Worst stretch in a day", "max(trainyard_worst_stretch)"),
    stat("Since the last cycle", "time() - max(trainyard_last_cycle_timestamp_seconds)", "s"),
    stat("Failed in the last hour", "max(trainyard:jobs_failed:ratio_last_hour)", "percentunit"),
    Panel("Alerts", ((FIRING, ""),), kind="table"),
    lines("Active jobs by state", ("sum by (state) (trainyard_active_jobs)", "{{state}}")),
    lines("Jobs by state", ('sum by (state) (trainyard_jobs{queue=~"$queue"})', "{{state}}")),
    lines("Waiting by reason", ("sum by (reason) (trainyard_waiting_jobs)", "{{reason}}")),
    lines("Waiting by queue", ('sum by (queue) (trainyard_queue_length{queue=~"$queue"})', "{{queue}}")),
    lines("Waiting by priority", ('sum by (priority) (trainyard_queue_length{queue=~"$queue"})', "{{priority}}")),
    lines("Waiting by hardware", ('sum by (hardware) (trainyard_queue_length{queue=~"$queue"})', "{{hardware}}")),
    lines(
        "Taken in and ended",
        ("sum(rate(trainyard_submitted_jobs_total[$__rate_interval]))", "submitted"),
        ("sum by (state) (rate(trainyard_jobs_total[$__rate_interval]))", "{{state}}"),
        unit="ops",
    ),
    lines(
        "Attempts that did not complete, in an hour",
        (
            'sum by (reason) (increase(trainyard_attempts_ended_total{reason!="completed"}[1h])) > 0 or vector(0)',
            "{{reason}}",
        ),
    ),
    lines("Retries in an hour", ("sum by (paid_by) (increase(trainyard_retries_total[1h]))", "paid by {{paid_by}}")),
    quantiles("Wait of attempts that began in an hour", "trainyard_job_wait_seconds", window="1h"),
    quantiles("Run time of attempts that ended in an hour", "trainyard_attempt_run_seconds", window="1h"),
    quantiles("From submission to end, of jobs that ended in an hour", "trainyard_job_duration_seconds", window="1h"),
    quantiles("From message to claim", "trainyard_publish_to_claim_seconds"),
    quantiles("Scheduling cycles", "trainyard_cycle_seconds"),
    lines(
        "What is planned",
        ("max(trainyard_last_cycle_waiting_jobs)", "left waiting by the last cycle"),
        ("max(trainyard_last_cycle_placed_jobs)", "placed by it"),
    ),
    lines(
        "Decisions",
        ("sum by (decision) (rate(trainyard_plan_decisions_total[$__rate_interval]))", "{{decision}}"),
        unit="ops",
    ),
    lines("Leases", ("sum(trainyard_leases)", "held"), ("sum(trainyard_leases_overdue)", "overdue")),
    lines(
        "Placed, told to give way",
        ("sum(trainyard:placements:rate5m)", "placed"),
        ("sum by (strategy) (rate(trainyard_preemptions_total[$__rate_interval]))", "{{strategy}}"),
        unit="ops",
    ),
    lines(
        "A cycle takes",
        ("max(trainyard:cycle_seconds:mean5m)", "mean of 5 minutes"),
        ("max(trainyard_last_cycle_seconds)", "the last one"),
        unit="s",
    ),
    lines("Ended in the last hour", ("sum by (state) (trainyard_jobs_ended_last_hour)", "{{state}}")),
    lines("Longest wait over time", ("max(trainyard_longest_wait_seconds)", "waits"), unit="s"),
    lines(
        "Error of predicted starts",
        (
            "max by (prediction, quantile) (trainyard_predicted_start_error_seconds)",
            "{{prediction}} prediction, {{quantile}}",
        ),
        unit="s",
    ),
    lines(
        "Predicted starts that held",
        ("max by (prediction) (trainyard_predicted_start_held_ratio)", "{{prediction}} prediction"),
        unit="percentunit",
    ),
    lines(
        "Promises of the floor, in an hour",
        ("sum(increase(trainyard_floor_kept_promises_total[1h]))", "kept"),
        ("sum by (reason) (increase(trainyard_floor_broken_promises_total[1h]))", "broken: {{reason}}"),
    ),
    lines("Servers that answer", ("min by (server) (trainyard_server_up)", "{{server}}")),
)

WORKERS = (
    stat("Alive", 'sum(trainyard_nodes{liveness="alive"})'),
    stat("Lost", "sum(trainyard_lost_nodes)"),
    stat("Deaf", "sum(trainyard_deaf_nodes)"),
    stat("Suspected", "sum(trainyard_suspect_nodes)"),
    stat("Full disks", "sum(trainyard_full_disks)"),
    stat("GPUs out", "sum(trainyard_gpus_out)"),
    Panel("Hardware", (("trainyard_node_info", ""),), kind="table"),
    lines("Nodes by state", ("sum by (state) (trainyard_nodes_by_state)", "{{state}}")),
    lines("Processors at work", ("trainyard_node_cpu_utilisation_ratio", "{{node}}"), unit="percentunit"),
    lines("Memory used", ("trainyard_node_memory_used_bytes", "{{node}}"), unit="bytes"),
    lines("Jobs on each node", ("trainyard_node_jobs", "{{node}}")),
    lines("Room where jobs write", ("trainyard_node_disk_free_bytes", "{{node}}"), unit="bytes"),
    lines("GPUs at work", ("trainyard_gpu_utilisation_ratio", "{{node}}, {{gpu}}"), unit="percentunit"),
    lines("GPU memory used", ("trainyard_gpu_memory_used_bytes", "{{node}}, {{gpu}}"), unit="bytes"),
    lines("GPU power", ("trainyard_gpu_power_watts", "{{node}}, {{gpu}}"), unit="watt"),
    lines("GPU temperature", ("trainyard_gpu_temperature_celsius", "{{node}}, {{gpu}}"), unit="celsius"),
    lines("GPU memory errors", ("trainyard_gpu_ecc_errors", "{{node}}, {{gpu}}")),
    lines("Nodes", ("sum by (liveness) (trainyard_nodes)", "{{liveness}}"), ("sum(trainyard_idle_nodes)", "idle")),
    lines(
        "Held",
        ("max(trainyard:gpus_held:ratio)", "GPUs"),
        ("max(trainyard:cpus_held:ratio)", "CPUs"),
        ("max(trainyard:memory_bytes_held:ratio)", "memory"),
        unit="percentunit",
    ),
    lines(
        "GPUs",
        ("sum(trainyard_gpus)", "there"),
        ("sum(trainyard_gpus_held)", "held"),
        ("sum(trainyard_gpus_idle)", "held and idle for 5 minutes"),
        ("sum(trainyard_gpu_trespasses)", "processes of others on them"),
    ),
    lines("CPUs", ("sum(trainyard_cpus)", "there"), ("sum(trainyard_cpus_held)", "held")),
    lines(
        "Memory",
        ("sum(trainyard_memory_bytes)", "there"),
        ("sum(trainyard_memory_bytes_held)", "held"),
        unit="bytes",
    ),
    lines("Power", ("sum by (device) (trainyard_power_watts)", "{{device}}"), unit="watt"),
    lines("Energy in an hour", ("sum by (device) (trainyard_energy_last_hour_joules)", "{{device}}"), unit="joule"),
    lines(
        "Steps for idle GPUs, in an hour",
        ("sum by (rung) (increase(trainyard_idle_gpu_steps_total[1h]))", "{{rung}}"),
    ),
    lines(
        "GPU time given back, in an hour",
        ("sum by (rung) (increase(trainyard_idle_gpu_freed_seconds_total[1h]))", "{{rung}}"),
        unit="s",
    ),
    lines(
        "Room made where jobs were deleted",
        ("sum by (node) (trainyard_removed_job_folder_bytes_total)", "{{node}}"),
        unit="bytes",
    ),
    lines(
        "Exporters of nodes",
        ('sum(up{job="trainyard-nodes"})', "answer"),
        ('count(up{job="trainyard-nodes"} == 0) or vector(0)', "do not answer"),
        ("sum(trainyard_agent_leaving)", "agents that end"),
        ("count(trainyard_agent_consuming == 0) or vector(0)", "agents that no message reaches"),
    ),
    lines("Leases: left of the shortest", ("trainyard_agent_lease_seconds", "{{instance}}"), unit="s"),
    lines("Since the database was reached", ("trainyard_agent_database_silence_seconds", "{{instance}}"), unit="s"),
    lines("Claims and ends that wait for the database", ("trainyard_agent_unsaid", "{{instance}}")),
    lines("Logs that are not stored yet", ("trainyard_agent_unsent_log_bytes", "{{instance}}"), unit="bytes"),
    lines(
        "Placements of agents",
        ("sum(trainyard_agent_placements)", "held"),
        ("sum(trainyard_agent_suspended_placements)", "of them, suspended"),
    ),
    lines(
        "Processors at work, by the agents",
        ("rate(trainyard_agent_cpu_busy_seconds_total[$__rate_interval]) / trainyard_agent_cpus", "{{instance}}"),
        unit="percentunit",
    ),
    lines(
        "Memory used, by the agents",
        ("trainyard_agent_memory_used_bytes / (trainyard_agent_memory_bytes > 0)", "{{instance}}"),
        unit="percentunit",
    ),
    lines("Room where jobs write, by the agents", ("trainyard_agent_disk_free_bytes", "{{instance}}"), unit="bytes"),
    lines(
        "GPUs at work, by the agents",
        ("trainyard_agent_gpu_utilisation_ratio", "{{instance}}, {{gpu}}"),
        unit="percentunit",
    ),
    lines(
        "GPU memory, by the agents", ("trainyard_agent_gpu_memory_used_bytes", "{{instance}}, {{gpu}}"), unit="bytes"
    ),
    lines(
        "GPU power and energy, by the agents",
        ("trainyard_agent_gpu_power_watts", "{{instance}}, {{gpu}}"),
        ("rate(trainyard_agent_gpu_energy_joules_total[$__rate_interval])", "{{instance}}, {{gpu}}: by its counter"),
        unit="watt",
    ),
    lines(
        "GPU temperature, by the agents",
        ("trainyard_agent_gpu_temperature_celsius", "{{instance}}, {{gpu}}"),
        unit="celsius",
    ),
    lines(
        "GPU faults, by the agents",
        ("increase(trainyard_agent_gpu_ecc_errors_total[1h])", "{{instance}}, {{gpu}}: memory errors in an hour"),
        ("trainyard_agent_gpu_out > 0 or vector(0)", "{{instance}}, {{gpu}}: out"),
    ),
)

PROJECTS = (
    stat("Expected cost of what waits", "sum(trainyard_cost_pending)"),
    stat("Set aside for what runs", "sum(trainyard_cost_on_hold)"),
    stat("Highest forecast of a budget", 'max(trainyard:budget_forecast:ratio{project=~"$project"})', "percentunit"),
    stat("Quota drift", "sum(abs(trainyard_quota_drift))"),
    stat("Ledger drift", "sum(trainyard_ledger_drift)"),
    stat("Age of usage on record", "max(trainyard_usage_rollup_lag_seconds)", "s"),
    lines("Running", ('sum by (project) (trainyard_jobs{state="running",project=~"$project"})', "{{project}}")),
    lines("Waiting", ('sum by (project) (trainyard_jobs{state="pending",project=~"$project"})', "{{project}}")),
    lines(
        "Budgets: forecast",
        ('max by (project, budget) (trainyard:budget_forecast:ratio{project=~"$project"})', "{{project}}, {{budget}}"),
        unit="percentunit",
    ),
    lines(
        "Budgets: spent of the amount",
        (
            'max by (project, budget) (trainyard_budget_spent{project=~"$project"} / (trainyard_budget_amount > 0))',
            "{{project}}, {{budget}}",
        ),
        unit="percentunit",
    ),
    lines(
        "Budgets: committed, in their units",
        (
            'max by (project, budget, unit) (trainyard_budget_committed{project=~"$project"})',
            "{{project}}, {{budget}}: {{unit}}",
        ),
    ),
    lines("Booked in the last hour", ("sum by (kind) (trainyard_cost_last_hour)", "{{kind}}")),
    lines("Quota drift by book", ("max by (book, resource) (trainyard_quota_drift)", "{{book}}: {{resource}}")),
    lines(
        "Put right by the audits, in an hour",
        ("sum by (mistake) (increase(trainyard_quota_mistakes_mended_total[1h]))", "{{mistake}}"),
        ("sum(increase(trainyard_ledger_settled_late_total[1h]))", "settled late"),
    ),
    lines(
        "Since the last audit",
        ("time() - max(trainyard_last_quota_audit_timestamp_seconds)", "quotas"),
        ("time() - max(trainyard_last_ledger_audit_timestamp_seconds)", "ledger"),
        unit="s",
    ),
    lines("Alerts of budgets to be sent", ("max(trainyard_budget_deliveries_due)", "due")),
)

DASHBOARDS: dict[str, tuple[tuple[Panel, ...], tuple[str, ...]]] = {
    "Scheduler": (SCHEDULER, ("queue",)),
    "Workers": (WORKERS, ()),
    "Projects": (PROJECTS, ("project",)),
}
"""By title: its panels, and the labels of trainyard_jobs by which they can be narrowed down."""


def dashboard(title: str) -> dict[str, Any]:
    """As Grafana imports it."""
    panels, labels = DASHBOARDS[title]
    choice = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    return {
        "uid": f"trainyard-{title.lower()}",
        "title": title,
        "tags": ["trainyard"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [choice, *map(_choice_of, labels)]},
        "links": [{"type": "dashboards", "tags": ["trainyard"], "title": "Trainyard", "asDropdown": False}],
        "panels": _laid_out(panels),
    }


def _choice_of(label: str) -> dict[str, Any]:
    query = f"label_values(trainyard_jobs, {label})"
    several = {"multi": True, "includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}}
    refreshed = {"refresh": 2, "sort": 1}
    return {"name": label, "type": "query", "datasource": SOURCE, "query": query, **several, **refreshed}


def _laid_out(panels: tuple[Panel, ...]) -> list[dict[str, Any]]:
    """From left to right, as many in a row as fit; those of one row are equally high."""
    placed, left, top, height = [], 0, 0, 0
    for number, panel in enumerate(panels, start=1):
        width, tall = SIZES[panel.kind]
        if left + width > COLUMNS:
            left, top = 0, top + height
        placed.append(panel.as_data(number, left, top))
        left, height = left + width, tall
    return placed


def text(title: str) -> str:
    return json.dumps(dashboard(title), indent=1) + "\n"


if __name__ == "__main__":
    for title in DASHBOARDS:
        (FOLDER / f"{title.lower()}.json").write_text(text(title), encoding="utf-8")
