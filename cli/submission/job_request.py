"""From what was typed to what the server is asked for. What was left open is left to the server."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cli.begin import parse_begin
from cli.durations import parse_duration, parse_moment
from cli.errors import UsageError
from cli.options.job import JobOptions
from cli.options.values import parse_labels, understand
from cli.submission import virtual_environment
from cli.submission.environments import parse_environment
from cli.submission.job_names import name_of

ENDS = ("ok", "any", "failed")


def job_request(
    command: Sequence[str], its: JobOptions, *, environ: Mapping[str, str], now: datetime
) -> dict[str, Any]:
    """The body of POST /jobs; raises `UsageError` that names the option which cannot be understood."""
    return without_gaps(
        {
            "name": its.name or name_of(command),
            "project": its.project,
            "queue": its.queue,
            "priority": parse_priority(its.priority),
            "command": list(command),
            "working_dir": str((its.working_dir or Path()).absolute()),
            "env": (virtual_environment.variables(environ) if its.venv else {}) | parse_env(its.env or [], environ),
            "secrets": [parse_secret(text) for text in its.secret or []],
            "executor": its.executor,
            "image": its.image,
            "environment": parse_environment(its.environment or []),
            "resources": _resources(its),
            "max_runtime_seconds": _if_given(parse_duration, "--time", its.time),
            "estimated_runtime_seconds": _if_given(parse_duration, "--estimate", its.estimate),
            "stall_seconds": _if_given(parse_duration, "--stall", its.stall),
            "stall_action": its.on_stall,
            "grace_seconds": _if_given(parse_duration, "--grace", its.grace),
            "begin_at": _if_given(lambda text: parse_begin(text, now).isoformat(), "--begin", its.begin),
            "deadline": _if_given(lambda text: parse_moment(text, now).isoformat(), "--deadline", its.deadline),
            "checkpointable": its.checkpointable or None,
            "preemptible": False if its.no_preempt else None,
            "max_retries": its.retries,
            "depends_on": parse_needs(its.after or []),
            "inputs": [parse_input(text) for text in its.input or []],
            "on_dependency_failure": its.on_dependency_failure,
            "labels": parse_labels("--label", its.label or []),
            "submission_key": its.key,
            "workload": its.workload,
        }
    )


def parse_secret(text: str) -> str | dict[str, str]:
    """`GCP_KEY`, or in a file `GCP_KEY:file=gcp.json`; nothing that looks like a value goes over the wire."""
    name, colon, rest = text.partition(":")
    word, _, file = rest.partition("=")
    if "=" in name:
        raise UsageError(
            "--secret: name it alone, a value is set by `trainyard secrets set`; a file is NAME:file=FILE."
        )
    if not colon:
        return name
    if word != "file" or not file:
        raise UsageError(f"--secret: {text!r} is neither NAME nor NAME:file=FILE.")
    return {"name": name, "file": file}


def parse_priority(text: str | None) -> int | str | None:
    """A number as a number; words are the server's to know."""
    return int(text) if text and text.removeprefix("-").isdecimal() else text


def parse_env(settings: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """`K=V` as it is, `K` with its value here."""
    env: dict[str, str] = {}
    for setting in settings:
        name, given, value = setting.partition("=")
        if not given and name not in environ:
            raise UsageError(f"--env {name}: there is no {name} in your environment; write {name}=VALUE.")
        env[name] = value if given else environ[name]
    return env


def parse_needs(settings: Iterable[str]) -> list[Any]:
    """`7` and `nightly` as they are, `7:any` with how the job has to end."""
    needs: list[Any] = []
    for setting in settings:
        word, given, after = setting.rpartition(":")
        known = given and after in ENDS
        word = word if known else setting
        job = int(word) if word.isascii() and word.isdecimal() else word
        needs.append({"job": job, "after": after} if known else job)
    return needs


def parse_input(text: str) -> dict[str, Any]:
    """`17`, `17:model.pt` or `17:model.pt:start/model.pt`; a path with a colon in it is for a batch file."""
    job, _, rest = text.partition(":")
    path, _, to = rest.partition(":")
    if not job.isascii() or not job.isdecimal():
        raise UsageError(f"--input {text}: begin with the number of a job, as in 17:model.pt.")
    return without_gaps({"job": int(job), "path": path or None, "to": to or None})


def without_gaps(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request without what was not given."""
    return {name: value for name, value in request.items() if value is not None and value not in ({}, [])}


def _resources(its: JobOptions) -> dict[str, Any]:
    names = ("gpus", "gpu_model", "gpu_memory_gb", "cpus", "memory_gb", "nodes")
    labels = parse_labels("--node-label", its.node_label or [])
    return without_gaps({name: getattr(its, name) for name in names} | {"node_labels": labels})


def _if_given(parse: Callable[[str], Any], option: str, text: str | None) -> Any:
    return None if text is None else understand(parse, option, text)
