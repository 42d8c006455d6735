"""Rows as the server answers them; every keyword has a default."""

from typing import Any


def job(job_id: int = 17, **changes: Any) -> dict[str, Any]:
    return {
        "id": job_id,
        "name": "train",
        "project": "default",
        "queue": "default",
        "owner": "ada",
        "priority": 50,
        "hardware": "cpu",
        "command": ["python", "train.py"],
        "working_dir": "/data",
        "env": {},
        "resources": {"gpus": 0, "gpu_memory_gb": 0, "gpu_model": "", "cpus": 1, "memory_gb": 0, "nodes": 1},
        "max_runtime_seconds": None,
        "estimated_runtime_seconds": None,
        "deadline": None,
        "checkpointable": False,
        "preemptible": True,
        "max_retries": 0,
        "depends_on": [],
        "labels": {},
        "submission_key": "",
        "state": "pending",
        "progress": None,
        "metrics": {},
        "position": None,
        "reasons": [],
        "predicted_start": None,
        "estimated_cost": None,
        "actual_cost": None,
        "attempt": 0,
        "node": None,
        "created_at": "2030-01-01T12:00:00Z",
        "queued_at": None,
        "started_at": None,
        "finished_at": None,
        "exit_code": None,
        "end_reason": "",
        "message": "",
        **changes,
    }


def running(job_id: int = 17, **changes: Any) -> dict[str, Any]:
    return job(
        job_id, **{"state": "running", "node": "n1", "attempt": 1, "started_at": "2030-01-01T12:05:00Z", **changes}
    )


def completed(job_id: int = 17, **changes: Any) -> dict[str, Any]:
    ended = {"state": "completed", "finished_at": "2030-01-01T12:10:00Z", "end_reason": "completed", "exit_code": 0}
    return running(job_id, **{**ended, **changes})


def failed(job_id: int = 17, **changes: Any) -> dict[str, Any]:
    return completed(job_id, **{"state": "failed", "end_reason": "exit_code", "exit_code": 3, **changes})


def node(name: str = "n1", **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "hostname": name,
        "state": "up",
        "liveness": "alive",
        "cordoned": False,
        "drain_reason": "",
        "cpus": 8,
        "memory_gb": 32.0,
        "gpus": [],
        "free": {"gpus": 0, "cpus": 8, "memory_gb": 32.0},
        "running": 0,
        "load": {},
        "labels": {},
        "version": "",
        "registered_at": "2030-01-01T11:00:00Z",
        "last_heartbeat_at": "2030-01-01T12:00:00Z",
        **changes,
    }
