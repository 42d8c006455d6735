"""Inbound Celery messages. Each parses and calls one function.

The platform's own tasks send no events: what Flower shows are the training runs.
"""

from celery import shared_task

from jobs.code import forgetting
from jobs.control import draining
from jobs.logs import archive, retention
from jobs.metric_history import store
from jobs.planning import cycle, pool_scaling, run_times, start_forecasts
from jobs.recovery import (
    budget_alerts,
    idle_gpu_mail,
    ledger_audit,
    mlflow_runs,
    old_jobs,
    old_outputs,
    quota_audit,
    quota_sync,
    sweep,
)
from jobs.schedules.submit_due import submit_due
from jobs.usage import job_counts, rollup, running_sums


@shared_task(name="trainyard.run_cycle", send_events=False)
def run_cycle() -> None:
    """Plan once; requests that come while a plan is made share the next one."""
    cycle.combiner.run(cycle.run_cycle)


@shared_task(name="trainyard.predict_starts", send_events=False)
def predict_starts() -> None:
    """Foretell the starts of the first in line; no cycle waits for it."""
    start_forecasts.refresh_when_due()


@shared_task(name="trainyard.learn_run_times", send_events=False)
def learn_run_times() -> None:
    """Learn from the jobs that ended how long jobs run, and expect anew of those that wait."""
    run_times.learn()


@shared_task(name="trainyard.scale_pools", send_events=False)
def scale_pools() -> None:
    """Decide how many nodes each pool is to have; no cycle waits for it."""
    pool_scaling.scale_pools()


@shared_task(name="trainyard.recover", send_events=False)
def recover() -> None:
    """Stale-job detection: silent nodes, lost messages, jobs without progress."""
    sweep.recover()
    draining.enforce()


@shared_task(name="trainyard.archive_logs", send_events=False)
def archive_logs() -> None:
    """Move the logs of attempts that are over to the storage."""
    archive.archive()


@shared_task(name="trainyard.close_runs", send_events=False)
def close_runs() -> None:
    """End the runs that killed attempts left open in MLflow."""
    mlflow_runs.close_runs()


@shared_task(name="trainyard.watch_budgets", send_events=False)
def watch_budgets() -> None:
    """Tell of budgets of which much is used, and send what is to be told; of idle GPUs too."""
    budget_alerts.watch()
    idle_gpu_mail.deliver()


@shared_task(name="trainyard.audit_quotas", send_events=False)
def audit_quotas() -> None:
    """Compare what counts as used with what runs, and mend what is wrong."""
    quota_audit.audit()


@shared_task(name="trainyard.sync_quotas", send_events=False)
def sync_quotas(project: str = "") -> None:
    """Read what the quota provider says of the project, or of all; what it allows more may start at once."""
    quota_sync.sync(project)


@shared_task(name="trainyard.audit_costs", send_events=False)
def audit_costs() -> None:
    """Settle what ended without it, and say what drifts in the ledger."""
    ledger_audit.watch()


@shared_task(name="trainyard.roll_up_usage", send_events=False)
def roll_up_usage() -> None:
    """Sum up the hours that are over, and fold together what triggers have added up."""
    rollup.roll_up()
    running_sums.fold()


@shared_task(name="trainyard.count_jobs", send_events=False)
def count_jobs() -> None:
    """Write down what jobs have done since the last time, so that scrapes need not look at it again."""
    job_counts.fold()


@shared_task(name="trainyard.submit_scheduled", send_events=False)
def submit_scheduled() -> None:
    """Submit the jobs of schedules that are due."""
    submit_due()


@shared_task(name="trainyard.prune", send_events=False)
def prune() -> None:
    """Clean-up of what is older than its retention."""
    sweep.prune()
    retention.prune()
    store.prune()
    run_times.forget()
    old_jobs.prune()
    old_outputs.prune()
    forgetting.prune()
