"""A batch job as it is asked for, written as each version of the API, and `sbatch`, wants it."""

from dataclasses import dataclass, field
from typing import Any

APPEND = "append"


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One job over whole-number nodes, a task on each. Empty or None: as the cluster has it."""

    name: str
    script: str
    output: str
    """A path on the nodes."""
    directory: str
    nodes: tuple[str, ...] = ()
    """By name: these and no others. Their number is that of the tasks."""
    cpus: int = 1
    memory_mb: int = 0
    gpus: int = 0
    gpu_type: str = ""
    minutes: int | None = None
    warn_seconds: int | None = None
    """SIGTERM to the batch shell so long before the time limit, where the API can say that (22.05's cannot)."""
    partition: str = ""
    account: str = ""
    qos: str = ""
    reservation: str = ""
    comment: str = ""
    environment: dict[str, str] = field(default_factory=dict)


def for_rest(asked: BatchJob, version: tuple[int, int, int]) -> dict[str, Any]:
    """The body of `POST job/submit`."""
    body = _plain(asked) if version < (0, 0, 39) else _structured(asked)
    return {"script": asked.script, "job": {name: value for name, value in body.items() if value not in (None, "")}}


def _shared(asked: BatchJob) -> dict[str, Any]:
    return {
        "name": asked.name,
        "partition": asked.partition,
        "account": asked.account,
        "qos": asked.qos,
        "reservation": asked.reservation,
        "comment": asked.comment,
        "current_working_directory": asked.directory,
        "standard_output": asked.output,
        "standard_input": "/dev/null",
        "tasks": len(asked.nodes) or 1,
        "tasks_per_node": 1,
        "cpus_per_task": asked.cpus,
    }


def _plain(asked: BatchJob) -> dict[str, Any]:
    """Up to v0.0.38 a job's fields are options of `sbatch` by other names."""
    count = len(asked.nodes) or 1
    return {
        **_shared(asked),
        "no_requeue": True,  # `requeue` means yes, whatever its value
        "nodes": [count, count],
        "nodelist": ",".join(asked.nodes),
        "memory_per_node": asked.memory_mb or None,
        "gpus_per_node": _gpus(asked),
        "time_limit": asked.minutes,
        "open_mode": APPEND,
        "environment": asked.environment,
    }


def _structured(asked: BatchJob) -> dict[str, Any]:
    count = len(asked.nodes) or 1
    warning = {
        "kill_warning_flags": ["BATCH_JOB"],
        "kill_warning_signal": "TERM",
        "kill_warning_delay": _set(asked.warn_seconds),
    }
    return {
        **_shared(asked),
        "requeue": False,
        "nodes": str(count),
        "minimum_nodes": count,
        "maximum_nodes": count,
        "required_nodes": list(asked.nodes) or None,
        "memory_per_node": _set(asked.memory_mb or None),
        "tres_per_node": f"gres/gpu:{_gpus(asked)}" if asked.gpus else None,
        "time_limit": _set(asked.minutes),
        "open_mode": [APPEND.upper()],
        "environment": [f"{name}={value}" for name, value in asked.environment.items()],
        **(warning if asked.warn_seconds and asked.minutes else {}),
    }


def for_sbatch(asked: BatchJob) -> list[str]:
    """The options of `sbatch`; the script goes to its standard input."""
    given = {
        "job-name": asked.name,
        "partition": asked.partition,
        "account": asked.account,
        "qos": asked.qos,
        "reservation": asked.reservation,
        "comment": asked.comment,
        "chdir": asked.directory,
        "output": asked.output,
        "input": "/dev/null",
        "nodes": len(asked.nodes) or 1,
        "ntasks": len(asked.nodes) or 1,
        "ntasks-per-node": 1,
        "nodelist": ",".join(asked.nodes),
        "cpus-per-task": asked.cpus,
        "mem": f"{asked.memory_mb}M" if asked.memory_mb else "",
        "gpus-per-node": _gpus(asked) or "",
        "time": asked.minutes or "",
        "signal": f"B:TERM@{asked.warn_seconds}" if asked.warn_seconds and asked.minutes else "",
        "open-mode": APPEND,
        "export": "NONE",
    }
    return ["--parsable", "--no-requeue", *(f"--{name}={value}" for name, value in given.items() if value != "")]


def _gpus(asked: BatchJob) -> str | None:
    if not asked.gpus:
        return None
    return f"{asked.gpu_type}:{asked.gpus}" if asked.gpu_type else str(asked.gpus)


def _set(value: int | None) -> dict[str, Any] | None:
    return None if value is None else {"set": True, "infinite": False, "number": value}
