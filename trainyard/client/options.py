"""What may be said of a job, in the words of `trainyard submit`, and the request that it becomes."""

import difflib
import inspect
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from os import PathLike, fspath
from typing import Any, TypedDict

from trainyard.durations import parse_duration, parse_moment
from trainyard.errors import UsageError

Seconds = str | float | timedelta
"""`"2h"`, `"1h30m"`, a number of seconds, or a timedelta."""


class JobOptions(TypedDict, total=False):
    """All of a job that may be left to the server."""

    name: str
    queue: str
    priority: int | str
    gpus: int
    gpu_model: str
    gpu_memory_gb: float
    cpus: int
    memory_gb: float
    nodes: int
    node_labels: Mapping[str, str]
    executor: str
    image: str
    time: Seconds
    estimate: Seconds
    stall: Seconds
    on_stall: str
    grace: Seconds
    deadline: str | datetime | timedelta
    env: Mapping[str, str]
    secrets: Sequence[str | Mapping[str, str]]
    """Names; as `{"name": "GCP_KEY", "file": "gcp.json"}` in a file, whose path is in `GCP_KEY_FILE`."""
    working_dir: str | PathLike[str]
    labels: Mapping[str, str]
    workload: str
    after: Sequence[Any]
    on_dependency_failure: str
    retries: int
    checkpointable: bool
    preemptible: bool
    key: str
    reason: str
    more: Mapping[str, Any]
    """Fields of POST /jobs as REST has them, for what these words do not know."""


RESOURCES = ("gpus", "gpu_model", "gpu_memory_gb", "cpus", "memory_gb", "nodes", "node_labels")
SECONDS = {"time": "max_runtime_seconds", "estimate": "estimated_runtime_seconds", "stall": "stall_seconds", "grace": "grace_seconds"}  # fmt: skip
RENAMED = {"on_stall": "stall_action", "retries": "max_retries", "key": "submission_key"}
TREATED = {*RESOURCES, *SECONDS, "deadline", "after", "working_dir", "more"}


def request_of(options: JobOptions, *, now: datetime | None = None) -> dict[str, Any]:
    """The body of POST /jobs without command and project. Raises `UsageError`, which names the option."""
    said: dict[str, Any] = {word: value for word, value in options.items() if value is not None}
    _refuse_unknown(said)
    request = {RENAMED.get(word, word): value for word, value in said.items() if word not in TREATED}
    request |= {SECONDS[word]: _seconds(word, said[word]) for word in SECONDS if word in said}
    if resources := {word: said[word] for word in RESOURCES if word in said}:
        request["resources"] = resources
    if "deadline" in said:
        request["deadline"] = _moment(said["deadline"], now or datetime.now(UTC))
    if "working_dir" in said:
        request["working_dir"] = fspath(said["working_dir"])
    if "after" in said:
        request["depends_on"] = [_need(one) for one in _listed(said["after"])]
    return request | dict(said.get("more") or {})


def command_of(command: str | Sequence[str]) -> list[str]:
    """Word by word; a text is split as a shell does, without one."""
    words = shlex.split(command) if isinstance(command, str) else [fspath(word) for word in command]
    if not words:
        raise UsageError("command: there is none.")
    return words


def _refuse_unknown(said: Mapping[str, Any]) -> None:
    known = inspect.get_annotations(JobOptions)
    for word in said:
        if word not in known:
            near = difflib.get_close_matches(word, known, 1)
            meant = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
            raise UsageError(f"{word}: there is no such option. {meant}")


def _seconds(word: str, value: Seconds) -> int:
    try:
        if isinstance(value, str):
            return parse_duration(value)
        return round(value.total_seconds() if isinstance(value, timedelta) else value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{word}: {error}") from error


def _moment(value: str | datetime | timedelta, now: datetime) -> str:
    try:
        if isinstance(value, str):
            return parse_moment(value, now).isoformat()
        return ((now + value) if isinstance(value, timedelta) else value.astimezone()).isoformat()
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"deadline: {error}") from error


def _listed(after: Any) -> Sequence[Any]:
    """One may stand alone."""
    return list(after) if isinstance(after, list | tuple | set) else [after]


def _need(one: Any) -> Any:
    """A job, its number, or what REST takes."""
    return getattr(one, "id", one)
