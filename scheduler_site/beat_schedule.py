"""What beat asks the control worker for, and how often."""

from typing import Any


def beat_schedule(
    cycle_seconds: float, recovery_seconds: float, scaling_seconds: float, provider_seconds: float | None = None
) -> dict[str, dict[str, Any]]:
    """By a name for people. `provider_seconds`: how often another system is asked for its quotas, if one keeps any."""
    more = {"quota provider": _every(provider_seconds, "trainyard.sync_quotas")} if provider_seconds else {}
    return {
        "scheduling cycle": _every(cycle_seconds, "trainyard.run_cycle"),
        "predicted starts": _every(cycle_seconds, "trainyard.predict_starts"),
        "run-time learning": _every(cycle_seconds, "trainyard.learn_run_times"),
        "pool scaling": _every(scaling_seconds, "trainyard.scale_pools"),
        "stale-job detection": _every(recovery_seconds, "trainyard.recover"),
        "log archive": _every(10.0, "trainyard.archive_logs"),
        "tracked runs": _every(30.0, "trainyard.close_runs"),
        "budgets": _every(60.0, "trainyard.watch_budgets"),
        "quota audit": _every(30.0, "trainyard.audit_quotas"),
        "ledger audit": _every(600.0, "trainyard.audit_costs"),
        "usage roll-up": _every(60.0, "trainyard.roll_up_usage"),
        "counts of jobs": _every(10.0, "trainyard.count_jobs"),
        "scheduled jobs": _every(5.0, "trainyard.submit_scheduled"),
        "clean-up": _every(3600.0, "trainyard.prune"),
        **more,
    }


def _every(seconds: float, task: str) -> dict[str, Any]:
    """One that waited so long that the next one is there is not needed any more."""
    return {"task": task, "schedule": seconds, "options": {"queue": "control", "priority": 0, "expires": seconds}}
