"""Where a command's runs are tracked: MLflow finds it in its environment."""

import json

from django.conf import settings

from jobs.attempts.claims import PlacementSpec


def environment(claimed: PlacementSpec) -> dict[str, str]:
    """Where runs are tracked, and tags by which they are found: MLflow puts those of MLFLOW_RUN_CONTEXT on each run."""
    if not settings.MLFLOW_TRACKING_URI:
        return {}
    tags = {
        "mlflow.runName": claimed.job_name,
        "trainyard.job_id": str(claimed.job_id),
        "trainyard.attempt": str(claimed.attempt),
        "trainyard.project": claimed.project,
    }
    ours = {"MLFLOW_TRACKING_URI": settings.MLFLOW_TRACKING_URI, "MLFLOW_RUN_CONTEXT": json.dumps(tags)}
    return {name: claimed.env.get(name, value) for name, value in ours.items()}
